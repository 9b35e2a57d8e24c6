// What an epoch must pay, from its earnings, moves and bounties.

import type { Fields, Kind, Line } from './lines.ts'

/** Credits by session and holder. */
export type Earned = Map<string, Map<string, bigint>>

const POINTS = `0x${'0'.repeat(64)}`
const NOTICE_SECONDS = 86_400
/** One person can earn one part in this many of a bounty's funds in an epoch, or the price of one vote. */
const PERSON_PART = 10n
const VOTE_CREDITS = 100n

/**
 * What each holder is due for their credits, if the bounty had sufficient funds; an epoch of the former format had no
 * limit per person.
 */
export function pricesOf(
  { perCredit, funded }: Fields,
  holders: ReadonlyMap<string, bigint>,
  former: boolean,
): Map<string, bigint> {
  const each = BigInt(perCredit ?? 0)
  const [part, vote] = [BigInt(funded ?? 0) / PERSON_PART, each * VOTE_CREDITS]
  const bound = part < vote ? vote : part
  return new Map(
    [...holders].map(([holder, credits]) => [holder, former || each * credits < bound ? each * credits : bound]),
  )
}

/**
 * All prices, but no more than is left; nothing a day after the bounty was closed, or after epochs were last taken
 * back.
 */
export function payoutOf(
  { funded, before, closedAt }: Fields,
  prices: ReadonlyMap<string, bigint>,
  at: { time: number; rejectedAt: number },
): bigint {
  const closed = Number(closedAt)
  if (closed > 0 && at.time > (closed > at.rejectedAt ? closed : at.rejectedAt) + NOTICE_SECONDS) return 0n
  const left = BigInt(funded ?? 0) - BigInt(before ?? 0)
  let price = 0n
  for (const one of prices.values()) price += one
  return left <= 0n ? 0n : price > left ? left : price
}

/** Every expected balance, by pot and holder: the previous one, what was earned, what was moved. */
export function expectedBalances(
  { of, former }: { former: boolean; of: { readonly [kind in Kind]: readonly Line[] } },
  earned: Earned,
): Map<string, bigint> {
  const due = new Map<string, bigint>()
  const add = (pot: string, holder: string, amount: bigint) =>
    due.set(pot + holder, (due.get(pot + holder) ?? 0n) + amount)
  for (const { fields } of of.balance)
    if (fields !== null) add(fields['pot'] ?? '', fields['holder'] ?? '', BigInt(fields['before'] ?? 0))
  for (const holders of earned.values()) for (const [holder, credits] of holders) add(POINTS, holder, credits)
  for (const { fields } of of.bounty) {
    if (fields === null) continue
    const shares = largestRemainder(
      BigInt(fields['payout'] ?? 0),
      pricesOf(fields, earned.get(fields['session'] ?? '') ?? new Map(), former),
    )
    for (const [holder, amount] of shares) if (amount > 0n) add(fields['bounty'] ?? '', holder, amount)
  }
  for (const { fields } of of.move) {
    if (fields === null) continue
    const { payee = '', account = '' } = fields
    for (const [key, amount] of [...due]) {
      if (!key.endsWith(payee)) continue
      due.set(key, 0n)
      add(key.slice(0, POINTS.length), account, amount)
    }
  }
  return due
}

/** Rounded down, then one more each to the largest remainders; ties go to the lower holder. */
function largestRemainder(total: bigint, weights: ReadonlyMap<string, bigint>): [string, bigint][] {
  const all = [...weights.values()].reduce((a, b) => a + b, 0n)
  if (all === 0n) return []
  const order = [...weights.keys()].sort((a, b) => {
    const [left, right] = [a, b].map((holder) => (total * (weights.get(holder) ?? 0n)) % all)
    if (left !== right) return (left ?? 0n) > (right ?? 0n) ? -1 : 1
    return a < b ? -1 : 1
  })
  const shares = new Map([...weights].map(([holder, weight]) => [holder, (total * weight) / all]))
  let left = total - [...shares.values()].reduce((a, b) => a + b, 0n)
  for (const holder of order) {
    if (left === 0n) break
    shares.set(holder, (shares.get(holder) ?? 0n) + 1n)
    left--
  }
  return [...shares]
}
