/**
 * What contributions earn: bounties, claims and appeals. Amounts of money are decimal strings, in the token's smallest
 * unit.
 */
import { z } from 'zod'
import { Address, Amount, Hash, SessionId, Uuid } from './pieces.ts'
import { rewardLimits } from './limits.ts'
import { CategoryScore } from './vote-kinds.ts'
import { Receipt } from './votes.ts'
import { NoCredit } from './ledger.ts'

/** One sponsor's pot for one session, in one token: what the session's votes earn. */
export const Bounty = z.object({
  id: Hash,
  sessionId: SessionId,
  sponsor: Address,
  /** The zero address: the chain's native coin. */
  token: Address,
  symbol: z.string(),
  decimals: z.int(),
  /** Paid in, less refunds. */
  funded: Amount,
  /** What nobody has earned yet. */
  left: Amount,
  /** What one credit earns; a vote that a step uses is 100. */
  perCredit: Amount,
  /**
   * empty: not enough for one more vote, until it is refilled; unpriced: credits earn nothing, by its sponsor's
   * choice.
   */
  state: z.enum(['paying', 'empty', 'unpriced', 'closed']),
  closedAt: z.iso.datetime().nullable(),
})
export type Bounty = z.infer<typeof Bounty>

/** What is claimed to be wrong: it was not counted; its weight; something else in its record; anything else. */
export const AppealGround = z.enum(['not-counted', 'wrong-weight', 'wrong-record', 'other'])
export type AppealGround = z.infer<typeof AppealGround>

const statement = z.string().trim().min(1).max(rewardLimits.statementChars)

export const FileAppeal = z.object({ feedbackId: Uuid, ground: AppealGround, statement })

export const DecideAppeal = z.object({ outcome: z.enum(['upheld', 'dismissed']), reason: statement })

/** An appeal as its author sees it. */
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
   * What an upheld appeal has corrected, once an epoch holds it; credits that were added, 0 if only the record was
   * wrong.
   */
  correction: z.object({ epochId: z.int(), credit: z.int() }).nullable(),
})
export type Appeal = z.infer<typeof Appeal>

/** An appeal as its decider sees it: with the vote and its outcome, without its author's name. */
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

const above0 = Amount.refine(
  (amount) => /^[1-9][0-9]{0,28}$/.test(amount) && BigInt(amount) < 2n ** 96n,
  'an amount is above 0 and below 2^96',
)

/** An instruction to the treasury's account. Amounts in the token's smallest unit. */
export const OrderTreasury = z.discriminatedUnion('what', [
  z.object({ what: z.literal('fund'), token: Address, amount: above0, perCredit: above0 }),
  z.object({ what: z.literal('price'), bounty: Hash, perCredit: above0 }),
  z.object({ what: z.literal('close'), bounty: Hash }),
  z.object({ what: z.literal('refund'), bounty: Hash }),
])
export type OrderTreasury = z.infer<typeof OrderTreasury>

/** The state of an order; an allowance for a token comes before its funding. */
export const TreasuryOrder = z.object({
  id: Uuid,
  what: z.enum(['approve', 'fund', 'price', 'close', 'refund']),
  state: z.enum(['waiting', 'sent', 'done', 'failed']),
  /** Of the last transaction sent. */
  txHash: z.string().nullable(),
  /** Why it is waiting or failed; null without a reason. */
  problem: z.string().nullable(),
  timestamp: z.iso.datetime(),
})
export type TreasuryOrder = z.infer<typeof TreasuryOrder>

export const SessionBounties = z.object({
  bounties: z.array(Bounty),
  /** The account that administrators fund by; null: this installation has none. */
  treasury: Address.nullable(),
  /** Its latest orders for this session, newest first. */
  orders: z.array(TreasuryOrder),
  /** At the current rate. */
  votesPerHour: z.number(),
})
export type SessionBounties = z.infer<typeof SessionBounties>

/** A claim that the server's relayer sends, so that its account needs no coin for the fee. */
export const RelayedClaim = z.object({
  state: z.enum(['waiting', 'sent', 'done', 'failed']),
  amount: Amount,
  recipient: Address,
  txHash: Hash.nullable(),
  /** Why it is waiting or failed; null without a reason. */
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

/** What a person has earned from one bounty. */
export const Earning = z.object({
  bounty: Hash,
  sessionId: SessionId,
  sessionTitle: z.string(),
  token: Address,
  symbol: z.string(),
  decimals: z.int(),
  /** In all epochs so far. */
  earned: Amount,
  /** Of that, in final epochs; null while the chain is away. */
  final: Amount.nullable(),
  /** Of that, already paid; null while the chain is away. */
  claimed: Amount.nullable(),
  /** The arguments of the distributor's `claim`; null if nothing can be claimed now. */
  claim: Claim.nullable(),
  /** The last claim that was given to the relayer. */
  relayed: RelayedClaim.nullable(),
})
export type Earning = z.infer<typeof Earning>

export const Earnings = z.object({
  /** The linked wallet, to which everything is paid; null: it waits for one. */
  account: Address.nullable(),
  /** Credit points in all epochs so far. */
  points: Amount,
  /**
   * Credit points that wait for their author to qualify in a session: ten votes that could be compared with others'.
   */
  held: Amount,
  /** When what is pending becomes final, unless a dispute delays it; null if nothing is pending. */
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
