/** A vote as it is being filled in, and what is sent of it. Pure. */
import { type CompassionSides, type ContentOf, type Vote, ratingOf } from '../../../core/protocol/index.ts'
import type { z } from 'zod'

export type Sides = z.infer<typeof CompassionSides>

export interface Ballot {
  rating: number | null
  /** Scores that the rater set; an untouched category is not sent, which is as if it were scored like the rating. */
  categories: Readonly<Record<string, number>>
  /** null: not rated, and not sent. */
  compassion: number | null
  /**
   * Those of the three sides that the rater set, null for none; all three together are given instead of `compassion`,
   * fewer are not sent.
   */
  sides: Partial<Sides> | null
  tags: readonly string[]
  comment: string
}

export const emptyBallot: Ballot = {
  rating: null,
  categories: {},
  compassion: null,
  sides: null,
  tags: [],
  comment: '',
}

/** Nothing has been entered yet. */
export const isEmpty = ({ rating, categories, compassion, sides, tags, comment }: Ballot): boolean =>
  rating === null &&
  Object.keys(categories).length === 0 &&
  compassion === null &&
  sides === null &&
  tags.length === 0 &&
  comment.trim() === ''

/** A vote as it was filled in: a refused one goes back to its card. */
export function ballotOf(vote: Vote): Ballot {
  const { humanRating, categories = [], compassion, compassionRating } = ratingOf(vote)
  return {
    rating: humanRating,
    categories: Object.fromEntries(categories.map(({ name, score }) => [name, score])),
    compassion: compassion ? null : (compassionRating ?? null),
    sides: compassion ?? null,
    tags: vote.tags ?? [],
    comment: vote.comments ?? '',
  }
}

/** The compassion that the three sides give, each counting the same: c = (A + C + (1 - S)) / 3. */
export const compassionOf = ({ agency, capability, suffering }: Sides): number =>
  (agency + capability + 1 - suffering) / 3

/** Compassion is asked like the rating, from 1 to 10; a vote holds it in [0, 1]. */
export const pointsOf = (c: number): number => 1 + 9 * c
export const unitOf = (points: number): number => (Math.min(10, Math.max(1, points)) - 1) / 9

/** The three sides, once all are set. */
export function wholeSides({ sides }: Ballot): Sides | null {
  const { agency, capability, suffering } = sides ?? {}
  return agency === undefined || capability === undefined || suffering === undefined
    ? null
    : { agency, capability, suffering }
}

/** How many of the three sides must still be set before any of them counts; 0 where none or all are set. */
export function missingSides({ sides }: Ballot): number {
  const set = Object.values(sides ?? {}).filter((side) => side !== undefined).length
  return set === 0 ? 0 : 3 - set
}

/** The vote's compassion; null: none. */
export function ratedCompassion(ballot: Ballot): number | null {
  const sides = wholeSides(ballot)
  return sides ? compassionOf(sides) : ballot.compassion
}

/** The vote's content, or null while it has no rating. */
export function contentOf(ballot: Ballot): (ContentOf<'rating'> & Pick<Vote, 'tags' | 'comments'>) | null {
  if (ballot.rating === null) return null
  const comments = ballot.comment.trim()
  const compassion = ratedCompassion(ballot)
  const sides = wholeSides(ballot)
  return {
    humanRating: ballot.rating,
    categories: Object.entries(ballot.categories).map(([name, score]) => ({ name, score })),
    tags: [...ballot.tags],
    ...(compassion !== null && { compassionRating: Number(compassion.toFixed(4)) }),
    ...(sides && { compassion: sides }),
    ...(comments ? { comments } : {}),
  }
}
