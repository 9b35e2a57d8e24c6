/** The chain: epochs, proofs and disputes. */
import { z } from 'zod'
import { noCreditNames } from '../../contracts/ledger/epoch/reasons.ts'
import { Address, Amount, Hash, SessionId, Uuid } from './pieces.ts'

export const LeafFields = z.object({
  chainId: z.string(),
  ledger: z.string(),
  epochId: z.string(),
  index: z.string(),
  session: z.string(),
  contributor: z.string(),
  kind: z.int(),
  credit: z.string(),
  recordHash: z.string(),
})

export const MerkleProof = z.object({
  epochId: z.int(),
  leaf: z.string(),
  leafFields: LeafFields,
  proof: z.array(z.string()),
  root: z.string(),
  contract: z.string(),
  chainId: z.int(),
  txHash: z.string(),
})
export type MerkleProof = z.infer<typeof MerkleProof>

/** Why a vote earned nothing. */
export const NoCredit = z.enum(noCreditNames)
export type NoCredit = z.infer<typeof NoCredit>

export const ProofOfContribute = z.object({
  contributorId: Uuid,
  contributionType: z.enum(['training', 'feedback', 'validation', 'compute', 'data']),
  computeHours: z.number(),
  dataContributed: z.number(),
  feedbackProvided: z.number(),
  qualityScore: z.number(),
  /** Credit points of this contribution. */
  rewardTokens: z.number(),
  /** Why there are none; null if there are some, if that is not decided yet, and for anything but votes. */
  noCredit: NoCredit.nullable(),
  /** They are paid once ten votes of the contributor in the session could be compared with others'. */
  held: z.boolean(),
  timestamp: z.iso.datetime(),
  verified: z.boolean(),
  /** The vote's id, or another contribution's. */
  recordId: Uuid,
  /** The vote that it is or, by an upheld appeal, corrects; null if it is about none. */
  feedbackId: Uuid.nullable(),
  sessionId: SessionId,
  merkleProof: MerkleProof.nullable(),
})
export type ProofOfContribute = z.infer<typeof ProofOfContribute>

export const VerifyContribution = z.object({ proof: MerkleProof })

/** Where this installation records and pays: what a wallet needs to know. */
export const ChainFacts = z.object({
  chainId: z.int(),
  name: z.string(),
  /** The chain's native coin. */
  coin: z.object({ symbol: z.string(), decimals: z.int() }),
  /** An RPC endpoint for wallets; null: they must know their own. */
  rpcUrl: z.string().nullable(),
  /** For transactions and addresses; null: none. */
  explorer: z.string().nullable(),
  ledger: Address,
  /** null: nothing is paid here. */
  distributor: Address.nullable(),
})
export type ChainFacts = z.infer<typeof ChainFacts>

/** Somebody's claim, backed by a bond, that an epoch is wrong. */
export const Dispute = z.object({
  disputer: Address,
  /** Wei. */
  bond: Amount,
  reason: z.string(),
  txHash: Hash,
  timestamp: z.iso.datetime(),
  /** Null while it is open. Upheld, its epoch and those after it are rejected; dismissed, the bond is forfeited. */
  decision: z
    .object({ outcome: z.enum(['upheld', 'dismissed']), txHash: Hash, timestamp: z.iso.datetime() })
    .nullable(),
})
export type Dispute = z.infer<typeof Dispute>

export const LedgerEpoch = z.object({
  epochId: z.int(),
  contributions: z.int(),
  /** `open` to dispute; null while the chain is away. One that was rejected is recorded anew under the same number. */
  state: z.enum(['open', 'disputed', 'final', 'rejected']).nullable(),
  txHash: z.string().nullable(),
  /** When it was seen in a settled block; null for one that was rejected. */
  recordedAt: z.iso.datetime().nullable(),
  /** Until when an open one can be disputed; null for any other, and while a dispute suspends it. */
  finalAt: z.iso.datetime().nullable(),
  rejectedAt: z.iso.datetime().nullable(),
  disputes: z.array(Dispute),
})
export type LedgerEpoch = z.infer<typeof LedgerEpoch>

export const EpochIndex = z.object({
  /** The bond of a dispute, returned if it is upheld, wei; null while the chain is away. */
  bond: Amount.nullable(),
  /** Newest first. */
  epochs: z.array(LedgerEpoch),
})
export type EpochIndex = z.infer<typeof EpochIndex>
