/**
 * Messages about what contributions earn, in the style of protocol.ts and read by the same
 * sides. Imports zod and protocol.ts alone. Amounts of money are decimal strings, in the
 * token's smallest unit.
 */
import { z } from 'zod'
import { Address, Amount, Bounty, CategoryScore, Hash, NoCredit, Receipt, SessionId, Uuid } from './index.ts'

export const rewardLimits = {
  /** Longest statement of an appeal, and longest reason of a decision, characters. */
  statementChars: 1_000,
  /** Appeals of one person that may wait for a decision at a time. */
  openAppeals: 20,
  /** Claims of one person that are relayed in a day. */
  relayedPerDay: 5,
  /** Claims that are relayed in an hour, of everybody. */
  relayedPerHour: 60,
  /** Longest reason of a dispute of an epoch, characters. */
  reasonChars: 1_000,
  /** How far ahead a relayed claim's deadline is, seconds: at least, and at most. */
  relayAheadSeconds: { least: 60, most: 86_400 },
} as const

// ---------------------------------------------------------------- appeals

/** What is said to be wrong: it was not counted; its weight; something else that its record says; anything else. */
export const AppealGround = z.enum(['not-counted', 'wrong-weight', 'wrong-record', 'other'])
export type AppealGround = z.infer<typeof AppealGround>

const statement = z.string().trim().min(1).max(rewardLimits.statementChars)

export const FileAppeal = z.object({ feedbackId: Uuid, ground: AppealGround, statement })

export const DecideAppeal = z.object({ outcome: z.enum(['upheld', 'dismissed']), reason: statement })

/** An appeal as its author reads it. */
export const Appeal = z.object({
  id: Uuid,
  feedbackId: Uuid,
  sessionId: SessionId,
  ground: AppealGround,
  statement: z.string(),
  state: z.enum(['open', 'upheld', 'dismissed']),
  timestamp: z.iso.datetime(),
  /** Null while it is open. */
  decision: z.object({ reason: z.string(), timestamp: z.iso.datetime() }).nullable(),
  /**
   * What an upheld appeal has put right, once an epoch holds it; credits that were added, 0 where only the record was
   * wrong.
   */
  correction: z.object({ epochId: z.int(), credit: z.int() }).nullable(),
})
export type Appeal = z.infer<typeof Appeal>

/** An appeal as who decides it reads it: with the vote and what became of it, without its author's name. */
export const AppealCase = Appeal.extend({
  vote: z.object({
    timestamp: z.iso.datetime(),
    inputText: z.string(),
    modelResponse: z.string(),
    humanRating: z.number(),
    categories: z.array(CategoryScore),
    compassionRating: z.number().nullable(),
    comments: z.string().nullable(),
  }),
  receipt: Receipt.nullable(),
  /** The epoch that holds the vote, and why it earned nothing there, if so; null while none does. */
  record: z.object({ epochId: z.int(), credit: z.int(), reason: NoCredit.nullable() }).nullable(),
  /** False for the vote's author and the run's owner, who have something to gain. */
  mayDecide: z.boolean(),
})
export type AppealCase = z.infer<typeof AppealCase>

// ---------------------------------------------------------------- the chain

/** Where this installation records and pays: what a wallet has to know. */
export const ChainFacts = z.object({
  chainId: z.int(),
  name: z.string(),
  /** The chain's own coin. */
  coin: z.object({ symbol: z.string(), decimals: z.int() }),
  /** Where a wallet may ask; null where it has to know for itself. */
  rpcUrl: z.string().nullable(),
  /** Of transactions and addresses; null without one. */
  explorer: z.string().nullable(),
  ledger: Address,
  /** null: nothing is paid here. */
  distributor: Address.nullable(),
})
export type ChainFacts = z.infer<typeof ChainFacts>

// ---------------------------------------------------------------- epochs

/** Somebody's word, with a bond, that an epoch is wrong. */
export const Dispute = z.object({
  disputer: Address,
  /** Wei. */
  bond: Amount,
  reason: z.string(),
  txHash: Hash,
  timestamp: z.iso.datetime(),
  /** Null while it is open. Upheld, its epoch and those after it are taken back; dismissed, the bond is forfeited. */
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
  /** When it was seen in a settled block; null of one that was rejected. */
  recordedAt: z.iso.datetime().nullable(),
  /** Until when an open one can be disputed; null for any other, and while a dispute holds it up. */
  finalAt: z.iso.datetime().nullable(),
  rejectedAt: z.iso.datetime().nullable(),
  disputes: z.array(Dispute),
})
export type LedgerEpoch = z.infer<typeof LedgerEpoch>

