// From the log to an epoch: two trees and a manifest. Pure: the same records,
// bounties and previous manifest give the same bytes, on any machine, whoever
// runs it.

import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { ZeroAddress, ZeroHash } from 'ethers'
import type { Address, Hex } from '../hex.ts'
import { type Balance, type Holder, type Move, carry, isAccount } from './balances.ts'
import type { NoCredit } from './reasons.ts'
import { LedgerError } from '../errors.ts'
import {
  type ContributionRecord,
  type LeafFields,
  type LedgerId,
  POINTS,
  allocationLeaf,
  contributionLeaf,
  earningLeaf,
  leafFields,
  moveLeaf,
  rewardLeaf,
  balanceLeaf,
  paceLeaf,
  standingLeaf,
} from './leaf.ts'
import { MANIFEST_FORMAT, type Manifest, manifestHash, writeManifest } from './manifest.ts'
import { type Market, payoutOf, pricesOf, split } from './payout.ts'
import { tally } from './tally.ts'

/** What the chain stores of an epoch, and the number of upheld disputes before it was built. */
export type EpochRoots = {
  epochId: number
  contributionsRoot: Hex
  /** The zero hash if nobody has earned anything yet. */
  rewardsRoot: Hex
  manifestHash: Hex
  count: number
  rejections: number
}

export type EpochLeaf = {
  recordId: string
  credit: bigint
  /** Why a vote earned nothing. */
  zero: NoCredit | null
  /** Its credit is held until its author qualifies (standing.ts). */
  held: boolean
  fields: LeafFields
  leaf: Hex
}

/** A whole epoch, as persisted before anything is sent. */
export type BuiltEpoch = EpochRoots & {
  ledger: LedgerId
  /** JSON Lines; the manifest hash is the keccak of exactly these bytes. */
  manifest: string
  /** The block at which its bounties were read: the epoch is recorded above it. */
  block: bigint
  /** One a record, in index order. */
  leaves: readonly EpochLeaf[]
}

export type EpochInput = {
  ledger: LedgerId
  /** The distributor that pays by the epoch; null if there is none. */
  distributor: Address | null
  epochId: number
  rejections: number
  /** In the log's order: it gives each record its index. At least one. */
  records: readonly ContributionRecord[]
  /** The manifest of the epoch before, null at the first. */
  previous:
    | (Pick<Manifest, 'bounties' | 'balances' | 'standings' | 'paces'> & { header: Pick<Manifest['header'], 'minute'> })
    | null
  /** Accounts linked since, by payee, for payees with balances. */
  links: readonly Move[]
  /** All bounties that any epoch has named, and new ones. */
  market: Market
}

/**
 * Builds an epoch: a leaf per record, counted and held credits, each holder's earnings per session,
 * each bounty's payouts, all balances, and the manifest that contains all of it.
 *
 * Only the order of `records` matters. Throws `record-twice` (rule C1)
 * where a record occurs again, `bad-record` where one has no canonical form,
 * the epoch is empty or a bounty has gone.
 */
export function buildEpoch(input: EpochInput): BuiltEpoch {
  const { ledger, epochId, rejections, records, market } = input
  if (records.length === 0) throw new LedgerError('bad-record', 'an epoch has at least one record')
  refuseRepeats(records)
  const accounts = accountsOf(input)
  const { verdicts, standings, paces, minute, paid } = tally(records, input.previous, accounts)
  const leaves = records.map((record, index): EpochLeaf => {
    const { credit, zero, held } = verdicts.get(record.recordId) ?? { credit: 0n, zero: null, held: false }
    const fields = leafFields(ledger, epochId, index, record, credit)
    return { recordId: record.recordId, credit, zero, held, fields, leaf: contributionLeaf(fields) }
  })
  const earned = ascending([...paid].map(([session, holders]) => [session, ascending([...holders])]))
  const moves = movesOf(input, accounts)
  const { bounties, shares } = payBounties(input, earned)
  const points = [...earned.values()].flatMap((holders) =>
    [...holders].map(([holder, amount]) => ({ pot: POINTS, holder, amount })),
  )
  const balances = carry(previousBalances(input), [...points, ...shares], moves)

  const sections = {
    contributions: leaves.map(({ fields: { index, session, contributor, kind, credit, recordHash }, leaf }) => ({
      index: Number(index),
      session,
      contributor,
      kind,
      credit,
      recordHash,
      leaf,
    })),
    earnings: [...earned].flatMap(([session, holders]) =>
      [...holders].map(([holder, credits]) => ({
        session,
        holder,
        credits: String(credits),
        leaf: earningLeaf(ledger, epochId, session, holder, credits),
      })),
    ),
    moves: moves.map(({ payee, account }) => ({ payee, account, leaf: moveLeaf(ledger, epochId, payee, account) })),
    bounties: bounties.map(({ before, payout, ...offer }) => ({
      bounty: offer.bounty,
      session: offer.session,
      sponsor: offer.sponsor,
      token: offer.token,
      perCredit: String(offer.perCredit),
      funded: String(offer.funded),
      closedAt: offer.closedAt,
      before: String(before),
      payout: String(payout),
      leaf: allocationLeaf(ledger, epochId, offer.bounty, before + payout),
    })),
    balances: balances.map(({ pot, holder, before, amount }) => ({
      pot,
      holder,
      before: String(before),
      amount: String(amount),
      leaf:
        pot !== POINTS && isAccount(holder)
          ? rewardLeaf(ledger, epochId, pot, holder, amount)
          : balanceLeaf(ledger, epochId, pot, holder, before, amount),
    })),
    standings: standings.map((line) => ({
      ...line,
      counted: String(line.counted),
      before: String(line.before),
      held: String(line.held),
      leaf: standingLeaf(ledger, epochId, line),
    })),
    paces: paces.map(({ person, before, worked }) => ({
      person,
      before,
      worked,
      leaf: paceLeaf(ledger, epochId, person, before, worked),
    })),
  }
  const { contributionsRoot, rewardsRoot } = rootsOf(sections)
  const manifest = writeManifest({
    header: {
      format: MANIFEST_FORMAT,
      chainId: String(ledger.chainId),
      ledger: ledger.ledger.toLowerCase() as Address,
      distributor: (input.distributor ?? ZeroAddress).toLowerCase() as Address,
      epochId: String(epochId),
      rejections,
      block: String(market.block),
      time: market.time,
      rejectedAt: market.rejectedAt,
      contributionsRoot,
      rewardsRoot,
      count: leaves.length,
      earnings: sections.earnings.length,
      moves: sections.moves.length,
      bounties: sections.bounties.length,
      balances: sections.balances.length,
      minute,
      standings: sections.standings.length,
      paces: sections.paces.length,
    },
    ...sections,
  })
  const hash = manifestHash(manifest)
  return {
    epochId,
    contributionsRoot,
    rewardsRoot,
    manifestHash: hash,
    count: leaves.length,
    rejections,
    ledger,
    manifest,
    block: market.block,
    leaves,
  }
}

