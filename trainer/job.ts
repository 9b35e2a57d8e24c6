/**
 * One run, in a process of its own: what the queue's job does. Opens the model, the last checkpoint
 * and the session's world, and trains until the run ends or is put down.
 */
import type { SandboxedJob } from 'bullmq'
import { join } from 'node:path'
import { pino, type Logger } from 'pino'
import { loadConfig, type Config } from '../server/config.ts'
import { isConnectionTrouble, openPool, type Pool } from '../server/db/pool.ts'
import { takeRunLock } from '../server/db/run-lock.ts'
import { applyTransition } from '../server/db/sessions.ts'
import { VotesChanged } from '../server/db/steps.ts'
import { AttuneError } from '../server/errors.ts'
import { TrainingConfig } from '../server/protocol.ts'
import type { Jobs } from '../server/queues.ts'
import { append, openRedis } from '../server/room.ts'
import { openCheckpoints } from './checkpoint.ts'
import { openEngine } from './engines/open.ts'
import { trainLive } from './run.ts'
import { exportRun, openRun } from './state.ts'
import { Interrupted, openWorld } from './world.ts'

/** Checkpoints kept of a run: the current one, and those to go back to by hand. */
const checkpointsKept = 3

// The parent keeps this job's lock. Without it nobody would: stop, and the run is taken up elsewhere.
process.on('disconnect', () => process.exit(1))

type End = 'completed' | 'held-elsewhere' | Interrupted['status']

export default async function job({ data }: SandboxedJob<Jobs['train']>): Promise<End> {
  const config = loadConfig(process.env)
  const { sessionId } = data
  const log = pino({ level: config.logLevel, name: 'trainer', base: { sessionId } })
  const onError = (error: Error): void => log.warn({ err: error }, 'connection trouble')
  const pool = openPool(config.databaseUrl, onError, 3)
  const redis = await openRedis(config.redisUrl, onError)
  try {
    return await train({ config, sessionId, pool, redis, log })
  } finally {
    redis.disconnect()
    await pool.end()
  }
}

interface Deps {
  config: Config
  sessionId: string
  pool: Pool
  redis: Awaited<ReturnType<typeof openRedis>>
  log: Logger
}

async function train(deps: Deps): Promise<End> {
  const { pool, sessionId, log } = deps
  const lock = await takeRunLock(pool, sessionId)
  if (!lock) return 'held-elsewhere'
  const world = openWorld({ ...deps, lock })
  try {
    for (;;) {
      try {
        await trainFromLastCommit(deps, world)
        await finish(deps, 'complete')
        return 'completed'
      } catch (error) {
        if (!(error instanceof VotesChanged)) throw error
        log.info('a vote of the step was erased; making the step again from the last commit')
      }
    }
  } catch (error) {
    if (error instanceof Interrupted) return error.status
    if (isConnectionTrouble(error)) throw error // the run stays active: it is queued anew when Postgres is back
    log.error({ err: error }, 'the run failed')
    await finish(deps, 'fail', error instanceof Error ? error.message : String(error))
    throw error
  } finally {
    world.close()
    lock.release()
  }
}

async function trainFromLastCommit({ config, pool, sessionId, log }: Deps, world: ReturnType<typeof openWorld>): Promise<void> {
  const session = await readSession(pool, sessionId)
  const checkpoints = openCheckpoints(join(config.checkpointsPath, sessionId))
  const saved = session.checkpoint === null ? null : await checkpoints.load(session.checkpoint)
  const { engine, why } = await openEngine(config.compute)
  log.info({ engine: engine.name, why }, 'engine chosen')
  const run = await openRun({ sessionId, config: session.configuration, modelDir: join(config.modelsPath, session.modelPath), saved, engine })
  log.info({ step: run.state.step, policyVersion: run.learner.version }, 'training')
  try {
    let kept = session.checkpoint === null ? [] : [session.checkpoint]
    await trainLive(run, world, async () => {
      const hash = await checkpoints.save(await exportRun(run))
      kept = [...kept, hash].slice(-checkpointsKept)
      await checkpoints.prune(kept)
      return hash
    })
  } finally {
    await run.close()
  }
}

interface SessionRow {
  checkpoint: string | null
  configuration: TrainingConfig
  modelPath: string
}

async function readSession(pool: Pool, sessionId: string): Promise<SessionRow> {
  const { rows } = await pool.query<{ checkpoint: string | null; configuration: unknown; modelPath: string | null; modelId: string }>(
    `select s.checkpoint, s.configuration, m.checkpoint_path as "modelPath", m.id as "modelId"
     from sessions s join models m on m.id = s.model_id where s.id = $1`,
    [sessionId],
  )
  const row = rows[0]
  if (!row) throw new Error(`session ${sessionId} does not exist`)
  if (row.modelPath === null) throw new Error(`model ${row.modelId} has no weights: import it first`)
  return { checkpoint: row.checkpoint, configuration: TrainingConfig.parse(row.configuration), modelPath: row.modelPath }
}

/** Ends the run for good, unless somebody ended it meanwhile. */
async function finish({ pool, redis, sessionId, log }: Deps, transition: 'complete' | 'fail', reason?: string): Promise<void> {
  try {
    await applyTransition(pool, sessionId, transition, reason)
  } catch (error) {
    if (error instanceof AttuneError && error.code === 'conflict') return
    throw error
  }
  const about = { sessionId, session: sessionId }
  const told =
    transition === 'complete'
      ? append(redis, sessionId, { event: 'training-completed', payload: about })
      : append(redis, sessionId, { event: 'training-failed', payload: { ...about, error: reason ?? 'unknown' } })
  await told.catch((error: unknown) => log.debug({ err: error }, 'room event lost'))
}
