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
    isFull(time: number): boolean {
      refill(time)
      return tokens >= burst
    },
  }
}

/** One bucket for each key; those that are full again are forgotten. */
export function createBuckets(burst: number, perSecond: number) {
  const buckets = new Map<string, ReturnType<typeof createBucket>>()
  const MOST = 10_000
  return {
    take(key: string, time: number, cost = 1): number {
      let bucket = buckets.get(key)
      if (bucket === undefined) {
        if (buckets.size >= MOST) for (const [k, b] of buckets) if (b.isFull(time)) buckets.delete(k)
        buckets.set(key, (bucket = createBucket(burst, perSecond, time)))
      }
      return bucket.take(time, cost)
    },
  }
}
