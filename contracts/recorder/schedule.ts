import type { Queue } from 'bullmq'

/** Jobs that may wait at a time, those of other recorders included. */
const mostWaiting = 1
/** A turn that failed is made again after so long, milliseconds, or sooner where turns are more frequent. */
const againMs = 5_000
/** However short the interval, a turn may take so long, milliseconds. */
const leastSilentMs = 15_000

/**
 * Queues an epoch's job at once and then every `everyMs` milliseconds. Redis keeps nothing that this rests on: a Redis
 * that was flushed, restarted empty or lost a part of its keys has the job again at the next turn. One job runs at a
 * time in the whole installation: recorders may be many, the leader is one.
 *
 * @param silentMs milliseconds since any recorder said that it is at work
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
      // What has lost a part of its keys may count a job as running that nobody runs: then all of it is made anew.
      if ((await silentMs()) > Math.max(3 * everyMs, leastSilentMs)) await queue.obliterate({ force: true })
      await queue.setGlobalConcurrency(1)
      await queue.removeJobScheduler('epoch') // earlier versions left the schedule to Redis
      if ((await queue.getWaitingCount()) < mostWaiting) {
        // Of several recorders' turns one counts; for less than the interval, so that a key that outlives its job stops
        // nothing.
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
