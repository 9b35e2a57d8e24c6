// From the log to an epoch: two trees and a manifest. Pure: the same records
// and balances give the same bytes, on any machine, whoever runs it.

import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { type Address, type Hex, zeroHash } from 'viem'
import { type Balances, type WalletLink, accrue, totalPoints } from './balances.ts'
import { creditOf } from './credit.ts'
import { LedgerError } from './errors.ts'
import {
  type ContributionRecord,
  type LeafFields,
  type LedgerId,
  POINTS,
  contributionLeaf,
  leafFields,
  rewardLeaf,
} from './leaf.ts'
import { MANIFEST_FORMAT, manifestHash, writeManifest } from './manifest.ts'

/** What the chain holds of an epoch. */
export type EpochRoots = {
  epochId: number
  contributionsRoot: Hex
  /** The zero hash while no account has points. */
  rewardsRoot: Hex
  manifestHash: Hex
  count: number
  /** How many upheld disputes it was built after. */
  rejections: number
}

export type EpochLeaf = { recordId: string; credit: bigint; fields: LeafFields; leaf: Hex }

/** A whole epoch, as persisted before anything is sent. */
export type BuiltEpoch = EpochRoots & {
  ledger: LedgerId
  /** JSON Lines; the manifest hash is the keccak of exactly these bytes. */
  manifest: string
  /** One a record, in index order. */
  leaves: readonly EpochLeaf[]
  /** Every contributor's cumulative points after this epoch; private, unlike the manifest. */
  balances: Balances
}

export type EpochInput = {
  ledger: LedgerId
  epochId: number
  rejections: number
  /** In feedback order: it gives each record its index. At least one. */
  records: readonly ContributionRecord[]
  /** Balances after the epoch before, empty at the first. */
  balances: Balances
  /** Wallets linked by now, of people whose points have been waiting for one. */
  links: readonly WalletLink[]
}

/**
 * Builds an epoch: a leaf a record, a tree over them, the rewards tree over
 * every account's cumulative points, and the manifest that shows all of it.
 *
 * Only `records` has an order that matters. Throws `record-twice` (rule C1)
 * where a record occurs again, `bad-record` where one has no canonical form
 * or the epoch is empty.
 */
export function buildEpoch(input: EpochInput): BuiltEpoch {
  const { ledger, epochId, rejections, records } = input
  if (records.length === 0) throw new LedgerError('bad-record', 'an epoch has at least one record')
  refuseRepeats(records)
  const credits = records.map((record) => ({ record, credit: creditOf(record) }))
  const leaves = credits.map(({ record, credit }, index): EpochLeaf => {
    const fields = leafFields(ledger, epochId, index, record, credit)
    return { recordId: record.recordId, credit, fields, leaf: contributionLeaf(fields) }
  })
  const balances = accrue(input.balances, credits, input.links)
  const rewards = balances.accounts.map(({ account, points }) => ({
    account,
    points: String(points),
    leaf: rewardLeaf(ledger, epochId, POINTS, account, points),
  }))
  const roots = {
    epochId,
    contributionsRoot: merkleRoot(leaves.map(({ leaf }) => leaf)),
    rewardsRoot: merkleRoot(rewards.map(({ leaf }) => leaf)),
    count: records.length,
  }
  const manifest = writeManifest({
    header: {
      format: MANIFEST_FORMAT,
      chainId: String(ledger.chainId),
      ledger: ledger.ledger.toLowerCase() as Address,
      epochId: String(epochId),
      contributionsRoot: roots.contributionsRoot,
      rewardsRoot: roots.rewardsRoot,
      count: leaves.length,
      accounts: rewards.length,
      pointsBefore: String(totalPoints(input.balances)),
      credits: String(leaves.reduce((sum, { credit }) => sum + credit, 0n)),
      unlinked: String(balances.unlinked.reduce((sum, { points }) => sum + points, 0n)),
    },
    contributions: leaves.map(({ fields: { index, session, contributor, kind, credit, recordHash }, leaf }) => ({
      index: Number(index),
      session,
      contributor,
      kind,
      credit,
      recordHash,
      leaf,
    })),
    rewards,
  })
  return { ...roots, rejections, ledger, manifestHash: manifestHash(manifest), manifest, leaves, balances }
}

/** The root of OpenZeppelin's standard tree over these leaf hashes; the zero hash over none. */
function merkleRoot(leaves: readonly Hex[]): Hex {
  return leaves.length === 0 ? zeroHash : (SimpleMerkleTree.of([...leaves]).root as Hex)
}

function refuseRepeats(records: readonly ContributionRecord[]): void {
  const seen = new Set<string>()
  for (const { recordId } of records) {
    if (seen.has(recordId)) throw new LedgerError('record-twice', `record ${recordId} occurs twice in one epoch`)
    seen.add(recordId)
  }
}
