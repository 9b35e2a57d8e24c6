import { Queue } from 'bullmq'

/** The data of each queue's jobs. */
export interface Jobs {
  /** Train this session from its last committed step until it ends or is paused. */
  train: { sessionId: string }
  /** Close an epoch: record on the chain what can be recorded. */
  epoch: Record<string, never>
}
export type QueueName = keyof Jobs

/** Redis keys of the queues start with this. */
export const queuePrefix = 'attune:queue'

/** For a Worker: it waits while Redis is unreachable. */
export const workerConnection = (redisUrl: string) => ({ url: redisUrl, maxRetriesPerRequest: null })

/**
 * A queue to add jobs to. Commands fail at once instead of waiting while Redis is unreachable: the reconciler
 * adds lost jobs later (server/sessions/reconciler.ts).
 */
export function openQueue<N extends QueueName>(
  name: N,
  redisUrl: string,
  onError: (error: Error) => void,
): Queue<Jobs[N]> {
  const queue = new Queue<Jobs[N]>(name, {
    prefix: queuePrefix,
    connection: { url: redisUrl, enableOfflineQueue: false, maxRetriesPerRequest: 1 },
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  })
  queue.on('error', onError)
  return queue
}