/** The trees' leaves: the rewards tree has what can be claimed or refunded, the other tree the rest. */
export function treesOf({
  contributions,
  earnings,
  moves,
  bounties,
  balances,
  standings,
  paces,
}: Omit<Manifest, 'header'>): { contributions: Hex[]; rewards: Hex[] } {
  const leafOf = ({ leaf }: { leaf: Hex }): Hex => leaf
  return {
    contributions: [
      ...contributions,
      ...earnings,
      ...moves,
      ...balances.filter((balance) => !isClaimable(balance)),
      ...standings,
      ...paces,
    ].map(leafOf),
    rewards: [...bounties, ...balances.filter(isClaimable)].map(leafOf),
  }
}

/**
 * Whether an account can claim it: not points, and not a payee's balance. Keeps the rewards tree small.
 */
function isClaimable({ pot, holder }: { pot: Hex; holder: Holder }): boolean {
  return pot !== POINTS && isAccount(holder)
}

function rootsOf(sections: Omit<Manifest, 'header'>): { contributionsRoot: Hex; rewardsRoot: Hex } {
  const { contributions, rewards } = treesOf(sections)
  return { contributionsRoot: merkleRoot(contributions), rewardsRoot: merkleRoot(rewards) }
}

/** The root of OpenZeppelin's standard tree over these leaf hashes; the zero hash over none. */
function merkleRoot(leaves: readonly Hex[]): Hex {
  return leaves.length === 0 ? (ZeroHash as Hex) : (SimpleMerkleTree.of([...leaves]).root as Hex)
}

/** What each bounty pays in this epoch, and to whom. */
function payBounties({ previous, market }: EpochInput, earned: ReadonlyMap<Hex, ReadonlyMap<Holder, bigint>>) {
  const allocated = new Map(
    (previous?.bounties ?? []).map(({ bounty, before, payout }) => [bounty, BigInt(before) + BigInt(payout)]),
  )
  const named = new Set(market.offers.map(({ bounty }) => bounty))
  const gone = [...allocated.keys()].find((bounty) => !named.has(bounty))
  if (gone !== undefined)
    throw new LedgerError('bad-record', `bounty ${gone} of an earlier epoch is not among the bounties`)
  const shares: Balance[] = []
  const bounties = market.offers
    .toSorted((a, b) => (a.bounty < b.bounty ? -1 : 1))
    .map((offer) => {
      const holders = earned.get(offer.session) ?? new Map<Holder, bigint>()
      const prices = pricesOf(offer, holders)
      const before = allocated.get(offer.bounty) ?? 0n
      const payout = payoutOf(
        offer,
        [...prices.values()].reduce((sum, price) => sum + price, 0n),
        before,
        market,
      )
      for (const [holder, amount] of split(payout, prices)) shares.push({ pot: offer.bounty, holder, amount })
      return { ...offer, before, payout }
    })
  return { bounties, shares }
}

/** The accounts of payees, as a link or, before that, a record names them: if there are several, the lowest. */
function accountsOf({ records, links }: EpochInput): Map<Hex, Address> {
  const named = records.flatMap(({ payee, walletAddress }) =>
    walletAddress === null ? [] : [{ payee, account: walletAddress }],
  )
  const accounts = new Map<Hex, Address>()
  for (const { payee, account } of [...named.toSorted((a, b) => (a.account < b.account ? 1 : -1)), ...links])
    accounts.set(payee, account.toLowerCase() as Address)
  return accounts
}

/** Moves of payees who have a balance. */
function movesOf({ previous }: EpochInput, accounts: ReadonlyMap<Hex, Address>): Move[] {
  const waiting = new Set<string>(
    (previous?.balances ?? []).flatMap(({ holder, amount }) => (isAccount(holder) || amount === '0' ? [] : [holder])),
  )
  return [...ascending([...accounts])]
    .filter(([payee]) => waiting.has(payee))
    .map(([payee, account]) => ({ payee, account }))
}

function previousBalances({ previous }: EpochInput): Balance[] {
  return (previous?.balances ?? []).map(({ pot, holder, amount }) => ({ pot, holder, amount: BigInt(amount) }))
}

function refuseRepeats(records: readonly ContributionRecord[]): void {
  const seen = new Set<string>()
  for (const { recordId } of records) {
    if (seen.has(recordId)) throw new LedgerError('record-twice', `record ${recordId} occurs twice in one epoch`)
    seen.add(recordId)
  }
}

function ascending<Key extends string, Value>(entries: [Key, Value][]): Map<Key, Value> {
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
