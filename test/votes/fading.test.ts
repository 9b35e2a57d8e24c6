import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fading, HALF_LIFE } from '../../core/votes/fading.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'

const ones = (count: number) => Array.from({ length: count }, () => 1)

it('a vote counts half once 300 of full weight have come since, and a quarter after 600', () => {
  const factors = fading(ones(601))
  expect([factors[0], factors[300], factors[600]]).toEqual([0.25, 0.5, 1])
  expect(fading(ones(51), 50)[0]).toBe(0.5)
  expect(fading([])).toEqual([])
})

it('votes that weigh nothing make nobody’s vote older, and light ones little', () => {
  expect(fading([1, ...ones(20_000).map(() => 0)])[0]).toBe(1)
  expect(fading([1, ...ones(3_000).map(() => 0.1)])[0]).toBeCloseTo(0.5, 9)
})

it('a newer vote never counts less, and none counts nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 }), (weights) => {
      const factors = fading(weights)
      factors.forEach((factor, i) => {
        expect(factor).toBeGreaterThan(0)
        expect(factor).toBeLessThanOrEqual(factors[i + 1] ?? 1)
      })
    }),
  )
})

it('refuses a half-life that is not above 0, and a weight below', () => {
  expect(() => fading([1], 0)).toThrow(/half-life/)
  expect(() => fading([1], Number.NaN)).toThrow(/half-life/)
  expect(() => fading([-1])).toThrow(/weight/)
})

it('old votes fade in the fit before its shares are bounded, and not on their answer', () => {
  const cast = Array.from({ length: 1_440 }, (_, i): CastVote => {
    const [answer, rater] = [Math.floor(i / 3), (i + Math.floor(i / 36)) % 12]
    return {
      ...{ raterId: `rater-${rater}`, sampleId: `${answer}`, value: ((7 * answer) % 11) / 11 + (i % 3) * 0.02 },
      ...{ at: 1_000 * i, source: null, origin: 'rollout', ownQuestion: false, late: false },
    }
  })
  const [ageless, aged] = [weigh(cast), weigh(cast, { halfLife: HALF_LIFE })]
  const left = fading(ageless.onAnswer)
  expect(left[0]).toBeLessThan(0.25)
  expect(aged.onAnswer).toEqual(ageless.onAnswer)
  for (const i of [0, 700, cast.length - 1]) expect(aged.inFit[i]).toBeCloseTo(ageless.inFit[i]! * left[i]!, 10)
})
