import { describe, expect, test } from 'vitest'
import type { Verdict } from '../../core/protocol/index.ts'
import { estimatesOf } from '../../core/votes/agreement/coefficients.ts'
import { tallyOf, unitsOf, type GivenRating, type PointScale } from '../../core/votes/agreement/units.ts'
import { judge } from '../../core/votes/agreement/words.ts'
import { askedNothing, estimateText, fragilityText, queryOf } from '../../client/src/console/people/agreement.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { finished, given, point, TEN, twoByTwo } from './agreement-ratings.ts'

function judged(ratings: readonly GivenRating[], scale: PointScale = TEN): { verdict: Verdict; sentence: string } {
  const units = unitsOf(ratings, scale)
  const { paired, counts } = tallyOf(units)
  const estimates = finished(estimatesOf(units, 1))
  return judge({ votes: ratings.length, answers: paired, counts, headline: 'alphaOrdinal', estimates })
}

/** Three raters of answers that differ by `spread`, a standard deviation, each with this much noise. */
function crowd(answers: number, { middle = 5.5, spread = 2.5, noise = 1 }): GivenRating[] {
  const random = openRandom(1)
  const worth = Array.from({ length: answers }, () => middle + spread * random.normal())
  return given([1, 2, 3].map(() => worth.map((of) => point(of + noise * random.normal()))))
}

describe('what is said to a researcher', () => {
  test('nobody has rated, or nobody what somebody else did', () => {
    expect(judged([])).toEqual({ verdict: 'unrated', sentence: 'Nobody has rated it yet.' })
    expect(judged(given([[3, null, 4], [null, 5, null]]))).toEqual({
      verdict: 'unpaired',
      sentence: 'No answer has been rated by two people yet, so there is nothing to compare.',
    }) // prettier-ignore
  })

  test('everybody gives the same', () => {
    expect(judged(given([[8, 8, 8, 2], [8, 8, 8, null]]))).toEqual({
      verdict: 'uniform',
      sentence: 'Everybody gave the same, 8: there is nothing to disagree about, and alpha is undefined.',
    }) // prettier-ignore
  })

  test('they agree, and alpha is low since there is hardly anything to tell apart', () => {
    // Feinstein & Cicchetti 1990.
    expect(judged(twoByTwo(80, 10, 5, 5), { least: 0, most: 1, points: 2 })).toEqual({
      verdict: 'paradox',
      sentence:
        'People agree, although alpha is low (0.32): 88 % of the ratings are 2, so there is little to tell apart. AC2, which allows for that, is 0.81.',
    })
    // Nor is it taken for a contradiction, where alpha is surely below 0.
    expect(judged(twoByTwo(190, 5, 5, 0), { least: 0, most: 1, points: 2 }).verdict).toBe('paradox')
    expect(judged(crowd(100, { middle: 8.5, spread: 0.1, noise: 0.5 })).sentence).toMatch(
      /^People agree, although alpha is low \(-?0\.0\d\): \d\d % of the ratings are 8 to 9, so/,
    )
  })

  test('too few answers to say', () => {
    expect(judged(given([[3], [4]]))).toEqual({
      verdict: 'unsure',
      sentence: 'Too early to say: two people rated only one answer.',
    })
    expect(judged(crowd(9, { noise: 0 })).sentence).toBe('Too early to say: two people rated only 9 answers.')
    expect(judged(crowd(12, { noise: 2 }))).toEqual({
      verdict: 'unsure',
      sentence: expect.stringMatching(
        /^Too early to say: by 12 answers that two people rated, alpha may be anything from -?\d\.\d\d to \d\.\d\d\.$/,
      ) as string,
    })
  })

  test.each([
    ['good', { noise: 0.7 }, 'People agree well (alpha 0.'],
    ['tentative', { noise: 1.4 }, 'People agree well enough for tentative conclusions (alpha 0.7'],
    ['low', { noise: 2.5 }, 'People agree, but little (alpha 0.'],
    ['chance', { spread: 0, noise: 2.5 }, 'People agree no more than chance would (alpha '],
  ] as const)('%s, by Krippendorff’s bounds', (verdict, noise, beginning) => {
    const said = judged(crowd(300, noise))
    expect(said).toEqual({ verdict, sentence: expect.stringContaining(beginning) as string })
  })

  test('they contradict each other: one of two has the scale the other way round', () => {
    const worth = Array.from({ length: 50 }, (_, i) => 1 + (i % 10))
    expect(judged(given([worth, worth.map((value) => 11 - value)]))).toEqual({
      verdict: 'contrary',
      sentence: expect.stringMatching(
        /^People contradict each other more than chance would \(alpha -0\.\d\d\)/,
      ) as string,
    })
  })
})

describe('what the console adds', () => {
  test('a coefficient with its interval, as far as there is one', () => {
    expect(estimateText({ value: 0.736, interval: { low: 0.61, high: 0.8 } })).toBe('0.74 (0.61 to 0.80)')
    expect(estimateText({ value: 0.736, interval: null })).toBe('0.74')
    expect(estimateText({ value: null, interval: null })).toBe('undefined')
    expect(estimateText({ value: -0.001, interval: { low: -0.1, high: 0 } })).toBe('0.00 (-0.10 to 0.00)')
  })

  test('how easily verdicts turn', () => {
    expect(fragilityText({ decided: 120, undecided: 1, byOneVote: 0.344, medianVotes: 2.5 })).toBe(
      'What the crowd says of an answer, above or below the middle of the scale, could be turned by one more vote on 34 % of 120 answers; in the median it takes 2.5 votes. Exactly in the middle: 1 answer.',
    )
    expect(fragilityText({ decided: 0, undecided: 0, byOneVote: null, medianVotes: null })).toBe(
      'No answer that two people rated is on one side of the scale.',
    )
  })

  test('only what was typed is asked for', () => {
    expect(queryOf(askedNothing)).toBe('')
    expect(queryOf({ ...askedNothing, people: '20', halfWidth: ' ' })).toBe('?people=20')
  })
})
