import type { Address } from 'viem'
import type { ContributionRecord } from './leaf.ts'

/**
 * Cumulative points after an epoch. An account's never fall, since a
 * distributor pays the difference to what it has paid already; the points of
 * people without a wallet wait under their own id and move, once, to the
 * account that they link.
 */
export type Balances = {
  /** Lower-case accounts in ascending order, points > 0. */
  readonly accounts: readonly { account: Address; points: bigint }[]
  /** By contributor, in ascending order, points > 0. */
  readonly unlinked: readonly { contributorId: string; points: bigint }[]
}

export const NO_BALANCES: Balances = { accounts: [], unlinked: [] }

/** An account that a person has linked, for the points that have been waiting for one. */
export type WalletLink = { contributorId: string; walletAddress: Address }

/**
 * Balances with an epoch's credits added. Neither the order of the credits nor
 * that of the links matters, and no point appears or is lost:
 * after = before + credits.
 */
export function accrue(
  before: Balances,
  credits: readonly { record: ContributionRecord; credit: bigint }[],
  links: readonly WalletLink[],
): Balances {
  const accounts = new Map<string, bigint>(before.accounts.map(({ account, points }) => [account, points]))
  const unlinked = new Map(before.unlinked.map(({ contributorId, points }) => [contributorId, points]))
  for (const { record, credit } of credits) {
    if (record.walletAddress === null) add(unlinked, record.contributorId, credit)
    else add(accounts, record.walletAddress.toLowerCase(), credit)
  }
  const linked = credits
    .flatMap(({ record: { contributorId, walletAddress } }) => (walletAddress === null ? [] : [{ contributorId, walletAddress }]))
    .sort((a, b) => (a.walletAddress < b.walletAddress ? -1 : 1))
  for (const { contributorId, walletAddress } of [...links, ...linked]) {
    const waiting = unlinked.get(contributorId)
    if (waiting === undefined) continue
    unlinked.delete(contributorId)
    add(accounts, walletAddress.toLowerCase(), waiting)
  }
  return {
    accounts: sorted(accounts).map(([account, points]) => ({ account: account as Address, points })),
    unlinked: sorted(unlinked).map(([contributorId, points]) => ({ contributorId, points })),
  }
}

/** Account points and waiting points together. */
export function totalPoints(balances: Balances): bigint {
  return [...balances.accounts, ...balances.unlinked].reduce((sum, { points }) => sum + points, 0n)
}

function add(points: Map<string, bigint>, key: string, more: bigint): void {
  points.set(key, (points.get(key) ?? 0n) + more)
}

function sorted(points: Map<string, bigint>): [string, bigint][] {
  return [...points].filter(([, amount]) => amount > 0n).sort(([a], [b]) => (a < b ? -1 : 1))
}
