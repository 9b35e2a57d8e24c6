import type { Queue } from 'bullmq'

/** Maximum number of waiting jobs, those of other recorders included. */
const mostWaiting = 1
/** A failed turn is retried after this long, milliseconds, or sooner if turns are more frequent. */
const againMs = 5_000
/** However short the interval, a turn may take this long, milliseconds. */
const leastSilentMs = 15_000

/**
 * Queues an epoch's job at once and then every `everyMs` milliseconds. Nothing relies on what Redis keeps: a Redis that
 * was flushed, restarted empty or lost a part of its keys has the job again at the next turn. One job runs at a time in
 * the whole installation: there may be many recorders, but only one leader.
 *
 * @param silentMs milliseconds since any recorder reported that it is at work
 */
export function keepScheduled(
  queue: Queue,
  everyMs: number,
  { silentMs, onError }: { silentMs: () => Promise<number>; onError: (error: unknown) => void },
): { stop: () => void } {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const turn = async (): Promise<void> => {
    let next = everyMs
    try {
      await queue.waitUntilReady()
      // If a part of the keys was lost, a job may count as running that nobody runs: then all of it is created anew.
      if ((await silentMs()) > Math.max(3 * everyMs, leastSilentMs)) await queue.obliterate({ force: true })
      await queue.setGlobalConcurrency(1)
      await queue.removeJobScheduler('epoch') // earlier versions left the schedule to Redis
      if ((await queue.getWaitingCount()) < mostWaiting) {
        // Only one of several recorders' turns counts; the key lasts for less than the interval, so that one that
        // outlives its job blocks nothing.
        await queue.add(
          'epoch',
          {},
          { deduplication: { id: 'epoch', ttl: Math.floor(everyMs / 2) }, removeOnComplete: true, removeOnFail: true },
        )
      }
    } catch (error) {
      next = Math.min(everyMs, againMs)
      if (!stopped) onError(error)
    }
    if (!stopped) timer = setTimeout(() => void turn(), next)
  }
  void turn()
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
