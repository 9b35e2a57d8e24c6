import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitTaste, quality, slopeTaken, smoothed, type Cells, type Unit } from '../../core/votes/factor.ts'
import { correlation, mean } from '../../core/statistics.ts'
import { normal, seededRandom } from '../../scripts/pretrain/random.ts'

const rater: Unit = { trust: 1, known: true, stake: 40, prior: { value: 0.6, votes: 8 } }

/** Votes v = ½ + a (t - ½) + b + ε of raters with these parameters, each on every answer. */
function cast(raters: readonly { slope: number; offset: number; noise: number }[], answers: number, seed: number) {
  const random = seededRandom(seed)
  const truth = Array.from({ length: answers }, () => 0.25 + 0.5 * random())
  const rows = truth.flatMap((t, answer) =>
    raters.map(({ slope, offset, noise }, unit) => ({
      ...{ unit, answer },
      value: Math.min(1, Math.max(0, 0.5 + slope * (t - 0.5) + offset + noise * normal(random))),
    })),
  )
  const cells: Cells = {
    ...{ units: raters.length, answers },
    unit: Int32Array.from(rows, (row) => row.unit),
    answer: Int32Array.from(rows, (row) => row.answer),
    value: Float64Array.from(rows, (row) => row.value),
    compared: new Float64Array(rows.length).fill(1),
  }
  return { cells, truth }
}

function fit(cells: Cells, { gold = null, shares }: { gold?: Float64Array | null; shares?: number[] } = {}) {
  const units = Array.from({ length: cells.units }, () => rater)
  return fitTaste(cells, units, {
    shares: Float64Array.from(shares ?? units.map(() => 1)),
    start: new Float64Array(cells.units).fill(0.6),
    gold,
    bounds: {
      known: new Uint8Array(cells.unit.length).fill(1),
      established: new Uint8Array(cells.answers).fill(1),
    },
  })
}

describe('a taste', () => {
  const raters = [
    { slope: 1, offset: 0, noise: 0.05 },
    { slope: 1.3, offset: 0.08, noise: 0.05 },
    { slope: 0.7, offset: -0.08, noise: 0.05 },
    { slope: 1.2, offset: -0.04, noise: 0.1 },
    { slope: 0.8, offset: 0.04, noise: 0.1 },
    { slope: 1, offset: 0, noise: 0.2 },
  ]

  it('is recovered with its raters’ slopes, offsets and noise, where they are known', () => {
    const { cells, truth } = cast(raters, 200, 1)
    const taste = fit(cells)
    expect(correlation([...taste.worth], truth)).toBeGreaterThan(0.97)
    raters.forEach(({ slope, offset }, i) => {
      expect(Math.abs(taste.slope[i]! - slope)).toBeLessThan(0.12)
      expect(Math.abs(taste.offset[i]! - offset)).toBeLessThan(0.03)
    })
    // C is the correlation with what an answer is worth: a τ / √(a² τ² + σ²), τ = 0.5 / √12.
    const tau = 0.5 / Math.sqrt(12)
    raters.forEach(({ slope, noise }, i) =>
      expect(Math.abs(taste.agreement[i]! - (slope * tau) / Math.hypot(slope * tau, noise))).toBeLessThan(0.1),
    )
    expect(Math.sqrt(taste.spread)).toBeCloseTo(tau, 1)
    expect(Math.abs(taste.level - mean(truth))).toBeLessThan(0.03)
  })

  it('has no attenuation: of votes that one noisy other rates, the slope is not underestimated', () => {
    const { cells } = cast(
      [
        { slope: 1, offset: 0, noise: 0.15 },
        { slope: 1, offset: 0, noise: 0.15 },
      ],
      400,
      2,
    )
    const taste = fit(cells)
    const tau = 0.5 / Math.sqrt(12)
    const true_ = tau / Math.hypot(tau, 0.15)
    for (const i of [0, 1]) expect(Math.abs(taste.agreement[i]! - true_)).toBeLessThan(0.12)
  })

  it('is not moved by who has no share in it, whose agreement is measured all the same', () => {
    const inverter = { slope: -1, offset: 0, noise: 0.05 }
    const { cells } = cast([...raters, inverter], 100, 3)
    const without = fit(cells, { shares: [1, 1, 1, 1, 1, 1, 0] })
    expect(without.agreement[6]).toBeLessThan(-0.8)
    expect(without.reliability[6]).toBe(0)
    const withIt = fit(cells)
    expect(correlation([...withIt.worth], [...without.worth])).toBeGreaterThan(0.99)
  })

  it('keeps to known values, whoever votes', () => {
    const { cells, truth } = cast(
      Array.from({ length: 4 }, () => ({ slope: -1, offset: 0, noise: 0.05 })),
      60,
      4,
    )
    const gold = Float64Array.from(truth, (t, j) => (j < 20 ? t : Number.NaN))
    const taste = fit(cells, { gold })
    for (let j = 0; j < 20; j++) expect(taste.level + taste.worth[j]!).toBeCloseTo(truth[j]!, 2)
    for (const rho of taste.reliability) expect(rho).toBe(0)
  })

  it('is finite whatever is cast', () => {
    const row = fc.record({
      unit: fc.integer({ min: 0, max: 4 }),
      answer: fc.integer({ min: 0, max: 5 }),
      value: fc.constantFrom(0, 1, 0.5, 0.3),
      compared: fc.constantFrom(0, 0.5, 1),
    })
    const key = ({ unit, answer }: { unit: number; answer: number }) => `${unit}/${answer}`
    fc.assert(
      fc.property(fc.uniqueArray(row, { selector: key, maxLength: 30 }), (rows) => {
        const taste = fit({
          ...{ units: 5, answers: 6 },
          unit: Int32Array.from(rows, (r) => r.unit),
          answer: Int32Array.from(rows, (r) => r.answer),
          value: Float64Array.from(rows, (r) => r.value),
          compared: Float64Array.from(rows, (r) => r.compared),
        })
        for (const numbers of [taste.worth, taste.precision, taste.slope, taste.offset, taste.agreement])
          for (const x of numbers) expect(Number.isFinite(x)).toBe(true)
        for (const c of taste.agreement) expect(Math.abs(c)).toBeLessThanOrEqual(1)
        for (const rho of taste.reliability) expect(rho).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

describe('what a vote says', () => {
  it('grows with ρ up to 0.8: 0.32 at 0.6, 0.06 at 0.3, and nothing at 0', () => {
    expect([0, 0.3, 0.6, 0.8, 1].map((rho) => Math.round(100 * quality(rho)) / 100)).toEqual([0, 0.06, 0.32, 1, 1])
  })
  it('ρ grows with agreement, and towards it with evidence', () => {
    const part = fc.double({ min: -1, max: 1, noNaN: true })
    fc.assert(
      fc.property(part, part, fc.double({ min: 0, max: 500, noNaN: true }), (a, b, k) => {
        const [low, high] = [smoothed(Math.min(a, b), k, rater.prior), smoothed(Math.max(a, b), k, rater.prior)]
        expect(low).toBeLessThanOrEqual(high)
        expect(Math.abs(smoothed(a, k + 10, rater.prior) - Math.max(0, a))).toBeLessThanOrEqual(
          Math.abs(smoothed(a, k, rater.prior) - Math.max(0, a)) + 1e-12,
        )
      }),
    )
  })
  it('a slope is taken out between a half and two', () => {
    expect([-3, 0.1, 1.4, 9].map(slopeTaken)).toEqual([0.5, 0.5, 1.4, 2])
  })
})
