/** One part of a vote: the rating, a category or compassion. Pure. */
import type { CategoryAgreement } from '../../protocol/index.ts'
import type { CastVote } from '../weights.ts'
import { estimatesOf, valuesOf } from './coefficients.ts'
import { nearShare, tallyOf, unitsOf, type GivenRating, type PointScale } from './units.ts'
import { fixed, isParadox, judge, LEAST_ANSWERS, TENTATIVE } from './words.ts'

/** A vote as agreement reads it: on an answer, and given before others' votes could be seen. */
export interface AgreementVote extends CastVote {
  /** 1…10. */
  rating: number
  categories: readonly { name: string; score: number }[]
  /** In [0, 1]; null: not rated. */
  compassion: number | null
}

export interface Category {
  name: string
  scale: PointScale
  headline: CategoryAgreement['headline']
  /** On the scale; null: the vote doesn't say. */
  of(vote: AgreementVote): number | null
}

const TEN_POINTS: PointScale = { least: 1, most: 10, points: 10 }

export const rating: Category = {
  ...{ name: 'rating', scale: TEN_POINTS, headline: 'alphaOrdinal' },
  of: (vote) => vote.rating,
}

export const score = (name: string): Category => ({
  ...{ name, scale: TEN_POINTS, headline: 'alphaOrdinal' },
  of: ({ categories }) => categories.find((category) => category.name === name)?.score ?? null,
})

/** Asked in ten points like everything else, to which it is rounded; alpha by intervals reads it as it is. */
export const compassion: Category = {
  ...{ name: 'compassion', scale: { least: 0, most: 1, points: 10 }, headline: 'alphaInterval' },
  of: (vote) => vote.compassion,
}

/** Reliable raters without whom nothing is said of a guideline. */
export const LEAST_RELIABLE = 3

/** @param reliable who they are, see report.ts */
export function* categoryAgreement(
  votes: readonly AgreementVote[],
  category: Category,
  reliable: ReadonlySet<string>,
  seed: number,
): Generator<void, CategoryAgreement> {
  const { name, headline, scale } = category
  const rated = ratingsOf(votes, category)
  const units = unitsOf(rated, scale)
  const tally = tallyOf(units)
  const estimates = yield* estimatesOf(units, seed)
  const trusted = rated.filter(({ raterId }) => reliable.has(raterId))
  const found = { votes: rated.length, answers: tally.paired, headline, estimates }
  return {
    ...{ name, ...found, raters: ratersOf(rated), near: nearShare(tally) },
    ...judge({ ...found, counts: tally.counts }),
    guideline: yield* guidelineOf(trusted, category, seed),
  }
}

interface RatersRating extends GivenRating {
  raterId: string
}

const ratingsOf = (votes: readonly AgreementVote[], { of }: Category): RatersRating[] =>
  votes.flatMap((vote) => {
    const value = of(vote)
    return value === null ? [] : { raterId: vote.raterId, sampleId: vote.sampleId, value }
  })

const ratersOf = (ratings: readonly RatersRating[]): number => new Set(ratings.map(({ raterId }) => raterId)).size

/** What says that a guideline is the problem, from the ratings of reliable raters alone. */
function* guidelineOf(
  trusted: readonly RatersRating[],
  { scale, headline }: Category,
  seed: number,
): Generator<void, string | null> {
  const raters = ratersOf(trusted)
  const units = unitsOf(trusted, scale)
  const tally = tallyOf(units)
  const value = valuesOf(tally)[headline]
  if (raters < LEAST_RELIABLE || tally.paired < LEAST_ANSWERS || value === undefined || value >= TENTATIVE) return null
  const estimates = yield* estimatesOf(units, seed)
  const { interval } = estimates[headline]
  if (interval === null || interval.high >= TENTATIVE || isParadox({ headline, estimates })) return null
  return `Even the ${raters} reliable raters disagree on it (alpha ${fixed(value)}, at most ${fixed(interval.high)}): the guideline is more likely the problem than the people.`
}
