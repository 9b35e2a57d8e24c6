import type { Address, Hex } from '../hex.ts'
import { VOTE_USED } from './credit.ts'

/** A sponsor's bounty for one session, as stored by the distributor. Amounts in the token's smallest unit. */
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

/** RewardDistributor.NOTICE: how long votes still earn from a closed bounty, seconds. */
export const NOTICE = 86_400

/** One person earns at most this fraction of a bounty's funds in one epoch: a tenth. */
export const PERSON_PART = 10n

/**
 * What each holder of a session's credits is due from a bounty with sufficient funds:
 * the price of their credits, but at most a tenth of what was funded, or the price of one vote if that is more. The
 * rest stays in the pot. So nobody empties a pot in one epoch, however high the price; in a room of one or two a pot
 * lasts at least ten epochs, and one that never had enough for ten votes still pays each person one in each epoch.
 */
export function pricesOf<Key extends string>(
  { perCredit, funded }: Pick<Offer, 'perCredit' | 'funded'>,
  credits: ReadonlyMap<Key, bigint>,
): Map<Key, bigint> {
  const [part, vote] = [funded / PERSON_PART, perCredit * VOTE_USED]
  const most = part > vote ? part : vote
  return new Map(
    [...credits].map(([holder, amount]) => [holder, perCredit * amount < most ? perCredit * amount : most]),
  )
}

/**
 * What an epoch allocates from a bounty: the sum of all prices, but no
 * more than is left. Nothing once it has been closed for NOTICE; a rejection of epochs by the ledger restarts that
 * time.
 *
 * @param prices of all people in the bounty's session in this epoch, added up
 * @param allocated by earlier epochs
 */
export function payoutOf(
  { closedAt, funded }: Pick<Offer, 'closedAt' | 'funded'>,
  prices: bigint,
  allocated: bigint,
  market: Omit<Market, 'offers'>,
): bigint {
  const over = closedAt !== 0 && market.time > Math.max(closedAt, market.rejectedAt) + NOTICE
  if (over || funded <= allocated) return 0n
  return prices < funded - allocated ? prices : funded - allocated
}

/**
 * Splits a total by weights, in whole units, by the largest remainder: each
 * share is rounded down, and the remaining units go one each to the largest remainders;
 * ties go to the lower key. The sum of the shares
 * is the total (rule C2); a pot that covers all prices pays each.
 */
export function split<Key extends string>(total: bigint, weights: ReadonlyMap<Key, bigint>): ReadonlyMap<Key, bigint> {
  const whole = [...weights.values()].reduce((sum, weight) => sum + weight, 0n)
  if (whole === 0n) return new Map()
  const parts = [...weights].map(([key, weight]) => ({
    key,
    share: (total * weight) / whole,
    remainder: (total * weight) % whole,
  }))
  const short = Number(total - parts.reduce((sum, { share }) => sum + share, 0n))
  const ranked = parts.toSorted((a, b) =>
    a.remainder === b.remainder ? (a.key < b.key ? -1 : 1) : a.remainder > b.remainder ? -1 : 1,
  )
  for (const part of ranked.slice(0, short)) part.share += 1n
  return new Map(parts.map(({ key, share }) => [key, share]))
}
