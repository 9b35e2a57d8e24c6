import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crowdValue, predictionWeight, voteShare } from '../../core/votes/crowd.ts'

const part = fc.double({ min: 0, max: 1, noNaN: true })
const votes = fc.array(fc.record({ value: part, weight: part }), { maxLength: 12 })
/** v̂ without doubt, which counts for κ votes. */
const certain = (mean: number) => ({ mean, deviation: 0 })

describe('crowd value', () => {
  it('holds to v̂ by as many votes as it is sure: κ where it is certain, and hardly any where it knows nothing', () => {
    expect(predictionWeight(0)).toBe(1)
    expect(predictionWeight(0.15)).toBeCloseTo(0.5, 12)
    expect(predictionWeight(0.3)).toBeCloseTo(0.2, 12)
    expect(predictionWeight(0.15, 4)).toBeCloseTo(4 / 5, 12)
    expect(crowdValue([{ value: 1, weight: 1 }], { mean: 0, deviation: 0.15 })).toBeCloseTo(1 / 1.5, 12)
  })
  it('is 0.68 for votes 0.8 (weight 1) and 0.7 (weight 0.5), v̂ 0.55, κ 1', () => {
    const cast = [
      { value: 0.8, weight: 1 },
      { value: 0.7, weight: 0.5 },
    ]
    expect(crowdValue(cast, certain(0.55))).toBeCloseTo((0.8 + 0.35 + 0.55) / 2.5, 12)
    expect(crowdValue(cast, certain(0.55))).toBeCloseTo(0.68, 12)
  })
  it('is v̂ with no votes', () => {
    fc.assert(
      fc.property(part, fc.double({ min: 0, max: 10, noNaN: true }), (prediction, shrinkage) => {
        expect(crowdValue([], certain(prediction), shrinkage)).toBeCloseTo(prediction, 12)
      }),
    )
  })
  it('lies between the least and the greatest of votes and v̂', () => {
    fc.assert(
      fc.property(votes, part, (cast, prediction) => {
        const all = [prediction, ...cast.map((v) => v.value)]
        const h = crowdValue(cast, certain(prediction))
        expect(h).toBeGreaterThanOrEqual(Math.min(...all) - 1e-12)
        expect(h).toBeLessThanOrEqual(Math.max(...all) + 1e-12)
      }),
    )
  })
  it('is not moved by a vote of weight 0, nor by the order of votes', () => {
    fc.assert(
      fc.property(votes, part, part, (cast, prediction, value) => {
        const h = crowdValue(cast, certain(prediction))
        expect(crowdValue([...cast, { value, weight: 0 }], certain(prediction))).toBeCloseTo(h, 12)
        expect(crowdValue([...cast].reverse(), certain(prediction))).toBeCloseTo(h, 12)
      }),
    )
  })
  it('refuses values outside [0, 1] and a negative shrinkage', () => {
    expect(() => crowdValue([{ value: 2, weight: 1 }], certain(0.5))).toThrow(/value is 2/)
    expect(() => crowdValue([], certain(0.5), -1)).toThrow(/shrinkage/)
  })
  it('is made of shares that sum to 1 with that of v̂', () => {
    fc.assert(
      fc.property(votes, (cast) => {
        const total = cast.reduce((sum, v) => sum + v.weight, 0) + 1
        const shares = cast.reduce((sum, _, i) => sum + voteShare(cast, i, 0), 0)
        expect(shares + 1 / total).toBeCloseTo(1, 9)
      }),
    )
  })
})
