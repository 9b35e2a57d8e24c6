/** A vote: what a rater sends, what is stored, and the receipt of what came of it. */
import { z } from 'zod'
import { SessionId, Uuid, list, name, text, unit } from './pieces.ts'
import { limits } from './limits.ts'

export const CategoryScore = z.object({
  name,
  score: z.number().min(1).max(10),
  /** Counts only where the session allows free categories; clamped to [0, 2]. */
  weight: z.number().min(0).default(1),
})

export const CompassionSides = z.object({ agency: unit, capability: unit, suffering: unit })

/**
 * What clients of the seed system send back with a vote, and nothing reads: whose vote it is says the token;
 * when it was cast, and whether it is on the chain, says the server.
 */
const unreadInVote = {
  userId: z.unknown().optional(),
  timestamp: z.unknown().optional(),
  verified: z.unknown().optional(),
  blockchainHash: z.unknown().optional(),
}

/** What a rater sends. `id` is minted by the client: the same id twice is one vote (rule V2). */
export const Vote = z
  .object({
    id: Uuid.optional(),
    sessionId: SessionId,
    sampleId: Uuid.optional(),
    inputText: text.default(''),
    modelResponse: text.default(''),
    humanRating: z.number().min(1).max(10),
    humanPreference: z.enum(['model_a', 'model_b', 'tie']).optional(),
    categories: z.array(CategoryScore).max(limits.listItems).default([]),
    comments: z.string().max(limits.commentChars).optional(),
    tags: list.default([]),
    ethicalConcerns: list.default([]),
    /**
     * Left out, like the three sides, where the rater says nothing of compassion: the vote then is its quality alone.
     */
    compassionRating: unit.optional(),
    /** All three or none. They stand for `compassionRating` where both are sent. */
    compassion: CompassionSides.optional(),
    ...unreadInVote,
  })
  .refine((vote) => vote.sampleId || vote.modelResponse, {
    path: ['sampleId'],
    message: 'send sampleId, or inputText and modelResponse',
  })
export type Vote = z.input<typeof Vote>
export type ParsedVote = z.output<typeof Vote>

/** A stored vote, as its own author reads it. */
export const HumanFeedback = z.object({
  id: Uuid,
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  userId: Uuid,
  timestamp: z.iso.datetime(),
  inputText: z.string(),
  modelResponse: z.string(),
  humanRating: z.number(),
  humanPreference: z.enum(['model_a', 'model_b', 'tie']).nullable(),
  categories: z.array(CategoryScore),
  comments: z.string().nullable(),
  tags: z.array(z.string()),
  ethicalConcerns: z.array(z.string()),
  /** Null where the rater gave none. */
  compassionRating: unit.nullable(),
  compassion: CompassionSides.nullable(),
  /** The vote value v, with the session's λ at the time. */
  value: unit,
  verified: z.boolean(),
  blockchainHash: z.string().nullable(),
  withdrawn: z.boolean(),
  /** Cast after voting on its sample had closed, and not begun in time. */
  late: z.boolean(),
})
export type HumanFeedback = z.infer<typeof HumanFeedback>

/** What came of a vote: the update that used it and how much it weighed there. */
export const Receipt = z.object({
  feedbackId: Uuid,
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  step: z.int(),
  /** The vote's share of its sample's crowd value; 0 where it trained the reward model only. */
  weight: unit,
  /** The rater's reliability ρ at that step. */
  reliability: unit,
  /** The crowd value h of the sample; null where it trained the reward model only. */
  crowd: unit.nullable(),
  /** Mean advantage of the sample in that update, in standard deviations: above 0 the answer became likelier. */
  advantage: z.number().nullable(),
  /** From "stored" to "the weights have changed", milliseconds. */
  latencyMs: z.int(),
  /** Votes of its author, so far, that somebody else's vote could be compared with. */
  comparable: z.int(),
  /** False: the step's update left every weight as it was, so the vote changed nothing. */
  updated: z.boolean(),
})
export type Receipt = z.infer<typeof Receipt>

export const BeginVote = z.object({ sessionId: SessionId, sampleId: Uuid })
