/**
 * Where redis-server comes from: the PATH, or the distribution's own package,
 * downloaded and unpacked below Attune's folder; neither needs root.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorText, StartFault } from './fault.ts'

const run = promisify(execFile)

export interface RedisBinary {
  command: string
  /** Folders of the libraries that came with it; absent for the system's own. */
  libraryPath?: string
}

const advice =
  'install it (Debian, Ubuntu: "apt-get install redis-server"; macOS: "brew install redis"), or set REDIS_URL to a Redis of your own'

export async function findRedis(cache: string, onPhase?: (text: string) => void): Promise<RedisBinary> {
  for (const name of ['redis-server', 'valkey-server']) {
    const path = await which(name)
    if (path) return { command: path }
  }
  const home = join(cache, `redis-${process.arch}`)
  if (!existsSync(home)) {
    if (!(await which('apt-get')) || !(await which('dpkg-deb')))
      throw new StartFault(`there is no redis-server on this machine: ${advice}`)
    onPhase?.('downloading redis-server')
    try {
      await unpack(cache, home)
    } catch (error) {
      throw new StartFault(
        `there is no redis-server on this machine, and its package can't be fetched (${oneLine(errorText(error))}): ${advice}`,
      )
    }
  }
  return { command: join(home, 'usr/bin/redis-server'), libraryPath: libraryFolders(home).join(':') }
}

/** The full path of a command, or null. */
async function which(name: string): Promise<string | null> {
  try {
    return (await run('/bin/sh', ['-c', 'command -v "$1"', 'sh', name])).stdout.trim() || null
  } catch (error) {
    // `command -v` exits with 1 or 127 if there is none.
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return null
    throw error
  }
}

/** Unpacked under another name and then renamed, so that it appears atomically. */
async function unpack(cache: string, home: string): Promise<void> {
  mkdirSync(cache, { recursive: true })
  const draft = mkdtempSync(join(cache, 'redis-new-'))
  try {
    await fetchPackages(draft, ['redis-server', 'redis-tools'])
    let from = ['redis-server', 'redis-tools']
    // A package's libraries may need libraries of their own.
    for (let round = 0; round < 4 && (await missingLibraries(draft)).length > 0; round++) {
      from = await absentDependencies(from)
      await fetchPackages(draft, from)
    }
    const missing = await missingLibraries(draft)
    if (missing.length > 0) throw new Error(`its libraries ${missing.join(', ')} were not found`)
    renameSync(draft, home)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(home)) throw error // otherwise another start was faster
  }
}

async function fetchPackages(into: string, names: string[]): Promise<void> {
  if (names.length === 0) return
  const download = () =>
    run('apt-get', ['download', '-q', ...names], { cwd: into, env: { LC_ALL: 'C', PATH: searchPath } })
  try {
    await download()
  } catch (error) {
    // No package list yet, or an old one that names files which are gone: root may fetch a new one.
    if (process.getuid?.() !== 0) throw error
    await run('apt-get', ['update', '-q'], { env: { LC_ALL: 'C', PATH: searchPath } })
    await download()
  }
  for (const file of readdirSync(into).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', file, '.'], { cwd: into, env: { LC_ALL: 'C', PATH: searchPath } })
    rmSync(join(into, file))
  }
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

async function missingLibraries(home: string): Promise<string[]> {
  const { stdout } = await run('ldd', [join(home, 'usr/bin/redis-server')], {
    env: { LC_ALL: 'C', PATH: searchPath, LD_LIBRARY_PATH: libraryFolders(home).join(':') },
  })
  return stdout
    .split('\n')
    .filter((line) => line.includes('not found'))
    .map((line) => line.trim().split(' ')[0] ?? line)
}

/** The dependencies of these packages that the system doesn't have. */
async function absentDependencies(names: string[]): Promise<string[]> {
  const installed = new Set(
    [...readFileSync('/var/lib/dpkg/status', 'utf8').matchAll(/^Package: (.+)\nStatus: install ok installed$/gm)].map(
      (match) => match[1],
    ),
  )
  const { stdout } = await run('apt-cache', ['depends', '--important', ...names], {
    env: { LC_ALL: 'C', PATH: searchPath },
  })
  const wanted = [...stdout.matchAll(/^ {2,}\|?(?:Pre)?Depends: ([a-z0-9.+-]+)$/gm)].flatMap((match) => match[1] ?? [])
  return [...new Set(wanted)].filter((name) => name.startsWith('lib') && !installed.has(name))
}

function libraryFolders(home: string): string[] {
  const folders: string[] = []
  for (const base of ['usr/lib', 'lib']) {
    const at = join(home, base)
    if (!existsSync(at)) continue
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name.includes('-linux-')) folders.push(join(at, entry.name))
    }
  }
  return folders
}

function oneLine(text: string): string {
  return text.split('\n').find((line) => line.startsWith('E:')) ?? text.replace(/\s+/g, ' ').slice(0, 200)
}
