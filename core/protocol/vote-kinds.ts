/**
 * The kinds of vote, by name. A kind is a way to judge an answer; each defines how its content converts to a rating,
 * which is what everything downstream reads: the value, the reward model, the records on the chain. The page has a card
 * for each (client/src/room/cards.ts).
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
  /**
   * Omitted, like the three sides, if the rater says nothing about compassion: the vote's value is then its quality
   * alone.
   */
  compassionRating: unit.optional(),
  /** All three or none. They replace `compassionRating` if both are sent. */
  compassion: CompassionSides.optional(),
})
export type Rating = z.output<typeof Rating>

interface VoteKind<Schema extends z.ZodType> {
  content: Schema
  /** Converts the content to a rating. Pure. */
  rating(content: z.output<Schema>): Rating
}
const kind = <Schema extends z.ZodType>(of: VoteKind<Schema>): VoteKind<Schema> => of

export const voteKinds = {
  rating: kind({ content: Rating, rating: (content) => content }),
} as const
export type VoteKindName = keyof typeof voteKinds
/** A kind by its name alone, for code that serves every kind. */
export const kindOf = (name: VoteKindName): VoteKind<z.ZodType> => voteKinds[name]
export const voteKindNames = Object.keys(voteKinds) as [VoteKindName, ...VoteKindName[]]

/** Kinds whose content is under `content` in a vote; a rating's is in the vote itself. */
export type OtherKind = Exclude<VoteKindName, 'rating'>
export const otherKinds = voteKindNames.filter((each): each is OtherKind => each !== 'rating')
export type ContentOf<K extends VoteKindName> = z.input<(typeof voteKinds)[K]['content']>
