/**
 * The kinds of vote, by name. A kind is a way to say what one thinks of an answer; each says what its content comes to
 * as a rating, which is what everything after it reads: the value, the reward model, the records on the chain. The page
 * has a card for each (client/src/room/cards.ts).
 */
import { z } from 'zod'
import { limits } from './limits.ts'
import { name, unit } from './pieces.ts'

export const CategoryScore = z.object({
  name,
  score: z.number().min(1).max(10),
  /** Counts only where the session allows free categories; clamped to [0, 2]. */
  weight: z.number().min(0).default(1),
})

export const CompassionSides = z.object({ agency: unit, capability: unit, suffering: unit })

export const Rating = z.object({
  humanRating: z.number().min(1).max(10),
  categories: z.array(CategoryScore).max(limits.listItems).default([]),
  /** Left out, like the three sides, where the rater says nothing of compassion: the vote then is its quality alone. */
  compassionRating: unit.optional(),
  /** All three or none. They stand for `compassionRating` where both are sent. */
  compassion: CompassionSides.optional(),
})
export type Rating = z.output<typeof Rating>

interface VoteKind<Schema extends z.ZodType> {
  content: Schema
  /** What it comes to as a rating. Pure. */
  rating(content: z.output<Schema>): Rating
}
const kind = <Schema extends z.ZodType>(of: VoteKind<Schema>): VoteKind<Schema> => of

export const voteKinds = {
  rating: kind({ content: Rating, rating: (content) => content }),
} as const
export type VoteKindName = keyof typeof voteKinds
export const voteKindNames = Object.keys(voteKinds) as [VoteKindName, ...VoteKindName[]]

/** Kinds whose content stands under `content` in a vote; a rating's stands in the vote itself. */
export type OtherKind = Exclude<VoteKindName, 'rating'>
export const otherKinds = voteKindNames.filter((each): each is OtherKind => each !== 'rating')
export type ContentOf<K extends VoteKindName> = z.input<(typeof voteKinds)[K]['content']>
