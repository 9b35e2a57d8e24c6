import { limits } from '../../core/protocol/index.ts'

/**
 * A token bucket: `burst` at once, refilled at `perSecond`. `take` returns 0 and takes `cost`
 * tokens where there are that many, else the seconds until there will be. `now` is in
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
 * One bucket for each key, at most `most` of them: the key that was quiet longest is forgotten
 * first, so that nobody with many addresses can fill the memory, or make a request cost more than
 * another.
 */
export function createBuckets(burst: number, perSecond: number, most: number = limits.countedKeys) {
  /** In the order in which they were last used. */
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
    /** How many keys are known. */
    size: (): number => buckets.size,
  }
}

export type Buckets = ReturnType<typeof createBuckets>
