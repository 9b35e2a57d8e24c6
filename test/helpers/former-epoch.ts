import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { canonicalJson } from '../../contracts/ledger/epoch/canonical.ts'
import type { BuiltEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import {
  type ContributionRecord,
  type LedgerId,
  POINTS,
  allocationLeaf,
  balanceLeaf,
  contributionLeaf,
  earningLeaf,
  leafFields,
  rewardLeaf,
} from '../../contracts/ledger/epoch/leaf.ts'
import type { Market } from '../../contracts/ledger/epoch/payout.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_HASH, hashOfText } from './hashes.ts'

/**
 * The first epoch of an installation from before votes had to qualify, in the format of that time (attune-epoch-2):
 * 100 credits for a used vote, 50 for any other, nothing held, and one bounty without a bound for one person.
 * Everybody has an account.
 */
export function formerEpoch(
  ledger: LedgerId,
  records: readonly ContributionRecord[],
  market: Market,
  distributor: Address,
): BuiltEpoch {
  const epochId = 1
  const leaves = records.map((record, index) => {
    const credit = record.usedInStep === null ? 50n : 100n
    const fields = leafFields(ledger, epochId, index, record, credit)
    return { recordId: record.recordId, credit, zero: null, held: false, fields, leaf: contributionLeaf(fields) }
  })
  const earned = new Map<string, bigint>()
  for (const [i, { credit }] of leaves.entries()) {
    const key = `${leaves[i]?.fields.session} ${records[i]?.walletAddress}`
    earned.set(key, (earned.get(key) ?? 0n) + credit)
  }
  const earnings = [...earned].sort().map(([key, credits]) => {
    const [session, holder] = key.split(' ') as [Hex, Address]
    return { session, holder, credits: String(credits), leaf: earningLeaf(ledger, epochId, session, holder, credits) }
  })
  const bounties = market.offers.map(({ bounty, session, sponsor, token, perCredit, funded, closedAt }) => {
    const payout = earnings
      .filter((one) => one.session === session)
      .reduce((sum, { credits }) => sum + BigInt(credits) * perCredit, 0n)
    if (payout > funded) throw new Error('these bounties pay all')
    const leaf = allocationLeaf(ledger, epochId, bounty, payout)
    return {
      bounty,
      session,
      sponsor,
      token,
      perCredit: String(perCredit),
      funded: String(funded),
      closedAt,
      before: '0',
      payout: String(payout),
      leaf,
    }
  })
  const balances = [...new Set(earnings.map(({ holder }) => holder))]
    .flatMap((holder) => [
      {
        pot: POINTS,
        holder,
        amount: earnings.filter((one) => one.holder === holder).reduce((sum, { credits }) => sum + BigInt(credits), 0n),
      },
      ...market.offers.map(({ bounty, session, perCredit }) => ({
        pot: bounty,
        holder,
        amount: earnings
          .filter((one) => one.holder === holder && one.session === session)
          .reduce((sum, { credits }) => sum + BigInt(credits) * perCredit, 0n),
      })),
    ])
    .filter(({ amount }) => amount > 0n)
    .sort((a, b) => (a.pot + a.holder < b.pot + b.holder ? -1 : 1))
    .map(({ pot, holder, amount }) => {
      const leaf =
        pot === POINTS
          ? balanceLeaf(ledger, epochId, pot, holder, 0n, amount)
          : rewardLeaf(ledger, epochId, pot, holder, amount)
      return { pot, holder, before: '0', amount: String(amount), leaf }
    })
  const contributions = leaves.map(({ fields: { index, session, contributor, kind, credit, recordHash }, leaf }) => ({
    index: Number(index),
    session,
    contributor,
    kind,
    credit,
    recordHash,
    leaf,
  }))
  const rootOf = (of: readonly { leaf: Hex }[]) =>
    of.length === 0 ? ZERO_HASH : (SimpleMerkleTree.of(of.map(({ leaf }) => leaf)).root as Hex)
  const contributionsRoot = rootOf([...contributions, ...earnings, ...balances.filter(({ pot }) => pot === POINTS)])
  const rewardsRoot = rootOf([...bounties, ...balances.filter(({ pot }) => pot !== POINTS)])
  const header = {
    format: 'attune-epoch-2',
    chainId: String(ledger.chainId),
    ledger: ledger.ledger.toLowerCase(),
    distributor: distributor.toLowerCase(),
    epochId: String(epochId),
    rejections: 0,
    block: String(market.block),
    time: market.time,
    rejectedAt: market.rejectedAt,
    contributionsRoot,
    rewardsRoot,
    count: contributions.length,
    earnings: earnings.length,
    moves: 0,
    bounties: bounties.length,
    balances: balances.length,
  }
  const manifest = [header, ...contributions, ...earnings, ...bounties, ...balances]
    .map((line) => `${canonicalJson(line)}\n`)
    .join('')
  return {
    ledger,
    epochId,
    rejections: 0,
    contributionsRoot,
    rewardsRoot,
    manifest,
    manifestHash: hashOfText(manifest),
    count: leaves.length,
    block: market.block,
    leaves,
  }
}
