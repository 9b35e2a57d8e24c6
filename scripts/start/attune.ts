/**
 * The whole system in one call: services, migrations, the ledger, the demo,
 * then server, trainer and recorder, each kept running until `close()`.
 * `npm start` is this with a console; studies, benches and end-to-end tests
 * open throw-away instances.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildClient } from './client-build.ts'
import { compileContracts } from './contracts-build.ts'
import { diskFault, StartFault } from './fault.ts'
import { endLeftovers } from './leftovers.ts'
import { lockFolder } from './lock.ts'
import { startNodeChild } from './node-child.ts'
import { chainPart, postgresPart, redisPart, sharedCache, type PartName } from './parts.ts'
import { quietPhases, type Phases } from './phases.ts'
import { choosePort } from './server-port.ts'
import { prepare } from './prepare.ts'
import { alive, runTaken, serverAnswers } from './ready.ts'
import { loadSecrets } from './secrets.ts'
import type { AdminCredentials } from './seed-once.ts'
import { supervise, type Supervised } from './supervise.ts'

export interface AttuneOptions {
  /** Everything that this instance keeps: data, secrets, logs. */
  dataDir: string
  /** 0: any free one. If absent: PORT of `env`, or 3001. */
  port?: number
  /** The environment that configures it; nothing is taken from this process's own. */
  env?: NodeJS.ProcessEnv
  /** False: no demo model and session are set up. */
  demo?: boolean
  /** False for throw-away data: Postgres doesn't wait for the disk. */
  durable?: boolean
  phases?: Phases
  /** Receives what a person should know: a process that died, a warning in a log. */
  onTrouble?: (message: string) => void
}

export type ProcessName = PartName | 'server' | 'trainer' | 'recorder'

