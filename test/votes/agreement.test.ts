import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coefficientNames } from '../../core/protocol/index.ts'
import { estimatesOf } from '../../core/votes/agreement/coefficients.ts'
import { agreementWeights } from '../../core/votes/agreement/gwet.ts'
import { krippendorffAlpha, type Metric } from '../../core/votes/agreement/krippendorff.ts'
import { unitsOf, type GivenRating, type PointScale } from '../../core/votes/agreement/units.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import golden from '../fixtures/krippendorff.json' with { type: 'json' }
import { finished, given, point, TEN, twoByTwo } from './agreement-ratings.ts'

const metrics: Metric[] = ['nominal', 'ordinal', 'interval', 'ratio']
const table = fc.array(fc.array(fc.option(fc.integer({ min: 1, max: 10 })), { minLength: 6, maxLength: 6 }), {
  minLength: 2,
  maxLength: 5,
})
const estimates = (ratings: readonly GivenRating[], scale: PointScale = TEN, seed = 1) =>
  finished(estimatesOf(unitsOf(ratings, scale), seed))
const fivePoints: PointScale = { least: 1, most: 5, points: 5 }
const yesNo: PointScale = { least: 0, most: 1, points: 2 }

describe("Krippendorff's alpha", () => {
  for (const metric of metrics) {
    it(`is the published one of the 2011 example, ${metric}`, () => {
      expect(krippendorffAlpha(golden.ratings, metric)).toBeCloseTo(golden.alpha[metric], 3)
      expect(Math.abs((krippendorffAlpha(golden.ratings, metric) ?? 0) - golden.alpha[metric])).toBeLessThan(6e-5)
    })

    it(`is 1 for perfect agreement and at most 1 always, ${metric}`, () => {
      fc.assert(
        fc.property(table, (ratings) => {
          const alpha = krippendorffAlpha(ratings, metric)
          if (alpha !== undefined) expect(alpha).toBeLessThanOrEqual(1 + 1e-12)
          const agreed = krippendorffAlpha([ratings[0]!, ratings[0]!], metric)
          if (agreed !== undefined) expect(agreed).toBeCloseTo(1, 12)
        }),
      )
    })

    it(`does not depend on the order of observers, ${metric}`, () => {
      fc.assert(
        fc.property(table, (ratings) => {
          const a = krippendorffAlpha(ratings, metric)
          const b = krippendorffAlpha([...ratings].reverse(), metric)
          if (a === undefined) expect(b).toBeUndefined()
          else expect(b).toBeCloseTo(a, 9)
        }),
      )
    })
  }

  it('is undefined where there is nothing to disagree about', () => {
    expect(krippendorffAlpha([], 'nominal')).toBeUndefined()
    expect(
      krippendorffAlpha(
        [
          [1, 2],
          [null, null],
        ],
        'nominal',
      ),
    ).toBeUndefined()
    expect(
      krippendorffAlpha(
        [
          [3, 3],
          [3, 3],
        ],
        'interval',
      ),
    ).toBeUndefined()
  })

  it('is the published one of the 2011 example by way of sums over answers, too', () => {
    const { alphaNominal, alphaOrdinal, alphaInterval } = estimates(given(golden.ratings), fivePoints)
    expect(Math.abs((alphaNominal.value ?? 0) - golden.alpha.nominal)).toBeLessThan(6e-5)
    expect(Math.abs((alphaOrdinal.value ?? 0) - golden.alpha.ordinal)).toBeLessThan(6e-5)
    expect(Math.abs((alphaInterval.value ?? 0) - golden.alpha.interval)).toBeLessThan(6e-5)
  })

  it('by way of sums over answers it is that of the table, for any ratings', () => {
    fc.assert(
      fc.property(table, (ratings) => {
        const { alphaNominal, alphaOrdinal, alphaInterval } = estimates(given(ratings))
        const pairs: [number | null, Metric][] = [
          [alphaNominal.value, 'nominal'],
          [alphaOrdinal.value, 'ordinal'],
          [alphaInterval.value, 'interval'],
        ]
        for (const [value, metric] of pairs) {
          const alpha = krippendorffAlpha(ratings, metric)
          if (alpha === undefined) expect(value).toBeNull()
          else expect(value).toBeCloseTo(alpha, 9)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('by intervals reads values as they are, not the points that they are nearest to', () => {
    const values = [
      [0.91, 0.5, 0.13, 0.7],
      [0.93, 0.48, 0.2, null],
    ]
    const alpha = krippendorffAlpha(values, 'interval')
    expect(alpha).toBeDefined()
    expect(estimates(given(values), { least: 0, most: 1, points: 10 }).alphaInterval.value).toBeCloseTo(alpha ?? 0, 12)
  })
})

describe("Gwet's AC1 and AC2", () => {
  // Handbook of Inter-Rater Reliability, 4th edition, 2014, page 120: four raters, twelve subjects, five categories; the data
  // `cac.raw4raters` of Gwet's R package irrCAC, which are Krippendorff's of 2011. Unweighted and quadratic: as the vignette
  // of the R package SimplyAgree prints them; linear and ordinal: the Python package irrCAC 0.4.4.
  it.each([
    ['ac1', 0.7754441],
    ['ac2Quadratic', 0.9140007],
    ['ac2Linear', 0.8587391],
    ['ac2Ordinal', 0.8989398],
  ] as const)('of four raters with missing values: %s is %d', (name, published) => {
    expect(estimates(given(golden.ratings), fivePoints)[name].value).toBeCloseTo(published, 6)
  })

  // Irr data `raw_5observers` of the Python package irrCAC 0.4.4: five observers, fifteen units, 0 to 3.
  const five = given([
    [1, 1, 2, null, 0, 0, 1, 1, 2, 2, null, 0, 1, 3, 1],
    [1, 1, 3, 0, 0, 0, 0, null, 2, 1, 1, 0, 2, 3, 1],
    [2, 0, 3, 0, 0, 0, 2, 2, 2, 1, 0, 0, 2, 2, 1],
    [null, 1, 3, null, null, null, null, 0, null, 1, 0, 0, 2, 2, null],
    [2, null, null, 0, 0, 0, 1, null, 2, null, null, null, null, 3, 1],
  ])
  it.each([
    ['ac1', 0.4966221],
    ['ac2Ordinal', 0.7853418],
    ['ac2Linear', 0.6896394],
    ['ac2Quadratic', 0.8304336],
    ['alphaNominal', 0.4805302],
    ['alphaInterval', 0.7718648],
  ] as const)('of five observers: %s is %d', (name, published) => {
    expect(estimates(five, { least: 0, most: 3, points: 4 })[name].value).toBeCloseTo(published, 6)
  })

  // Feinstein & Cicchetti, "High agreement but low kappa: I", Journal of Clinical Epidemiology 43, 1990: the raters
  // agree on 85 of 100 in both tables, and kappa is 0.70 and 0.32.
  it('AC1 stays where alpha falls because nearly everything is in one category', () => {
    const [balanced, skewed] = [estimates(twoByTwo(40, 9, 6, 45), yesNo), estimates(twoByTwo(80, 10, 5, 5), yesNo)]
    expect(balanced.alphaNominal.value).toBeCloseTo(0.7, 2)
    expect(balanced.ac1.value).toBeCloseTo(0.7007481, 6)
    expect(skewed.alphaNominal.value).toBeCloseTo(0.32, 2)
    expect(skewed.ac1.value).toBeCloseTo(0.808, 6)
  })

  // The tables of the vignette "Computing weighted agreement coefficients" of irrCAC, three categories.
  it.each([
    ['identity', [1, 0, 0]],
    ['linear', [1, 0.5, 0]],
    ['ordinal', [1, 2 / 3, 0]],
    ['quadratic', [1, 0.75, 0]],
  ] as const)('weights are the published ones: %s', (weighting, weights) => {
    agreementWeights(weighting, 3).forEach((weight, steps) => expect(weight).toBeCloseTo(weights[steps]!, 12))
  })

  it('is 1 where everybody gives the same, of which alpha says nothing', () => {
    const { ac1, ac2Ordinal, alphaOrdinal } = estimates(given([[8, 8, 8], [8, 8, 8]])) // prettier-ignore
    expect([ac1.value, ac2Ordinal.value, alphaOrdinal.value]).toEqual([1, 1, null])
  })
})

describe('intervals', () => {
  /** Answers that two people rate, each with a noise of 1: a table of two rows. */
  const simulated = (answers: number, seed: number): [number[], number[]] => {
    const random = openRandom(seed)
    const worth = Array.from({ length: answers }, () => 5.5 + 2 * random.normal())
    const rated = (): number[] => worth.map((of) => point(of + random.normal()))
    return [rated(), rated()]
  }

  it('are the same for the same seed, hold the value, and narrow as answers come in', () => {
    const few = estimates(given(simulated(30, 1)))
    expect(estimates(given(simulated(30, 1)))).toEqual(few)
    expect(estimates(given(simulated(30, 1)), TEN, 2)).not.toEqual(few)
    const many = estimates(given(simulated(480, 1)))
    for (const name of coefficientNames) {
      const [wide, narrow] = [few[name].interval, many[name].interval]
      if (wide === null || narrow === null) throw new Error(`${name} has no interval`)
      expect(wide.low).toBeLessThan(few[name].value ?? NaN)
      expect(wide.high).toBeGreaterThan(few[name].value ?? NaN)
      // 16 times the answers: a quarter of the width, more or less.
      expect((narrow.high - narrow.low) / (wide.high - wide.low)).toBeLessThan(0.45)
    }
  })

  it('hold the alpha of all answers in most samples of forty', () => {
    const truth = krippendorffAlpha(simulated(20_000, 7), 'ordinal') ?? NaN
    const held = Array.from(
      { length: 60 },
      (_, seed) => estimates(given(simulated(40, 100 + seed))).alphaOrdinal.interval,
    )
      .map((interval) => interval !== null && interval.low <= truth && truth <= interval.high)
      .filter(Boolean).length
    // 57 of 60 are expected; percentile intervals of forty are a little short. 48 or fewer: once in ten thousand times.
    expect(held).toBeGreaterThan(48)
  })

  it('there are none by a single answer, and none of what is undefined', () => {
    expect(estimates(given([[3, 4], [5, null]])).alphaOrdinal.interval).toBeNull() // prettier-ignore
    const same = estimates(given([[8, 8, 8], [8, 8, 8]])) // prettier-ignore
    expect(same.alphaOrdinal.interval).toBeNull()
    expect(same.ac1.interval).toEqual({ low: 1, high: 1 })
    expect(estimates([]).ac1).toEqual({ value: null, interval: null })
  })
})
