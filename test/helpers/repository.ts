/** The repository's own files, for tests that read them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What is installed, built or kept by a run. */
const generated = new Set(['node_modules', '.git', '.attune', 'dist', 'build', '.out'])

/** Paths of all its files, and of its folders with a slash at the end; without what is generated. */
export function repositoryFiles(folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (generated.has(entry.name)) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? [`${relative(root, path)}/`, ...repositoryFiles(path)] : [relative(root, path)]
  })
}

export const readRepositoryFile = (file: string): string => readFileSync(join(root, file), 'utf8')
