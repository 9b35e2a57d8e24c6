import type { Redis } from 'ioredis'
import ipaddr from 'ipaddr.js'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { AttuneError } from '../../core/errors.ts'

export interface Newcomers {
  /**
   * Creates an account for somebody new at this address, unless too many came from there within the hour.
   * @throws AttuneError too-frequent
   */
  admit<T>(address: string, make: () => Promise<T>): Promise<T>
}

const HOUR_SECONDS = 3_600

/**
 * Counts new accounts by address: guests, registrations and first sign-ins of a wallet alike, since each is one more
 * voter. All servers count together, in Redis; while it is away each counts by itself, so that nobody is locked out
 * and nobody signs up by the thousand. Other failures, such as a name that is taken, aren't counted.
 */
export function openNewcomers({ redis, perHour }: { redis: Redis; perHour: number }): Newcomers {
  const allowed = { points: perHour, duration: HOUR_SECONDS, keyPrefix: 'attune:newcomers' }
  const limiter = new RateLimiterRedis({
    ...allowed,
    storeClient: redis,
    rejectIfRedisNotReady: true,
    insuranceLimiter: new RateLimiterMemory(allowed),
  })
  return {
    async admit(address, make) {
      const key = networkOf(address)
      await limiter.consume(key).catch((refused: unknown) => {
        if (!(refused instanceof RateLimiterRes)) throw refused
        const retryAfter = Math.max(1, Math.ceil(refused.msBeforeNext / 1_000))
        throw new AttuneError(
          'too-frequent',
          `${perHour} new people have come from your network within an hour, which is as many as may: sign in to an account that you have, or try again in ${inMinutes(retryAfter)}`,
          { retryAfter },
        )
      })
      try {
        return await make()
      } catch (error) {
        await limiter.reward(key)
        throw error
      }
    },
  }
}

const inMinutes = (seconds: number): string => (seconds <= 60 ? 'a minute' : `${Math.ceil(seconds / 60)} minutes`)

/** The network of one party: an IPv4 address, or the /64 that contains an IPv6 address. */
export function networkOf(address: string): string {
  const bare = address.split('%')[0]!
  if (!ipaddr.isValid(bare)) return address
  const parsed = ipaddr.process(bare)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`
}
