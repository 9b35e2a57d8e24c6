import { enqueueRun, type Core } from './core.ts'
import { unheldRuns } from './db/run-lock.ts'
import { adopter } from './models.ts'

/** Milliseconds between two looks. */
const EVERY_MS = 2_000

/**
 * Keeps every active session in somebody's hands: one whose lock is free and that no job waits
 * for gets a job. A queue that was lost, stalled or doubled so neither stops a run nor runs it
 * twice (rule T1). Imports whose server is gone are gone on with, and models that appeared under
 * MODELS_PATH become known. While Postgres or Redis is away it only tries again.
 */
export function keepRunning(core: Core): { stop: () => Promise<void> } {
  const adoptModels = adopter(core)
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const look = async (): Promise<void> => {
    try {
      await requeue(core)
      await core.imports.takeOver()
      await adoptModels()
    } catch (error) {
      core.log.warn({ err: error }, 'runs, imports and models could not be looked after; trying again')
    }
    if (!stopped) timer = setTimeout(() => (looking = look()), EVERY_MS)
  }
  let looking = look()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

/** A trainer that has taken a job holds the session's lock after this long, milliseconds; else it is gone. */
const TAKEN_MS = 20_000

/** Adds a job for each active session that nobody trains and nobody waits for; returns these sessions. */
export async function requeue(core: Core): Promise<string[]> {
  if (core.redis.status !== 'ready') return []
  const unheld = await unheldRuns(core.pool)
  if (unheld.length === 0) return []
  const jobs = await core.trainQueue.getJobs(['waiting', 'delayed', 'prioritized', 'active'])
  // A job that was taken while the list was read is undefined.
  const inHand = jobs.filter((job) => job && (job.processedOn === undefined || Date.now() - job.processedOn < TAKEN_MS))
  const waiting = new Set(inHand.map((job) => job.data.sessionId))
  const lost = unheld.filter((id) => !waiting.has(id))
  for (const id of lost) enqueueRun(core, id)
  return lost
}
