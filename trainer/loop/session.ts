/**
 * Trains one session until it ends, pauses or releases its slot: takes its lock, resumes from the newest readable
 * checkpoint, and reports how it ended.
 */
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { Config } from '../../core/config.ts'
import { isConnectionTrouble, type Pool } from '../../core/db/pool.ts'
import { takeRunLock } from '../../core/db/run-lock.ts'
import { unpark } from '../../core/db/run-queue.ts'
import { applyTransition, sessionToTrain } from '../../core/db/sessions.ts'
import { checkpointsToResume } from '../../core/db/history.ts'
import { VotesChanged } from '../../core/db/steps.ts'
import { isDiskFull, pausedByFullDisk } from '../../core/disk.ts'
import { AttuneError } from '../../core/errors.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { append } from '../../core/events/log.ts'
import { newestReadable, openCheckpoints, type Standing } from './checkpoint.ts'
import { openEngine } from '../../lm/engines/open.ts'
import { ModelChanged } from '../../lm/files/fingerprint.ts'
import { BeyondFloat16 } from '../../lm/training/optimizer-step.ts'
import { trainLive } from './live-loop.ts'
import { openWorld, type SessionWorld, type Turns } from './postgres-world.ts'
import { goOnFrom } from './resumption.ts'
import { openRun } from './run-state.ts'
import { Interrupted } from './world.ts'

export type End = 'completed' | 'held-elsewhere' | Interrupted['status']

export interface SessionDeps {
  sessionId: string
  config: Pick<Config, 'modelsPath' | 'checkpointsPath' | 'compute'>
  pool: Pool
  redis: Redis
  log: Logger
  turns?: Turns
  /** Memory for the states that provisional steps may be undone to, bytes. */
  undoBytes?: number
}

export async function trainSession(deps: SessionDeps): Promise<End> {
  const { pool, sessionId, log } = deps
  const lock = await takeRunLock(pool, sessionId)
  if (!lock) return 'held-elsewhere'
  const world = openWorld({ ...deps, lock })
  try {
    await unpark(pool, sessionId)
    for (;;) {
      try {
        await trainOn(deps, world)
        await finish(deps, 'complete')
        return 'completed'
      } catch (error) {
        if (!(error instanceof VotesChanged)) throw error
        log.info('a vote of the step was erased; making the step again from the last commit')
      }
    }
  } catch (error) {
    if (error instanceof Interrupted) return error.status
    if (error instanceof ModelChanged || error instanceof BeyondFloat16) {
      // to be fixed by the operator, who then resumes it
      log.error({ modelsPath: deps.config.modelsPath, compute: deps.config.compute }, error.message)
      await world.pause(error.message)
      return 'paused'
    }
    if (isDiskFull(error)) {
      log.error({ err: error, checkpointsPath: deps.config.checkpointsPath }, 'the disk is full; the run pauses')
      await world.pause(pausedByFullDisk)
      return 'paused'
    }
    if (isConnectionTrouble(error)) throw error // the run stays active: it is queued again once Postgres is back
    log.error({ err: error }, 'the run failed')
    await finish(deps, 'fail', error instanceof Error ? error.message : String(error))
    throw error
  } finally {
    world.close()
    lock.release()
  }
}

/** Trains from the newest readable checkpoint. */
async function trainOn({ pool, sessionId, log, config, undoBytes }: SessionDeps, world: SessionWorld): Promise<void> {
  const { configuration, modelPath } = await readSession(pool, sessionId)
  const store = openCheckpoints(join(config.checkpointsPath, sessionId))
  world.keeps(store, configuration.checkpoints)
  const standing = await newestReadable(store, await checkpointsToResume(pool, sessionId))
  if (standing.lost.length > 0)
    await world.warn({ step: standing.lost[0]!.step, kind: 'checkpoint-lost', message: goingBack(standing) })
  const { engine, why } = await openEngine(config.compute)
  log.info({ engine: engine.name, why }, 'engine chosen')
  const run = await openRun({
    sessionId,
    config: configuration,
    modelDir: join(config.modelsPath, modelPath),
    saved: standing.checkpoint,
    engine,
  })
  await goOnFrom(pool, run)
  log.info({ step: run.state.step, policyVersion: run.learner.version }, 'training')
  try {
    await trainLive(run, world, undoBytes)
  } finally {
    await run.close()
  }
}

function goingBack({ step, lost }: Standing): string {
  const newest = lost[0]!
  const from = step === 0 ? 'from the beginning' : `from step ${step}`
  const again = newest.step === step + 1 ? `makes step ${newest.step}` : `makes steps ${step + 1} to ${newest.step}`
  return `The checkpoint of step ${newest.step} cannot be read: ${newest.reason}. The run goes on ${from} and ${again} again, from the same votes.`
}

async function readSession(
  pool: Pool,
  sessionId: string,
): Promise<{ configuration: TrainingConfig; modelPath: string }> {
  const row = await sessionToTrain(pool, sessionId)
  if (row === null) throw new Error(`session ${sessionId} does not exist`)
  if (row.modelPath === null) throw new Error(`model ${row.modelId} has no weights: import it first`)
  return { configuration: TrainingConfig.parse(row.configuration), modelPath: row.modelPath }
}

/** Ends the run for good, unless somebody ended it meanwhile. */
async function finish(
  { pool, redis, sessionId, log }: SessionDeps,
  transition: 'complete' | 'fail',
  reason?: string,
): Promise<void> {
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
