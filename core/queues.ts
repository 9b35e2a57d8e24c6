import { Queue } from 'bullmq'

/** What each queue's jobs carry. */
export interface Jobs {
  /** Train this session from its last committed step until it ends or is paused. */
  train: { sessionId: string }
  /** Close an epoch: put what is recordable on the chain. */
  epoch: Record<string, never>
}
export type QueueName = keyof Jobs

/** Redis keys of the queues start with this. */
export const queuePrefix = 'attune:queue'

/** For a Worker: it waits for Redis for as long as Redis is away. */
export const workerConnection = (redisUrl: string) => ({ url: redisUrl, maxRetriesPerRequest: null })

/**
 * A queue to add jobs to. A command fails at once while Redis is away instead of waiting: the
 * reconciler adds later what was lost (server/sessions/reconciler.ts).
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