export const EpochIndex = z.object({
  /** What a dispute costs until it is upheld, wei; null while the chain is away. */
  bond: Amount.nullable(),
  /** The newest first. */
  epochs: z.array(LedgerEpoch),
})
export type EpochIndex = z.infer<typeof EpochIndex>

// ---------------------------------------------------------------- bounties

const above0 = Amount.refine(
  (amount) => /^[1-9][0-9]{0,28}$/.test(amount) && BigInt(amount) < 2n ** 96n,
  'an amount is above 0 and below 2^96',
)

/** Something that the treasury's account is to do. Amounts in the token's smallest unit. */
export const OrderTreasury = z.discriminatedUnion('what', [
  z.object({ what: z.literal('fund'), token: Address, amount: above0, perCredit: above0 }),
  z.object({ what: z.literal('price'), bounty: Hash, perCredit: above0 }),
  z.object({ what: z.literal('close'), bounty: Hash }),
  z.object({ what: z.literal('refund'), bounty: Hash }),
])
export type OrderTreasury = z.infer<typeof OrderTreasury>

/** What has become of an order; an allowance for a token comes before its funding. */
export const TreasuryOrder = z.object({
  id: Uuid,
  what: z.enum(['approve', 'fund', 'price', 'close', 'refund']),
  state: z.enum(['waiting', 'sent', 'done', 'failed']),
  /** Of the transaction that was sent last. */
  txHash: z.string().nullable(),
  /** Why it waits or failed; null without a reason. */
  problem: z.string().nullable(),
  timestamp: z.iso.datetime(),
})
export type TreasuryOrder = z.infer<typeof TreasuryOrder>

export const SessionBounties = z.object({
  bounties: z.array(Bounty),
  /** The account that administrators fund by; null: this installation has none. */
  treasury: Address.nullable(),
  /** What was ordered of it for this session last, the newest first. */
  orders: z.array(TreasuryOrder),
  /** At the present pace. */
  votesPerHour: z.number(),
})
export type SessionBounties = z.infer<typeof SessionBounties>

// ---------------------------------------------------------------- claims

/** A claim that the server's relayer sends, so that its account needs no coin for the fee. */
export const RelayedClaim = z.object({
  state: z.enum(['waiting', 'sent', 'done', 'failed']),
  amount: Amount,
  recipient: Address,
  txHash: Hash.nullable(),
  /** Why it waits or failed; null without a reason. */
  problem: z.string().nullable(),
  timestamp: z.iso.datetime(),
})
export type RelayedClaim = z.infer<typeof RelayedClaim>

/** The arguments of the distributor's `claim`. */
export const Claim = z.object({
  epochId: z.int(),
  bounty: Hash,
  account: Address,
  amount: Amount,
  proof: z.array(Hash),
})
export type Claim = z.infer<typeof Claim>

/** What somebody has earned from one bounty. */
export const Earning = z.object({
  bounty: Hash,
  sessionId: SessionId,
  sessionTitle: z.string(),
  token: Address,
  symbol: z.string(),
  decimals: z.int(),
  /** By all epochs so far. */
  earned: Amount,
  /** Of that, by final epochs; null while the chain is away. */
  final: Amount.nullable(),
  /** Of that, paid already; null while the chain is away. */
  claimed: Amount.nullable(),
  /** The arguments of the distributor's `claim`; null where nothing can be claimed now. */
  claim: Claim.nullable(),
  /** The last claim that was given to the relayer. */
  relayed: RelayedClaim.nullable(),
})
export type Earning = z.infer<typeof Earning>

export const Earnings = z.object({
  /** The linked wallet, to which everything is paid; null: it waits for one. */
  account: Address.nullable(),
  /** Credit points by all epochs so far. */
  points: Amount,
  /**
   * Credit points that wait for their author to qualify in a session: ten votes that could be compared with others'.
   */
  held: Amount,
  /** When what is pending is final, as far as no dispute holds it up; null where nothing is. */
  finalAt: z.iso.datetime().nullable(),
  /** Whether claims can be relayed here. */
  relayer: z.boolean(),
  earnings: z.array(Earning),
})
export type Earnings = z.infer<typeof Earnings>

export const RelayClaim = z.object({
  bounty: Hash,
  /** The claim's own amount. */
  amount: Amount,
  recipient: Address,
  /** Seconds since 1970; from one minute to one day from now. */
  deadline: z.int().positive(),
  /** Of the distributor's `ClaimTo` (EIP-712), by the linked wallet. */
  signature: z
    .string()
    .max(4_000)
    .regex(/^0x([0-9a-f]{2})+$/i, 'a signature is 0x and pairs of hex digits'),
})

/** The arguments of the distributor's `refund`. */
export const Refund = z.object({ epochId: z.int(), bounty: Hash, allocated: Amount, proof: z.array(Hash) })
export type Refund = z.infer<typeof Refund>
