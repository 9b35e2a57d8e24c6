import { enqueueRun, publish, type Deps } from '../deps.ts'
import { unheldRuns, wake } from '../../core/db/run-queue.ts'
import { sessionBasics } from '../../core/db/sessions.ts'
import { adopter } from '../models/models.ts'

/** Milliseconds between iterations. */
const EVERY_MS = 2_000

/**
 * Keeps every active session assigned to a trainer: one whose lock is free and that has no waiting
 * job gets a job. So a queue that was lost, stalled or duplicated neither stops a run nor runs it
 * twice (rule T1). Rooms are told which run waits for a trainer, and how long the queue before it
 * is. Imports whose server is gone are resumed, and models that appeared under MODELS_PATH are
 * registered. While Postgres or Redis is away it only retries.
 */
export function keepRunning(deps: Deps): { stop: () => Promise<void> } {
  const adoptModels = adopter(deps)
  const tellLine = lineTeller(deps)
  const watch = deps.watches.add('reconciler', EVERY_MS)
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const look = async (): Promise<void> => {
    try {
      const waiting = await unheldRuns(deps.pool)
      await requeue(deps, waiting)
      await tellLine(waiting)
      await deps.imports.takeOver()
      await adoptModels()
    } catch (error) {
      deps.log.warn({ err: error }, 'runs, imports and models could not be looked after; trying again')
    }
    // Failures for lack of Postgres or Redis are reported by their own checks.
    watch.turned()
    if (stopped) return
    timer = setTimeout(() => {
      looking = look()
    }, EVERY_MS)
  }
  let looking = look()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await looking
      watch.remove()
    },
  }
}

/** A trainer that has taken a job holds the session's lock after this long, milliseconds; else it is gone. */
const TAKEN_MS = 20_000

/**
 * Adds a job for each of the sessions that want a trainer and have none (`unheldRuns`), except for those that have a
 * waiting job; returns them.
 */
export async function requeue(deps: Deps, unheld: readonly string[]): Promise<string[]> {
  if (deps.redis.status !== 'ready' || unheld.length === 0) return []
  const jobs = await deps.trainQueue.getJobs(['waiting', 'delayed', 'prioritized', 'active'])
  // A job that was taken while the list was read is undefined.
  const inHand = jobs.filter((job) => job && (job.processedOn === undefined || Date.now() - job.processedOn < TAKEN_MS))
  const waiting = new Set(inHand.map((job) => job.data.sessionId))
  const lost = unheld.filter((id) => !waiting.has(id))
  if (lost.length > 0) await wake(deps.pool, lost)
  for (const id of lost) enqueueRun(deps, id)
  return lost
}

/**
 * Sends the room of each run that waits for a trainer its position in the queue, when it has changed. One that has
 * just begun to wait gets one iteration's time first: usually a slot is free.
 */
function lineTeller(deps: Deps): (line: readonly string[]) => Promise<void> {
  let before = new Set<string>()
  let told = new Map<string, number>()
  return async (line) => {
    const now = new Map(line.map((id, i): [string, number] => [id, i + 1]).filter(([id]) => before.has(id)))
    for (const [sessionId, position] of now) {
      if (told.get(sessionId) === position) continue
      const { currentStep } = await sessionBasics(deps.pool, sessionId)
      publish(deps, sessionId, {
        event: 'training-phase',
        payload: { sessionId, phase: 'queued', step: currentStep + 1, until: null, position },
      })
    }
    before = new Set(line)
    told = now
  }
}
