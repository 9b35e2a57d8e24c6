import type { Address, Hex } from 'viem'

/** A sponsor's bounty for one session, as the distributor has it. Amounts in the token's smallest unit. */
export type Offer = {
  bounty: Hex
  /** keccak-256 of the session's id. */
  session: Hex
  sponsor: Address
  /** The zero address for the chain's own coin. */
  token: Address
  perCredit: bigint
  /** Funded less refunded. */
  funded: bigint
  /** Seconds since 1970; 0 while open. */
  closedAt: number
}

/** All bounties at one block of the chain. */
export type Market = {
  block: bigint
  /** The block's, seconds since 1970. */
  time: number
  /** When the ledger last took epochs back, seconds since 1970; 0 for never. */
  rejectedAt: number
  offers: readonly Offer[]
}

/** RewardDistributor.NOTICE: how long a closed bounty goes on earning, seconds. */
export const NOTICE = 86_400

/**
 * What an epoch takes from a bounty: the price of the session's credits, and
 * no more than is left of it. Nothing once it has been closed for NOTICE, where
 * epochs that the ledger took back begin that time anew.
 *
 * @param credits of all people in the bounty's session in this epoch
 * @param allocated what earlier epochs have taken
 */
export function payoutOf(offer: Offer, credits: bigint, allocated: bigint, market: Omit<Market, 'offers'>): bigint {
  const { closedAt, funded, perCredit } = offer
  const over = closedAt !== 0 && market.time > Math.max(closedAt, market.rejectedAt) + NOTICE
  if (over || funded <= allocated) return 0n
  const price = perCredit * credits
  return price < funded - allocated ? price : funded - allocated
}

/**
 * Splits a total by weights, in whole units, by the largest remainder: each
 * share is rounded down, and what is left over goes one unit each to the
 * largest remainders, the lower key first among equals. The sum of the shares
 * is the total (rule C2); a pot that holds the full price pays each weight
 * times the price.
 */
export function split<Key extends string>(total: bigint, weights: ReadonlyMap<Key, bigint>): ReadonlyMap<Key, bigint> {
  const whole = [...weights.values()].reduce((sum, weight) => sum + weight, 0n)
  if (whole === 0n) return new Map()
  const parts = [...weights].map(([key, weight]) => ({ key, share: (total * weight) / whole, remainder: (total * weight) % whole }))
  const short = Number(total - parts.reduce((sum, { share }) => sum + share, 0n))
  const ranked = parts.toSorted((a, b) => (a.remainder === b.remainder ? (a.key < b.key ? -1 : 1) : a.remainder > b.remainder ? -1 : 1))
  for (const part of ranked.slice(0, short)) part.share += 1n
  return new Map(parts.map(({ key, share }) => [key, share]))
}
