import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OutOfRange } from '../../core/votes/range.ts'
import {
  composeReward,
  constraintPenalty,
  fitNormalisation,
  normalise,
  rewardWeights,
} from '../../core/votes/reward.ts'

const part = fc.double({ min: 0, max: 1, noNaN: true })

describe('reward', () => {
  it('is 0.625 in the worked example', () => {
    expect(composeReward(0.8, 0.5, { human: 3, ai: 1 }, 0.1)).toBeCloseTo(0.625, 12)
  })
  it('is h where there is no AI score, or its weight is 0', () => {
    fc.assert(
      fc.property(part, part, (h, a) => {
        expect(composeReward(h, undefined, { human: 2, ai: 5 })).toBeCloseTo(h, 12)
        expect(composeReward(h, a, rewardWeights('human', { human: 1, ai: 1 }))).toBeCloseTo(h, 12)
        expect(composeReward(h, a, rewardWeights('ai', { human: 1, ai: 1 }))).toBeCloseTo(a, 12)
      }),
    )
  })
  it('lies between h and a before the penalty', () => {
    const w = fc.double({ min: 0.01, max: 10, noNaN: true })
    fc.assert(
      fc.property(part, part, w, w, (h, a, human, ai) => {
        const reward = composeReward(h, a, rewardWeights('hybrid', { human, ai }))
        expect(reward).toBeGreaterThanOrEqual(Math.min(h, a) - 1e-12)
        expect(reward).toBeLessThanOrEqual(Math.max(h, a) + 1e-12)
      }),
    )
  })
  it('refuses weights that sum to 0: nobody would be scoring', () => {
    expect(() => composeReward(0.5, undefined, { human: 0, ai: 1 })).toThrow(OutOfRange)
    expect(() => composeReward(0.5, 0.5, { human: 1, ai: 0 }, -0.1)).toThrow(/penalty/)
  })
})

describe('constraints', () => {
  it('cost what is over the harm bound and under the compassion bound', () => {
    const cost = constraintPenalty(
      { text: '', harm: 0.5, compassion: 0.2 },
      { maxHarmScore: 0.3, minCompassionScore: 0.4 },
    )
    expect(cost).toBeCloseTo(0.2 + 0.2, 12)
  })
  it('cost 1 where a prohibited topic is named, as a whole word in any case', () => {
    const prohibitedTopics = ['gambling', 'c++', '']
    expect(constraintPenalty({ text: 'Try GAMBLING.' }, { prohibitedTopics })).toBe(1)
    expect(constraintPenalty({ text: 'learn C++!' }, { prohibitedTopics })).toBe(1)
    expect(constraintPenalty({ text: 'gamblings and so on' }, { prohibitedTopics })).toBe(0)
  })
  it('only ever lower a reward', () => {
    const maybe = fc.option(part, { nil: undefined })
    fc.assert(
      fc.property(
        part,
        maybe,
        maybe,
        maybe,
        maybe,
        fc.array(fc.string()),
        fc.string(),
        (h, harm, compassion, maxHarmScore, minCompassionScore, prohibitedTopics, text) => {
          const penalty = constraintPenalty(
            { text, harm, compassion },
            { maxHarmScore, minCompassionScore, prohibitedTopics },
          )
          expect(composeReward(h, undefined, { human: 1, ai: 0 }, penalty)).toBeLessThanOrEqual(h)
        },
      ),
    )
  })
})

describe('normalisation', () => {
  it('brings the reference rewards 0.2, 0.4, 0.6 to mean 0, deviation 1', () => {
    const n = fitNormalisation([0.2, 0.4, 0.6], 0.01)
    expect(n.mean).toBeCloseTo(0.4, 12)
    expect(n.deviation).toBeCloseTo(0.163299, 6)
    expect(normalise(0.6, n)).toBeCloseTo(1.224745, 6)
  })
  it('makes mean 0 and deviation at most 1 of any rewards', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 50 }), (rewards) => {
        const n = fitNormalisation(rewards, 0.05)
        const z = rewards.map((r) => normalise(r, n))
        const mean = z.reduce((a, b) => a + b, 0) / z.length
        expect(mean).toBeCloseTo(0, 9)
        expect(z.reduce((a, b) => a + (b - mean) ** 2, 0) / z.length).toBeLessThanOrEqual(1 + 1e-9)
      }),
    )
  })
  it('does not blow noise up: the deviation is at least the bound', () => {
    expect(fitNormalisation([0.5, 0.5001], 0.05).deviation).toBe(0.05)
    expect(() => fitNormalisation([], 0.05)).toThrow(OutOfRange)
    expect(() => fitNormalisation([1], 0)).toThrow(OutOfRange)
  })
})
