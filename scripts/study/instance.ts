/** A whole Attune of its own, in a temporary folder, for as long as something is measured on it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { openSamples } from '../../core/db/samples.ts'
import { findSession, newestCheckpoint } from '../../core/db/sessions.ts'
import { stepMetrics } from '../../core/db/steps.ts'
import type {
  SignedIn,
  StepMetrics,
  TrainingConfig,
  TrainingConfigInput,
  TrainingSession,
} from '../../core/protocol/index.ts'
import { openCheckpoints, type Checkpoint } from '../../trainer/loop/checkpoint.ts'
import { request } from '../crowd/account.ts'
import { startAttune, type Attune } from '../start/attune.ts'

export interface Instance {
  attune: Attune
  pool: Pool
  /** The demo's base model. */
  modelDir: string
  /** Starts a session like the demo's, modified by `change`; the demo itself is ended. */
  startSession: (change: (demo: TrainingConfig) => TrainingConfigInput) => Promise<TrainingSession>
  /** Resolves when the first step's answers are open to votes. */
  firstAnswers: (session: Pick<TrainingSession, 'id' | 'configuration'>) => Promise<void>
  stopSession: (sessionId: string) => Promise<void>
  /** Of the committed steps, oldest first. */
  steps: (sessionId: string) => Promise<StepMetrics[]>
  /** The last committed step's; null before the first. */
  checkpoint: (sessionId: string) => Promise<Checkpoint | null>
  /** Stops everything and removes every trace. */
  close: () => Promise<void>
}

export interface InstanceOptions {
  env?: NodeJS.ProcessEnv
  /** Receives what went wrong by itself. */
  onTrouble?: (message: string) => void
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const LOOK_MS = 250
/** Maximum number of a session's steps that are read. */
const STEPS = 10_000

export async function openInstance({ env = {}, onTrouble }: InstanceOptions = {}): Promise<Instance> {
  const dataDir = await mkdtemp(join(tmpdir(), 'attune-'))
  let attune: Attune
  try {
    attune = await startAttune({ dataDir, port: 0, durable: false, env, ...(onTrouble && { onTrouble }) })
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true })
    throw error
  }
  const { url, databaseUrl, adminCredentials } = attune
  // A broken connection is reopened by the next query.
  const pool = openPool(databaseUrl, () => undefined, 2)
  const admin = async () => {
    const { username, password } = adminCredentials
    return (await request<SignedIn>(url, 'POST', '/api/auth/login', { body: { username, password } })).token
  }
  const session = (token: string, id: string) => request<TrainingSession>(url, 'GET', `/api/training/${id}`, { token })
  const stop = async (token: string, id: string) => {
    const { status } = await session(token, id)
    if (status === 'active' || status === 'paused') await request(url, 'POST', `/api/training/${id}/stop`, { token })
  }
  return {
    attune,
    pool,
    modelDir: join(root, 'models', 'demo'),
    async startSession(change) {
      const token = await admin()
      const { modelId, configuration } = await session(token, 'demo')
      await stop(token, 'demo')
      const body = { modelId, configuration: change(configuration) }
      const { sessionId } = await request<{ sessionId: string }>(url, 'POST', '/api/training/start', { token, body })
      return session(token, sessionId)
    },
    async firstAnswers({ id, configuration }) {
      const shown = configuration.live.shownPerStep
      for (;;) {
        const { status, error } = await findSession(pool, id)
        if (status !== 'active') throw new Error(`session ${id} is ${status}: ${error ?? ''}`)
        if ((await openSamples(pool, id)).length >= shown) return
        await sleep(LOOK_MS)
      }
    },
    stopSession: async (sessionId) => stop(await admin(), sessionId),
    steps: (sessionId) => stepMetrics(pool, sessionId, 0, STEPS),
    async checkpoint(sessionId) {
      const { hash } = await newestCheckpoint(pool, sessionId)
      return hash === null ? null : openCheckpoints(join(dataDir, 'checkpoints', sessionId)).load(hash)
    },
    async close() {
      await pool.end()
      await attune.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Runs `work` on a fresh instance; whatever happens, even at Ctrl-C, nothing of it is left. */
export async function withInstance<T>(options: InstanceOptions, work: (instance: Instance) => Promise<T>): Promise<T> {
  let interrupt: (signal: NodeJS.Signals) => void = () => undefined
  const interrupted = new Promise<never>((_resolve, reject) => (interrupt = (signal) => reject(new Stopped(signal))))
  // It may come before anybody waits for it, while the instance is starting.
  interrupted.catch(() => undefined)
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    const instance = await openInstance(options)
    try {
      return await Promise.race([work(instance), interrupted])
    } finally {
      await instance.close()
    }
  } finally {
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
