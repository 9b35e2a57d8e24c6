/** Ratings for the tests of agreement, and what is computed of them. */
import { openRandom } from '../../lm/sampling/random.ts'
import type { AgreementVote } from '../../core/votes/agreement/category.ts'
import type { GivenRating, PointScale } from '../../core/votes/agreement/units.ts'

export const TEN: PointScale = { least: 1, most: 10, points: 10 }

/** Runs work that yields to its end. */
export function finished<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

/** A table by observer and unit, as publications have it; null: missing. */
export const given = (table: readonly (readonly (number | null)[])[]): GivenRating[] =>
  table.flatMap((row) => row.flatMap((value, unit) => (value === null ? [] : [{ sampleId: String(unit), value }])))

/** Two raters' table of two categories, 0 and 1: how often they said (1, 1), (1, 0), (0, 1), (0, 0). */
export const twoByTwo = (both: number, first: number, second: number, neither: number): GivenRating[] =>
  given([
    [...many(1, both), ...many(1, first), ...many(0, second), ...many(0, neither)],
    [...many(1, both), ...many(0, first), ...many(1, second), ...many(0, neither)],
  ])
const many = (value: number, times: number): number[] => Array.from({ length: times }, () => value)

export const point = (value: number): number => Math.min(10, Math.max(1, Math.round(value)))

/** A room in which each of `raters` rates every answer: by `rate`, of what it is worth on 1…10 and a normal number. */
export function room(
  raters: readonly string[],
  answers: number,
  rate: (rating: { raterId: string; answer: number; worth: number; noise: () => number }) => Partial<AgreementVote>,
  seed = 1,
): AgreementVote[] {
  const random = openRandom(seed)
  return Array.from({ length: answers }, (_, answer) => {
    const worth = 5.5 + 2.5 * random.normal()
    return raters.map((raterId, i): AgreementVote => {
      const said = { rating: 5, ...rate({ raterId, answer, worth, noise: () => random.normal() }) }
      return {
        ...{
          raterId,
          sampleId: `answer ${answer}`,
          value: (said.rating - 1) / 9,
          at: (answer * raters.length + i) * 5_000,
        },
        ...{
          source: null,
          origin: 'rollout',
          ownQuestion: false,
          late: false,
          categories: [],
          compassion: null,
          ...said,
        },
      }
    })
  }).flat()
}
