import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RatedSample } from '../../core/votes/comparisons.ts'
import { concordance, reliabilities, RELIABILITY_PRIOR, smoothed } from '../../core/votes/reliability.ts'

const part = fc.double({ min: 0, max: 1, noNaN: true })
const truth = (sample: number) => ((sample * 7919) % 101) / 100

/** Each rater's way of voting, on the same samples. */
function cast(raters: Record<string, (t: number, sample: number) => number>, samples: number): RatedSample[] {
  return Object.entries(raters).flatMap(([raterId, vote]) =>
    Array.from({ length: samples }, (_, s) => ({ raterId, sampleId: `s${s}`, value: vote(truth(s), s) })),
  )
}
/** A fixed jitter in [-size, size]. */
const jitter = (key: number, size: number) => (Math.abs(Math.sin(key * 12.9898) * 43758.5453) % 1) * 2 * size - size
const clamp = (x: number) => Math.min(1, Math.max(0, x))
const honest = (key: number) => (t: number, s: number) => clamp(t + jitter(key * 1000 + s, 0.15))

describe('reliability', () => {
  it('is the prior for a new rater and for one whom nobody can be compared with', () => {
    const rho = reliabilities([{ raterId: 'a', sampleId: 's', value: 0.9 }])
    expect(rho.get('a')).toBe(RELIABILITY_PRIOR.value)
  })

  it('in the worked example: C 0.8 from 12 votes gives (8·0.6 + 12·0.8) / 20 = 0.72', () => {
    // v = g ± d with var g = s²: C = 2 s² / (2 s² + d²) is 0.8 where d² = s² / 2.
    const pairs = Array.from({ length: 12 }, (_, i): [number, number] => {
      const g = i % 2 ? 0.6 : 0.4
      return [g + (i % 4 < 2 ? 1 : -1) * 0.1 * Math.SQRT1_2, g]
    })
    expect(concordance(pairs)).toBeCloseTo(0.8, 9)
    expect(smoothed(pairs, RELIABILITY_PRIOR)).toBeCloseTo(0.72, 9)
  })

  it('falls to 0 for a rater who inverts, towards 0 for one who votes at random or always the same', () => {
    const rho = reliabilities(
      cast(
        {
          a: honest(1),
          b: honest(2),
          c: honest(3),
          inverts: (t) => 1 - t,
          random: (_, s) => Math.abs(jitter(s + 77, 1)),
          same: () => 0.5,
        },
        40,
      ),
    )
    for (const id of ['a', 'b', 'c']) expect(rho.get(id)).toBeGreaterThan(0.75)
    expect(rho.get('inverts')).toBe(0)
    expect(rho.get('random')).toBeLessThan(0.35)
    expect(rho.get('same')).toBeLessThan(0.2)
  })

  it('tells 8 honest raters from 4 adversaries', () => {
    const raters: Record<string, (t: number, s: number) => number> = {}
    for (let i = 0; i < 8; i++) raters[`honest${i}`] = honest(i)
    for (let i = 0; i < 4; i++) raters[`adversary${i}`] = (t, s) => 1 - honest(i + 50)(t, s)
    const rho = reliabilities(cast(raters, 30))
    for (const [id, r] of rho) {
      if (id.startsWith('honest')) expect(r).toBeGreaterThan(0.7)
      else expect(r).toBe(0)
    }
  })

  it('lies in [0, 1] whatever is cast, and does not depend on the order of votes', () => {
    const vote = fc.record({
      raterId: fc.constantFrom('a', 'b', 'c'),
      sampleId: fc.constantFrom('s', 't', 'u', 'v'),
      value: part,
    })
    fc.assert(
      fc.property(fc.array(vote, { maxLength: 30 }), (votes) => {
        const rho = reliabilities(votes)
        const reversed = reliabilities([...votes].reverse())
        for (const [id, r] of rho) {
          expect(r).toBeGreaterThanOrEqual(0)
          expect(r).toBeLessThanOrEqual(1)
          expect(reversed.get(id)).toBeCloseTo(r, 5)
        }
      }),
    )
  })

  it('uses concordance: 1 only for equal pairs, symmetric, at most 1 in size', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(part, part), { minLength: 2, maxLength: 20 }), (pairs) => {
        const c = concordance(pairs)
        if (c === undefined) return
        expect(Math.abs(c)).toBeLessThanOrEqual(1)
        expect(concordance(pairs.map(([a, b]): [number, number] => [b, a]))).toBeCloseTo(c, 9)
      }),
    )
    expect(
      concordance([
        [0.1, 0.1],
        [0.9, 0.9],
      ]),
    ).toBeCloseTo(1, 12)
    expect(
      concordance([
        [0.1, 0.9],
        [0.9, 0.1],
      ]),
    ).toBeCloseTo(-1, 12)
  })

  it('refuses values outside [0, 1]', () => {
    expect(() => reliabilities([{ raterId: 'a', sampleId: 's', value: 1.5 }])).toThrow(/value/)
  })
})
