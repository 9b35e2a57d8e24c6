import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import type { Hex } from 'viem'
import { LedgerError } from './errors.ts'
import type { LeafFields } from './leaf.ts'
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
 * keep the book while an epoch is asked about. Rule C3: the proof it gives
 * leads to the root that was submitted.
 *
 * Throws `bad-manifest`; `proof` throws `bad-record` for an index outside the epoch.
 */
export function proofBook(manifest: string, txHash: string): ProofBook {
  const { header, contributions } = readManifest(manifest)
  const tree = SimpleMerkleTree.of(contributions.map(({ leaf }) => leaf))
  if (tree.root !== header.contributionsRoot) {
    throw new LedgerError('bad-manifest', `epoch ${header.epochId}: the leaves do not lead to the manifest's root`)
  }
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
