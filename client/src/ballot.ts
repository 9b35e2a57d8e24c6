/** A vote as it is being filled in, and what is sent of it. Pure. */
import type { CompassionSides, Vote } from '../../server/protocol.ts'
import type { z } from 'zod'

export type Sides = z.infer<typeof CompassionSides>

export interface Ballot {
  rating: number | null
  /** Scores that the rater set; a category left alone is not sent, which is as if it were scored like the rating. */
  categories: Readonly<Record<string, number>>
  /** null: left at neutral. */
  compassion: number | null
  /** Given instead of `compassion`. */
  sides: Sides | null
  tags: readonly string[]
  comment: string
}

export const emptyBallot: Ballot = { rating: null, categories: {}, compassion: null, sides: null, tags: [], comment: '' }

/** Nothing has been said yet. */
export const isEmpty = ({ rating, categories, compassion, sides, tags, comment }: Ballot): boolean =>
  rating === null && Object.keys(categories).length === 0 && compassion === null && sides === null && tags.length === 0 && comment.trim() === ''

/** A vote as it was filled in: one that was refused goes back to its card. */
export const ballotOf = (vote: Vote): Ballot => ({
  rating: vote.humanRating,
  categories: Object.fromEntries((vote.categories ?? []).map(({ name, score }) => [name, score])),
  compassion: vote.compassion ? null : (vote.compassionRating ?? null),
  sides: vote.compassion ?? null,
  tags: vote.tags ?? [],
  comment: vote.comments ?? '',
})

export const neutralSides: Sides = { agency: 0.5, capability: 0.5, suffering: 0.5 }

/** What the three sides come to, each counting the same: c = (A + C + (1 - S)) / 3. */
export const compassionOf = ({ agency, capability, suffering }: Sides): number => (agency + capability + 1 - suffering) / 3

export const shownCompassion = (ballot: Ballot): number =>
  ballot.sides ? compassionOf(ballot.sides) : (ballot.compassion ?? 0.5)

/** The vote's content, or null while it has no rating. */
export function contentOf(ballot: Ballot): Pick<Vote, 'humanRating' | 'categories' | 'compassionRating' | 'compassion' | 'tags' | 'comments'> | null {
  if (ballot.rating === null) return null
  const comments = ballot.comment.trim()
  return {
    humanRating: ballot.rating,
    categories: Object.entries(ballot.categories).map(([name, score]) => ({ name, score })),
    compassionRating: Number(shownCompassion(ballot).toFixed(4)),
    tags: [...ballot.tags],
    ...(ballot.sides ? { compassion: ballot.sides } : {}),
    ...(comments ? { comments } : {}),
  }
}
