/** What the documents name is there: paths, links, commands, dependencies. */
import { basename, dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readRepositoryFile, repositoryFiles } from './helpers/repository.ts'

const files = new Set(repositoryFiles())
const documents = [...files].filter((file) => file.endsWith('.md'))
const { scripts, ...manifest } = JSON.parse(readRepositoryFile('package.json')) as {
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  peerDependencies: Record<string, string>
}
/** Folders and files that a path of the repository begins with. */
const roots = new Set([...files].map((file) => file.split('/')[0] ?? file))

/** Paths in `code` that begin as one of the repository's does; without placeholders (NAME, <id>, *, …). */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/`([^`\s]+)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => path.includes('/') && roots.has(path.split('/')[0] ?? ''))
    .filter((path) => !/[<>*{}…]|\b[A-Z]{2,}\b(?!\.md)/.test(path))
}

/** The comments of a source file, of whatever kind. */
const commentsOf = (source: string): string =>
  source
    .split('\n')
    .flatMap((line) => /(?:^\s*(?:\/?\*|<!--|--)|(?<!:)\/\/|\/\*\*?).*$/.exec(line)?.[0] ?? [])
    .join('\n')

/** Source files that a text names, by name or by path. */
const sourcesIn = (text: string): string[] =>
  text.match(/(?<![\w./@-])[\w-]+(?:\/[\w.-]+)*\.(?:ts|mjs|svelte|sol)\b/g) ?? []

const isThere = (path: string): boolean => files.has(path) || files.has(path.endsWith('/') ? path : `${path}/`)

/** Relative links as paths from the root, and where they point in that file. */
function linksIn(text: string, from: string): { path: string; anchor: string | undefined }[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#')
      return { path: path === '' ? from : normalize(join(dirname(from), path)), anchor }
    })
}

/** Headings as GitHub names them in links. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

const commandsIn = (text: string): string[] =>
  [...text.matchAll(/\bnpm (?:run )?(?!run\b|ci\b|install\b|ls\b|and\b)([a-z][\w:-]*)/g)]
    .filter(([whole, name = '']) => whole.startsWith('npm run') || ['start', 'test'].includes(name))
    .map(([, name = '']) => name)

describe.each(documents)('%s', (document) => {
  const text = readRepositoryFile(document)

  test('names paths that exist', () => {
    expect(pathsIn(text).filter((path) => !isThere(path))).toEqual([])
  })

  test('links to files and headings that exist', () => {
    const broken = linksIn(text, document).filter(
      ({ path, anchor }) =>
        !isThere(path) || (anchor !== undefined && !anchorsOf(readRepositoryFile(path)).includes(anchor)),
    )
    expect(broken).toEqual([])
  })

  test('names commands that package.json has', () => {
    expect(commandsIn(text).filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })
})

test('the README names every command that takes somebody somewhere', () => {
  const named = new Set(['README.md', 'CONTRIBUTING.md'].flatMap((file) => commandsIn(readRepositoryFile(file))))
  expect(Object.keys(scripts).filter((name) => !named.has(name))).toEqual([])
})

test('docs/DECISIONS.md says of every dependency why it is there, and of nothing else', () => {
  const described = [...readRepositoryFile('docs/DECISIONS.md').matchAll(/^\| `([^`]+)` \| .{5,} \| .+ \|$/gm)]
  const names = described.map(([, name = '']) => name).sort()
  const { dependencies, devDependencies, peerDependencies } = manifest
  expect(names).toEqual(Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }).sort())
})

test('comments name source files that exist', () => {
  const names = new Set([...files].map((file) => basename(file)))
  const sources = [...files].filter((file) => /^(?!test\/).*\.(ts|mjs|svelte|sol)$/.test(file))
  const missing = sources.flatMap((file) =>
    sourcesIn(commentsOf(readRepositoryFile(file)))
      .filter((name) =>
        name.includes('/') && roots.has(name.split('/')[0] ?? '') ? !files.has(name) : !names.has(basename(name)),
      )
      .map((name) => `${file} names ${name}`),
  )
  expect(missing).toEqual([])
})

describe('the check', () => {
  test('finds a path, a link, a heading and a command that are not there', () => {
    expect(pathsIn('see `server/nowhere.ts` and `docs/<name>.md`, `a/b`').filter((path) => !isThere(path))).toEqual([
      'server/nowhere.ts',
    ])
    expect(linksIn('[a](../x.md#y) [b](https://x.org) [c](#z)', 'docs/a.md')).toEqual([
      { path: 'x.md', anchor: 'y' },
      { path: 'docs/a.md', anchor: 'z' },
    ])
    expect(anchorsOf('# What a vote weighs\n## A “B”: c')).toEqual(['what-a-vote-weighs', 'a-b-c'])
    expect(commandsIn('npm run nothing -- --help; npm start; npm, and npm run bench')).toEqual([
      'nothing',
      'start',
      'bench',
    ])
  })
})
