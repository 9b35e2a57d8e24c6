import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  correlation,
  distribution,
  maxOf,
  mean,
  median,
  minOf,
  populationDeviation,
  populationVariance,
  quantile,
  rankCorrelation,
  ranks,
  sampleDeviation,
  sampleVariance,
  standardError,
  sum,
} from '../core/statistics.ts'

/** Never −0, which is equal to 0, and yet not to `toEqual`. */
const number = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => x + 0)
const numbers = fc.array(number, { minLength: 1, maxLength: 50 })
const pairs = fc.array(fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 })), {
  minLength: 2,
  maxLength: 30,
})

describe('figures worked out by hand', () => {
  // Mean 5, squared differences 32: the usual example of a population's deviation of 2.
  const values = [2, 4, 4, 4, 5, 5, 7, 9]

  test('a population’s spread is over n, a sample’s over n − 1', () => {
    expect([sum(values), mean(values)]).toEqual([40, 5])
    expect([populationVariance(values), populationDeviation(values)]).toEqual([4, 2])
    expect(sampleVariance(values)).toBeCloseTo(32 / 7, 12)
    expect(sampleDeviation(values)).toBeCloseTo(Math.sqrt(32 / 7), 12)
    expect(standardError(values)).toBeCloseTo(Math.sqrt(32 / 7 / 8), 12)
  })

  test('a quantile is a nearest rank, and the median of an even count lies between two', () => {
    expect([0, 0.05, 0.3, 0.4, 0.5, 1].map((p) => quantile([50, 20, 15, 40, 35], p))).toEqual([15, 15, 20, 20, 35, 50])
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7])
  })

  test('ranks are shared by equal values, and their correlation does not see how far apart values are', () => {
    expect(ranks([10, 20, 20, 30])).toEqual([1, 2.5, 2.5, 4])
    expect(rankCorrelation([1, 2, 3, 4], [1, 10, 100, 1_000])).toBe(1)
    expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBe(-1)
    // 1 − 6 Σd² / n(n² − 1) without ties: d = 0, 1, −1, 0 gives 0.8.
    expect(rankCorrelation([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(0.8, 12)
    // (Σxy − n x̄ȳ) / √…: x̄ = 2, ȳ = 3, 1 / √(2 · 2)
    expect(correlation([1, 2, 3], [3, 2, 4])).toBeCloseTo(0.5, 12)
  })

  test('of nothing there is nothing to say, and one number does not differ from itself', () => {
    expect([mean([]), populationVariance([]), standardError([]), quantile([], 0.5), median([])]).toEqual(
      Array.from({ length: 5 }, () => NaN),
    )
    expect([maxOf([]), minOf([]), maxOf([], 0), maxOf([-3], 0), minOf([3], 1)]).toEqual([-Infinity, Infinity, 0, 0, 1])
    expect([sampleDeviation([4]), standardError([4]), populationDeviation([4])]).toEqual([0, 0, 0])
    expect([correlation([1, 1], [1, 2]), rankCorrelation([1, 2], [3, 3]), distribution([])]).toEqual([null, null, null])
  })
})

describe('of any numbers', () => {
  test('mean, median and every quantile lie between the least and the greatest', () => {
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, p) => {
        const slack = 1e-9 * (1 + maxOf(values.map(Math.abs)))
        for (const at of [mean(values), median(values), quantile(values, p)]) {
          expect(at).toBeGreaterThanOrEqual(minOf(values) - slack)
          expect(at).toBeLessThanOrEqual(maxOf(values) + slack)
        }
        expect([quantile(values, 0), quantile(values, 1)]).toEqual([minOf(values), maxOf(values)])
      }),
    )
  })

  test('at least the share p does not exceed its quantile, and fewer stay below it', () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: 1, max: 100 }), (values, percent) => {
        const at = quantile(values, percent / 100)
        expect(values.filter((value) => value <= at).length / values.length).toBeGreaterThanOrEqual(
          percent / 100 - 1e-9,
        )
        expect(values.filter((value) => value < at).length / values.length).toBeLessThan(percent / 100 + 1e-9)
      }),
    )
  })

  test('a spread does not depend on where the numbers lie, and scales with them', () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: -1_000, max: 1_000 }), (values, by) => {
        const slack = 1e-6 * (1 + maxOf(values.map(Math.abs)))
        expect(Math.abs(sampleDeviation(values.map((x) => x + by)) - sampleDeviation(values))).toBeLessThan(slack)
        expect(Math.abs(populationDeviation(values.map((x) => 2 * x)) - 2 * populationDeviation(values))).toBeLessThan(
          slack,
        )
        expect(populationVariance(values)).toBeLessThanOrEqual(sampleVariance(values) + slack)
      }),
    )
  })

  test('a correlation is the same either way round, 1 with itself, and turns with its sign', () => {
    fc.assert(
      fc.property(pairs, (given) => {
        const [a, b] = [given.map(([x]) => x), given.map(([, y]) => y)]
        for (const r of [correlation, rankCorrelation]) {
          const found = r(a, b)
          expect(found === null).toBe(new Set(a).size === 1 || new Set(b).size === 1)
          if (found === null) continue
          expect(Math.abs(found)).toBeLessThanOrEqual(1)
          expect(r(b, a)).toBeCloseTo(found, 9)
          expect(
            r(
              a,
              b.map((y) => -y),
            ),
          ).toBeCloseTo(-found, 9)
          expect(r(a, a)).toBeCloseTo(1, 9)
        }
      }),
    )
  })
})
