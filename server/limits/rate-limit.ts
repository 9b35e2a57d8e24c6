import { limits } from '../../core/protocol/index.ts'

/**
 * A token bucket: `burst` at once, refilled at `perSecond`. `take` returns 0 and takes `cost`
 * tokens if there are that many, else the seconds until there will be. `now` is in
 * milliseconds.
 */
export function createBucket(burst: number, perSecond: number, now: number) {
  let tokens = burst
  let at = now
  const refill = (time: number) => {
    tokens = Math.min(burst, tokens + (Math.max(0, time - at) / 1000) * perSecond)
    at = time
  }
  return {
    take(time: number, cost = 1): number {
      refill(time)
      if (tokens < cost) return (cost - tokens) / perSecond
      tokens -= cost
      return 0
    },
  }
}

/**
 * One bucket for each key, at most `most` of them: the least recently used key is evicted first, so
 * that nobody with many addresses can fill the memory, or make one request more expensive than
 * another.
 */
export function createBuckets(burst: number, perSecond: number, most: number = limits.countedKeys) {
  /** In the order of their last use. */
  const buckets = new Map<string, ReturnType<typeof createBucket>>()
  return {
    take(key: string, time: number, cost = 1): number {
      const bucket = buckets.get(key) ?? createBucket(burst, perSecond, time)
      buckets.delete(key)
      if (buckets.size >= most)
        for (const oldest of buckets.keys()) {
          buckets.delete(oldest)
          break
        }
      buckets.set(key, bucket)
      return bucket.take(time, cost)
    },
    /** Number of keys. */
    size: (): number => buckets.size,
  }
}

export type Buckets = ReturnType<typeof createBuckets>
