import type { Address, Hex } from '../hex.ts'

/**
 * The holder of an amount: an account (20 bytes), or, for a person who
 * has linked none yet, their payee number (32 random bytes that reveal nothing).
 */
export type Holder = Hex

/** What a holder has earned so far from a pot: a bounty in its token, or POINTS. */
export type Balance = { pot: Hex; holder: Holder; amount: bigint }

/** A balance after an epoch, with what it was before. Zero only for a payee who has moved to an account. */
export type BalanceChange = Balance & { before: bigint }

/** Moves a payee's balances to the account that they have linked. */
export type Move = { payee: Hex; account: Address }

/**
 * Balances with an epoch's earnings added and its moves made, in ascending
 * order of pot and holder. The order of the input does not matter, an account's
 * balance never falls (a distributor pays the difference to what it
 * has paid already), and nothing appears or is lost:
 * after = before + earned.
 */
export function carry(
  before: readonly Balance[],
  earned: readonly Balance[],
  moves: readonly Move[],
): readonly BalanceChange[] {
  const lines = new Map<string, BalanceChange>()
  const line = (pot: Hex, holder: Holder): BalanceChange => {
    const key = pot + holder
    const known = lines.get(key) ?? { pot, holder, before: 0n, amount: 0n }
    lines.set(key, known)
    return known
  }
  for (const { pot, holder, amount } of before)
    if (amount > 0n) Object.assign(line(pot, holder), { before: amount, amount })
  for (const { pot, holder, amount } of earned) if (amount > 0n) line(pot, holder).amount += amount
  const accounts = new Map(moves.map(({ payee, account }) => [payee, account]))
  for (const from of [...lines.values()]) {
    const account = accounts.get(from.holder)
    if (account === undefined) continue
    line(from.pot, account).amount += from.amount
    from.amount = 0n
  }
  return [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change)
}

/** Whether a holder is an account, and so can claim. */
export function isAccount(holder: Holder): holder is Address {
  return holder.length === 42
}

/** Everything in a pot, waiting amounts included. */
export function totalOf(balances: readonly Balance[], pot: Hex): bigint {
  return balances.reduce((sum, balance) => (balance.pot === pot ? sum + balance.amount : sum), 0n)
}
