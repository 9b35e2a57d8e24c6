/** Builds the client where its sources have changed since the last build. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runOnce } from './run-once.ts'

export interface Build {
  /** The repository's root. */
  root: string
  /** Scratch folder on the same file system as the root. */
  cache: string
  env: NodeJS.ProcessEnv
  log: string
}

/** Whether it had to build. */
export async function buildClient(build: Build): Promise<boolean> {
  const { root, cache } = build
  const dist = join(root, 'client', 'dist')
  const stamp = join(dist, '.built-from')
  // Everything that the build reads, except node_modules: the lock file stands for that.
  const hash = hashFiles(root, [
    'package-lock.json',
    ...sources(root, 'core/protocol'),
    ...sources(root, 'contracts/ledger'),
    ...sources(root, 'client'),
  ])
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return false
  const draft = mkdtempSync(join(cache, 'client-'))
  const vite = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin', 'vite.js')
  try {
    await runOnce({
      name: 'the build of the client',
      command: process.execPath,
      args: [vite, 'build', 'client', '--outDir', join(draft, 'dist'), '--emptyOutDir', '--logLevel', 'warn'],
      env: build.env,
      cwd: root,
      log: build.log,
      pidFile: join(draft, 'build.json'),
      stopSignal: 'SIGTERM',
      graceMs: 2_000,
    })
    writeFileSync(join(draft, 'dist', '.built-from'), hash)
    // A running server continues with the old files, which it has open or reads from `old`.
    if (existsSync(dist)) renameSync(dist, join(draft, 'old'))
    renameSync(join(draft, 'dist'), dist)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  return true
}

export function hashFiles(root: string, files: string[]): string {
  const hash = createHash('sha256')
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

/** All files in a folder, recursively. */
export function sources(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return ['dist', 'build', 'node_modules'].includes(entry.name) ? [] : sources(root, path)
    return entry.isFile() ? [path] : []
  })
}
