import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { krippendorffAlpha, type Metric } from '../../core/votes/agreement.ts'
import golden from '../fixtures/krippendorff.json' with { type: 'json' }

const metrics: Metric[] = ['nominal', 'ordinal', 'interval', 'ratio']
const table = fc.array(fc.array(fc.option(fc.integer({ min: 1, max: 10 })), { minLength: 6, maxLength: 6 }), {
  minLength: 2,
  maxLength: 5,
})

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
})
