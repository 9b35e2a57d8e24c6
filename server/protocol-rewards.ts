/**
 * Messages about what contributions earn, in the style of protocol.ts and read by the same
 * sides. Imports zod and protocol.ts alone. Amounts of money are decimal strings, in the
 * token's smallest unit.
 */
import { z } from 'zod'
import { Address, Bounty, CategoryScore, Receipt, SessionId, Uuid } from './protocol.ts'

export const rewardLimits = {
  /** Longest statement of an appeal, and longest reason of a decision, characters. */
  statementChars: 1_000,
  /** Appeals of one person that may wait for a decision at a time. */
  openAppeals: 20,
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
  /** What an upheld appeal has put right, once an epoch holds it; credits that were added, 0 where only the record was wrong. */
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
    compassionRating: z.number(),
    comments: z.string().nullable(),
  }),
  receipt: Receipt.nullable(),
  /** The epoch that holds the vote; null while none does. */
  record: z.object({ epochId: z.int(), credit: z.int() }).nullable(),
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

// ---------------------------------------------------------------- bounties

export const SessionBounties = z.object({
  bounties: z.array(Bounty),
  /** At the present pace. */
  votesPerHour: z.number(),
})
export type SessionBounties = z.infer<typeof SessionBounties>
