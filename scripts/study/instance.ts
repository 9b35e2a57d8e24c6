/** A whole Attune of its own, in a temporary folder, for as long as something is measured on it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openPool, type Pool } from '../../server/db/pool.ts'
import { stepMetrics } from '../../server/db/steps.ts'
import type { SignedIn, StepMetrics, TrainingConfig, TrainingConfigInput, TrainingSession } from '../../server/protocol.ts'
import { openCheckpoints, type Checkpoint } from '../../trainer/checkpoint.ts'
import { request } from '../crowd/account.ts'
import { startAttune, type Attune } from '../start/attune.ts'

export interface Instance {
  attune: Attune
  dataDir: string
  pool: Pool
  /** The demo's base model. */
  modelDir: string
  /** Ends the demo session and starts one like it, changed by `change`. */
  startSession: (change: (demo: TrainingConfig) => TrainingConfigInput) => Promise<TrainingSession>
  steps: (sessionId: string) => Promise<StepMetrics[]>
  /** The last committed step's; null before the first. */
  checkpoint: (sessionId: string) => Promise<Checkpoint | null>
}

export interface InstanceOptions {
  env?: NodeJS.ProcessEnv
  onTrouble?: (message: string) => void
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
/** Steps of a session that are looked at, at most. */
const STEPS = 10_000

/** Runs `work` on a fresh instance; whatever happens, also at Ctrl-C, nothing of it is left. */
export async function withInstance<T>(options: InstanceOptions, work: (instance: Instance) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'attune-'))
  let interrupt: (signal: NodeJS.Signals) => void = () => undefined
  const interrupted = new Promise<never>((_resolve, reject) => (interrupt = (signal) => reject(new Stopped(signal))))
  // It may come before anybody waits for it, while the instance is starting.
  interrupted.catch(() => undefined)
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  let attune: Attune | undefined
  try {
    const { env = {}, onTrouble } = options
    attune = await startAttune({ dataDir, port: 0, durable: false, env, ...(onTrouble && { onTrouble }) })
    const instance = openInstance(attune, dataDir)
    try {
      return await Promise.race([work(instance), interrupted])
    } finally {
      await instance.pool.end()
    }
  } finally {
    await attune?.close()
    await rm(dataDir, { recursive: true, force: true })
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** Somebody pressed Ctrl-C. */
export class Stopped extends Error {
  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`)
    this.name = 'Stopped'
  }
}

export function openInstance(attune: Attune, dataDir: string): Instance {
  // Postgres is killed and restarted under some tests: the pool opens new connections by itself.
  const pool = openPool(attune.databaseUrl, () => undefined, 2)
  const admin = async () => {
    const { username, password } = attune.adminCredentials
    return (await request<SignedIn>(attune.url, 'POST', '/api/auth/login', { body: { username, password } })).token
  }
  const session = (token: string, id: string) => request<TrainingSession>(attune.url, 'GET', `/api/training/${id}`, { token })
  return {
    attune,
    dataDir,
    pool,
    modelDir: join(root, 'models', 'demo'),
    async startSession(change) {
      const token = await admin()
      const { modelId, configuration } = await session(token, 'demo')
      await request(attune.url, 'POST', '/api/training/demo/stop', { token })
      const body = { modelId, configuration: change(configuration) }
      const { sessionId } = await request<{ sessionId: string }>(attune.url, 'POST', '/api/training/start', { token, body })
      return session(token, sessionId)
    },
    steps: (sessionId) => stepMetrics(pool, sessionId, 0, STEPS),
    async checkpoint(sessionId) {
      const { rows } = await pool.query<{ checkpoint: string | null }>('select checkpoint from sessions where id = $1', [sessionId])
      const hash = rows[0]?.checkpoint ?? null
      return hash === null ? null : openCheckpoints(join(dataDir, 'checkpoints', sessionId)).load(hash)
    },
  }
}
