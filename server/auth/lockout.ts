import type { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterAbstract } from 'rate-limiter-flexible'
import { AttuneError } from '../../core/errors.ts'
import { maxOf } from '../../core/statistics.ts'
import { createGate, type Gate } from '../../lm/gate.ts'

/** How wrong passwords are slowed down: this many are free, then each doubles the wait. */
interface Rule {
  free: number
  /** Longest wait, seconds. */
  mostSeconds: number
  /** Seconds after which they are forgotten. */
  memorySeconds: number
}

const rules = {
  /** One name from one address. */
  pair: { free: 5, mostSeconds: 15 * 60, memorySeconds: 24 * 3_600 },
  /** One address, whatever the names. */
  address: { free: 30, mostSeconds: 15 * 60, memorySeconds: 3_600 },
  /** One name from addresses that have never signed in by it. Short: its owner may be at a new one, too. */
  name: { free: 20, mostSeconds: 60, memorySeconds: 24 * 3_600 },
} as const satisfies Record<string, Rule>

/** The keys that an attempt counts against, each a hash of its subject. */
export type Attempt = Partial<Record<keyof typeof rules, string>>

export type Lockout = ReturnType<typeof createLockout>

/**
 * Slows down guessing, but nobody who knows their password. Attempts on one name from one address
 * run one at a time, so that concurrent ones don't evade it. The counts are in Redis, shared by all
 * servers; in this process while Redis is away.
 */
export function createLockout(redis: Redis) {
  const limiter = (keyPrefix: string, points: number, duration: number): RateLimiterAbstract =>
    new RateLimiterRedis({
      storeClient: redis,
      rejectIfRedisNotReady: true,
      keyPrefix: `attune:lockout:${keyPrefix}`,
      points,
      duration,
      insuranceLimiter: new RateLimiterMemory({ keyPrefix, points, duration }),
    })
  const guards = Object.entries(rules).map(([kind, rule]) => ({
    kind: kind as keyof typeof rules,
    rule,
    counts: limiter(`${kind}:count`, rule.free, rule.memorySeconds),
    locks: limiter(`${kind}:lock`, 1, rule.mostSeconds),
  }))
  const concerned = (attempt: Attempt) =>
    guards.flatMap((guard) => (attempt[guard.kind] === undefined ? [] : [{ ...guard, key: attempt[guard.kind] ?? '' }]))
  const turns = new Map<string, Gate>()

  /** @throws AttuneError too-frequent */
  async function tried(attempt: Attempt, isRight: () => Promise<boolean>): Promise<boolean> {
    const about = concerned(attempt)
    const locks = await Promise.all(about.map(({ locks, key }) => locks.get(key)))
    const wait = maxOf(
      locks.map((lock) => lock?.msBeforeNext ?? 0),
      0,
    )
    if (wait > 0) throw locked(wait)
    const right = await isRight()
    await Promise.all(
      about.map(async ({ kind, rule, counts, locks, key }) => {
        if (right) return kind === 'pair' ? counts.delete(key) : undefined
        const { consumedPoints } = await counts.penalty(key)
        if (consumedPoints >= rule.free) await locks.block(key, secondsOf(rule, consumedPoints))
      }),
    )
    return right
  }

  return {
    /** The result of `isRight`, which is not called if the attempt has to wait. @throws AttuneError too-frequent */
    async try(attempt: Attempt & { pair: string }, isRight: () => Promise<boolean>): Promise<boolean> {
      const turn = turns.get(attempt.pair) ?? createGate(1)
      turns.set(attempt.pair, turn)
      try {
        return await turn.run(() => tried(attempt, isRight))
      } finally {
        if (turn.inside === 0) turns.delete(attempt.pair)
      }
    },
  }
}

const secondsOf = ({ free, mostSeconds }: Rule, failures: number): number =>
  Math.min(mostSeconds, 2 ** Math.min(failures - free, 20))

function locked(ms: number): AttuneError {
  const seconds = Math.max(1, Math.ceil(ms / 1_000))
  return new AttuneError(
    'too-frequent',
    `too many wrong passwords: try again in ${seconds === 1 ? 'a second' : `${seconds} seconds`}`,
    { retryAfter: seconds },
  )
}
