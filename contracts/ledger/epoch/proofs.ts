import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import type { Address, Hex } from '../hex.ts'
import { treesOf } from './epoch.ts'
import { LedgerError } from '../errors.ts'
import { type LeafFields, POINTS } from './leaf.ts'
import { readManifest } from './manifest.ts'

/** A contribution's proof as the API serves it (`ProofOfContribute.merkleProof`). */
export type MerkleProof = {
  epochId: number
  leaf: Hex
  leafFields: LeafFields
  /** Siblings from the leaf up. */
  proof: Hex[]
  root: Hex
  contract: string
  chainId: number
  /** The transaction that recorded the epoch. */
  txHash: string
}

/**
 * Proofs of one recorded epoch, from its manifest: builds the tree once, so
 * keep the book for repeated queries of an epoch. Rule C3: its proofs lead to the root that was submitted.
 *
 * Throws `bad-manifest`; `proof` throws `bad-record` for an index outside the epoch.
 */
export function proofBook(manifest: string, txHash: string): ProofBook {
  const read = readManifest(manifest)
  const { header, contributions } = read
  const tree = treeOf(header.epochId, treesOf(read).contributions, header.contributionsRoot)
  return {
    epochId: Number(header.epochId),
    count: header.count,
    proof(index) {
      const line = contributions[index]
      if (line === undefined) {
        throw new LedgerError('bad-record', `epoch ${header.epochId} has no contribution ${index}`)
      }
      const { session, contributor, kind, credit, recordHash, leaf } = line
      const { chainId, ledger, epochId } = header
      return {
        epochId: Number(epochId),
        leaf,
        leafFields: { chainId, ledger, epochId, index: String(index), session, contributor, kind, credit, recordHash },
        proof: tree.getProof(index) as Hex[],
        root: header.contributionsRoot,
        contract: ledger,
        chainId: Number(chainId),
        txHash,
      }
    },
  }
}

export type ProofBook = {
  readonly epochId: number
  readonly count: number
  /** @param index the record's place in its epoch, from 0 */
  proof(index: number): MerkleProof
}

/**
 * Cumulative earnings as of an epoch, and the proofs that the distributor requires;
 * built once, like a ProofBook. Throws `bad-manifest`.
 */
export function rewardBook(manifest: string): RewardBook {
  const read = readManifest(manifest)
  const { header, bounties, balances } = read
  const leaves = treesOf(read).rewards
  const tree = leaves.length === 0 ? null : treeOf(header.epochId, leaves, header.rewardsRoot)
  const places = new Map(leaves.map((leaf, place) => [leaf, place]))
  const epochId = Number(header.epochId)
  const proofOf = (leaf: Hex): Hex[] => (tree?.getProof(places.get(leaf) ?? -1) ?? []) as Hex[]
  const earned = new Map<Hex, (typeof balances)[number][]>()
  for (const line of balances) earned.set(line.holder, [...(earned.get(line.holder) ?? []), line])
  return {
    epochId,
    pointsOf: (holder) => BigInt(earned.get(holder)?.find(({ pot }) => pot === POINTS)?.amount ?? 0),
    earnedBy: (holder) =>
      (earned.get(holder) ?? []).flatMap(({ pot, amount }) =>
        pot === POINTS || amount === '0' ? [] : [{ bounty: pot, amount: BigInt(amount) }],
      ),
    claimsOf: (account) =>
      (earned.get(account) ?? []).flatMap(({ pot, amount, leaf }) =>
        pot === POINTS ? [] : [{ epochId, bounty: pot, account, amount: BigInt(amount), proof: proofOf(leaf) }],
      ),
    allocationOf(bounty) {
      const line = bounties.find((candidate) => candidate.bounty === bounty)
      return line === undefined
        ? null
        : { epochId, bounty, allocated: BigInt(line.before) + BigInt(line.payout), proof: proofOf(line.leaf) }
    },
  }
}

/**
 * Accounts and payees in lower case. Amounts in the smallest unit of the bounty's token, up to and including the epoch.
 */
export type RewardBook = {
  readonly epochId: number
  pointsOf(holder: Hex): bigint
  earnedBy(holder: Hex): { bounty: Hex; amount: bigint }[]
  /** The arguments of `claim`, one for each bounty. */
  claimsOf(account: Address): Claim[]
  /** The arguments of `refund`; null for a bounty that the epoch does not name. */
  allocationOf(bounty: Hex): { epochId: number; bounty: Hex; allocated: bigint; proof: Hex[] } | null
}
export type Claim = { epochId: number; bounty: Hex; account: Address; amount: bigint; proof: Hex[] }

function treeOf(epochId: string, leaves: readonly Hex[], root: Hex): SimpleMerkleTree {
  const tree = SimpleMerkleTree.of([...leaves])
  if (tree.root !== root)
    throw new LedgerError('bad-manifest', `epoch ${epochId}: the leaves do not lead to the manifest's root`)
  return tree
}
