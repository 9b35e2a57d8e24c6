/** A vote: what a rater sends, what is stored, and the receipt of its effect. */
import { z } from 'zod'
import { SessionId, Uuid, list, text, unit } from './pieces.ts'
import {
  CategoryScore,
  CompassionSides,
  Rating,
  kindOf,
  otherKinds,
  voteKindNames,
  type ContentOf,
  type OtherKind,
  type VoteKindName,
} from './vote-kinds.ts'
import { limits } from './limits.ts'

/**
 * What clients of the seed system send back with a vote, all ignored: the token determines whose vote it is,
 * the server when it was cast and whether it is on the chain.
 */
const unreadInVote = {
  userId: z.unknown().optional(),
  timestamp: z.unknown().optional(),
  verified: z.unknown().optional(),
  blockchainHash: z.unknown().optional(),
}

/** What votes of every kind have. `id` is minted by the client: the same id twice is one vote (rule V2). */
const envelope = {
  id: Uuid.optional(),
  sessionId: SessionId,
  sampleId: Uuid.optional(),
  inputText: text.default(''),
  modelResponse: text.default(''),
  humanPreference: z.enum(['model_a', 'model_b', 'tie']).optional(),
  comments: z.string().max(limits.commentChars).optional(),
  tags: list.default([]),
  ethicalConcerns: list.default([]),
  ...unreadInVote,
}
const Envelope = z.object(envelope)

const hasSubject = ({ sampleId, modelResponse }: { sampleId?: string; modelResponse: string }): boolean =>
  Boolean(sampleId || modelResponse)
const noSubject = { path: ['sampleId'], message: 'send sampleId, or inputText and modelResponse' }

/** A rating is in the vote itself. */
const plain: { kind: VoteKindName; content: unknown } = { kind: 'rating', content: null }

const RatingVote = z
  .object({ ...envelope, kind: z.literal('rating').optional(), ...Rating.shape })
  .refine(hasSubject, noSubject)
  .transform((vote) => ({ ...vote, ...plain }))

/** What a rater sends: a rating, or another kind's content under `content`. Once parsed, either has its rating. */
export type Vote =
  | z.input<typeof RatingVote>
  | { [K in OtherKind]: z.input<typeof Envelope> & { kind: K; content: ContentOf<K> } }[OtherKind]
export type ParsedVote = z.output<typeof RatingVote>

const votesOf = (kind: OtherKind): typeof RatingVote => {
  const { content, rating } = kindOf(kind)
  return z
    .object({ ...envelope, kind: z.literal(kind), content })
    .refine(hasSubject, noSubject)
    .transform((vote) => ({ ...vote, ...rating(vote.content) })) as unknown as typeof RatingVote
}

export const Vote = z.discriminatedUnion('kind', [RatingVote, ...otherKinds.map(votesOf)]) as unknown as z.ZodType<
  ParsedVote,
  Vote
>

/** A vote converted to a rating. */
export function ratingOf(vote: Vote): Pick<z.input<typeof RatingVote>, keyof Rating> {
  const { kind = 'rating', content }: { kind?: VoteKindName | undefined; content?: unknown } = vote
  return vote.kind === undefined || vote.kind === 'rating' ? vote : kindOf(kind).rating(content)
}

/** A stored vote, as its own author sees it. */
export const HumanFeedback = z.object({
  id: Uuid,
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  userId: Uuid,
  timestamp: z.iso.datetime(),
  kind: z.enum(voteKindNames),
  /** As its author gave it; null for a rating, which is in the vote itself. */
  content: z.unknown(),
  inputText: z.string(),
  modelResponse: z.string(),
  humanRating: z.number(),
  humanPreference: z.enum(['model_a', 'model_b', 'tie']).nullable(),
  categories: z.array(CategoryScore),
  comments: z.string().nullable(),
  tags: z.array(z.string()),
  ethicalConcerns: z.array(z.string()),
  /** Null if the rater gave none. */
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

/** The effect of a vote: the update that used it and how much it weighed there. */
export const Receipt = z.object({
  feedbackId: Uuid,
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  step: z.int(),
  /** The vote's share of its sample's crowd value; 0 if it trained the reward model only. */
  weight: unit,
  /** The rater's reliability ρ at that step. */
  reliability: unit,
  /** The crowd value h of the sample; null if it trained the reward model only. */
  crowd: unit.nullable(),
  /** Mean advantage of the sample in that update, in standard deviations: above 0 the answer became likelier. */
  advantage: z.number().nullable(),
  /** From "stored" to "the weights have changed", milliseconds. */
  latencyMs: z.int(),
  /** Votes of its author, so far, that somebody else's vote could be compared with. */
  comparable: z.int(),
  /** False: the step's update left every weight as it was, so the vote changed nothing. */
  updated: z.boolean(),
  /** True: the step may still be undone, since one of its votes can be withdrawn. A final receipt follows. */
  provisional: z.boolean(),
  /**
   * log π of the vote's answer before the step's update and after it, nats, summed over its tokens; null if the answer
   * was not part of the update.
   */
  logprob: z.object({ before: z.number(), after: z.number() }).nullable(),
  /** True: the run was taken back to before this step, and no longer learns from the vote. The receipt stands. */
  setAside: z.boolean().optional(),
})
export type Receipt = z.infer<typeof Receipt>

export const BeginVote = z.object({ sessionId: SessionId, sampleId: Uuid })