export interface Attune {
  /** http://localhost:PORT */
  url: string
  databaseUrl: string
  redisUrl: string
  rpcUrl: string
  ledger: string
  /** Null where an external chain's environment names none. */
  distributor: string | null
  /** Of the account that the first start created, kept in admin.json; throws if that start used another folder. */
  readonly adminCredentials: AdminCredentials
  /** Whether this start created that account. */
  adminIsNew: boolean
  /** The current process ids; a process between death and restart has none. */
  pids: () => Partial<Record<ProcessName, number>>
  /** Sends a signal to a process and to its descendants. */
  kill: (name: ProcessName, signal: NodeJS.Signals) => void
  /** Stops a process gracefully and starts it again. */
  restart: (name: ProcessName) => Promise<void>
  /** Stops everything in order; nothing is left running. */
  close: () => Promise<void>
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
/**
 * How long each may take to stop, milliseconds. The trainer loses nothing by a kill: a run recomputes what it has not
 * committed.
 */
const graceMs = { server: 8_000, trainer: 1_500, recorder: 8_000 }
/** In the order of stopping; those on one line stop together. */
const stopOrder: ProcessName[][] = [
  ['recorder', 'trainer', 'server'],
  ['redis', 'chain', 'postgres'],
]

/** @throws StartFault: one line that says what to do; everything already started is stopped again. */
export async function startAttune(options: AttuneOptions): Promise<Attune> {
  const { env = {}, demo = true, durable = true, phases = quietPhases, onTrouble = () => undefined } = options
  const dir = resolve(options.dataDir)
  const { cache, unlock } = openFolder(dir)
  const running = new Map<ProcessName, Supervised>()
  const close = async () => {
    for (const names of stopOrder) await Promise.all(names.map(async (name) => running.get(name)?.stop()))
    running.clear()
    unlock()
  }
  try {
    const modelsPath = resolve(env.MODELS_PATH ?? join(root, 'models'))
    if (demo) checkDemoModel(modelsPath)
    const left = await endLeftovers(dir)
    if (left.length > 0) onTrouble(`an earlier start left processes behind, which are ended now: ${left.join(', ')}`)
    const secrets = loadSecrets(dir, env)
    const port = await choosePort(options.port ?? env.PORT)
    const base = childBase(env)
    const partsOptions = {
      dir,
      cache,
      env,
      secrets,
      durable,
      phases,
      onTrouble,
      onStarted: (name: PartName, part: Supervised) => running.set(name, part),
    }
    const build = { root, cache, env: base, log: join(dir, 'logs', 'build.log') }
    const client = phases.run('client', () => buildClient(build))
    const compiled = phases.run('contracts', () => compileContracts(build))
    const database = postgresPart(partsOptions)
    const parts = { database, redis: redisPart(partsOptions), chain: chainPart(partsOptions) }
    const prepared = prepare({ ...parts, compiled, dir, demo, phases })
    const [databaseUrl, redisUrl, chain, { contracts, seeded }] = await settle([
      database,
      parts.redis,
      parts.chain,
      prepared,
      client,
      compiled,
    ])
    const childEnv: NodeJS.ProcessEnv = {
      ...base,
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      BLOCKCHAIN_RPC_URL: chain.url,
      BLOCKCHAIN_NETWORK_ID: String(chain.id),
      CONTRACT_ADDRESS: contracts.ledger,
      DISTRIBUTOR_ADDRESS: contracts.distributor ?? '',
      MODELS_PATH: modelsPath,
      CHECKPOINTS_PATH: env.CHECKPOINTS_PATH ?? join(dir, 'checkpoints'),
      DOWNLOADS_PATH: env.DOWNLOADS_PATH ?? join(dir, 'downloads'),
      CACHE_PATH: env.CACHE_PATH ?? join(dir, 'cache'),
    }
    const own = (
      name: keyof typeof graceMs,
      entry: string,
      secret: NodeJS.ProcessEnv,
      ready: (child: Supervised) => Promise<void>,
    ) =>
      phases.run(name, async () => {
        const child = await supervise(
          () =>
            startNodeChild({
              name,
              entry,
              root,
              dir,
              env: { ...childEnv, ...secret },
              graceMs: graceMs[name],
              onTrouble,
            }),
          onTrouble,
        )
        running.set(name, child)
        await ready(child)
      })
    await settle([
      own(
        'server',
        'server/main.ts',
        {
          JWT_SECRET: secrets.JWT_SECRET,
          DATA_KEY: secrets.DATA_KEY,
          RELAYER_PRIVATE_KEY: chain.relayerKey ?? '',
          TREASURER_PRIVATE_KEY: chain.treasurerKey ?? '',
        },
        (child) => serverAnswers(child, port),
      ),
      own('trainer', 'trainer/main.ts', {}, (child) => (demo ? runTaken(child, databaseUrl, 'demo') : alive(child))),
      own('recorder', 'contracts/recorder/main.ts', { BLOCKCHAIN_PRIVATE_KEY: chain.key }, alive),
    ])
    return {
      url: `http://localhost:${port}`,
      databaseUrl,
      redisUrl,
      rpcUrl: chain.url,
      ledger: contracts.ledger,
      distributor: contracts.distributor,
      get adminCredentials() {
        if (seeded.admin) return seeded.admin
        throw new StartFault(
          `the administrator of this database was made by another start: ${join(dir, 'admin.json')} isn't here`,
        )
      },
      adminIsNew: seeded.isNew,
      pids: () => Object.fromEntries([...running].map(([name, part]) => [name, part.pid()])),
      kill: (name, signal) => running.get(name)?.kill(signal),
      restart: async (name) => running.get(name)?.restart(),
      close,
    }
  } catch (error) {
    await close()
    throw diskFault(error, dir)
  }
}

/** Creates and locks the data folder, for this start alone. */
function openFolder(dir: string): { cache: string; unlock: () => void } {
  try {
    mkdirSync(dir, { recursive: true })
    const cache = sharedCache(root, dir)
    mkdirSync(cache, { recursive: true })
    return { cache, unlock: lockFolder(dir) }
  } catch (error) {
    throw diskFault(error, dir)
  }
}

function checkDemoModel(modelsPath: string): void {
  const weights = join(modelsPath, 'demo', 'model.safetensors')
  if (existsSync(weights)) return
  throw new StartFault(
    `the demo model isn't there (${weights}): take it from the repository with "git checkout models", train it with "npm run pretrain", or start with --no-demo`,
  )
}

/** What every child inherits: the given environment without the secrets, which each gets only as needed. */
function childBase(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const {
    JWT_SECRET: _jwt,
    DATA_KEY: _data,
    BLOCKCHAIN_PRIVATE_KEY: _key,
    RELAYER_PRIVATE_KEY: _relayer,
    TREASURER_PRIVATE_KEY: _treasurer,
    ...rest
  } = env
  return { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: homedir(), TMPDIR: tmpdir(), ...rest }
}

/** All results; if some fail, the first failure, once nothing is in progress any more. */
async function settle<const T extends readonly Promise<unknown>[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
  return Promise.all(work)
}
