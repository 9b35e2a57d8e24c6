import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LEAST_RATE, scheduledRate, type RatePlan } from '../../trainer/rl/schedule.ts'

const plan = (over: Partial<RatePlan>): RatePlan => ({
  learningRate: 1,
  learningRateSchedule: 'constant',
  warmupSteps: 0,
  totalSteps: 4,
  ...over,
})
const rates = (over: Partial<RatePlan>, steps: number[]) => steps.map((step) => scheduledRate(plan(over), step))

describe('the learning rate', () => {
  it('stays, or falls to its last step by a line or half a cosine', () => {
    expect(rates({}, [0, 3, 9])).toEqual([1, 1, 1])
    expect(rates({ learningRateSchedule: 'linear' }, [0, 1, 2, 3, 9])).toEqual([1, 0.75, 0.5, 0.25, 0.25])
    const cosine = rates({ learningRateSchedule: 'cosine' }, [0, 2, 3])
    expect(cosine[0]).toBe(1)
    expect(cosine[1]).toBeCloseTo(0.5, 12)
    expect(cosine[2]).toBeCloseTo((1 - Math.SQRT1_2) / 2, 12)
  })

  it('rises over the warm-up to the full rate, and falls from its end on', () => {
    expect(rates({ learningRateSchedule: 'linear', warmupSteps: 2, totalSteps: 6 }, [0, 1, 2, 3, 4, 5])).toEqual([
      0.5, 1, 1, 0.75, 0.5, 0.25,
    ])
    expect(rates({ warmupSteps: 4 }, [0, 3, 4])).toEqual([0.25, 1, 1])
  })

  it('is never 0 while steps come: a falling schedule keeps a hundredth', () => {
    expect(LEAST_RATE).toBe(0.01)
    for (const schedule of ['linear', 'cosine'] as const) {
      const last = rates({ learningRateSchedule: schedule, totalSteps: 1_000_000 }, [999_999, 5_000_000])
      expect(last, schedule).toEqual([0.01, 0.01])
      // … of which float32 weights of the size of a model's feel one part in a million.
      expect(Math.fround(0.02 + 1e-4 * last[0]!)).not.toBe(Math.fround(0.02))
    }
  })

  it('is above 0, at most the full rate, and never rises after the warm-up', () => {
    const step = fc.integer({ min: 0, max: 60 })
    const schedule = fc.constantFrom('constant' as const, 'linear' as const, 'cosine' as const)
    fc.assert(
      fc.property(
        schedule,
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 1, max: 50 }),
        step,
        (name, warmupSteps, totalSteps, at) => {
          const of = (s: number) =>
            scheduledRate(plan({ learningRateSchedule: name, warmupSteps, totalSteps, learningRate: 3 }), s)
          expect(of(at)).toBeGreaterThan(0)
          expect(of(at)).toBeLessThanOrEqual(3)
          if (at >= warmupSteps) expect(of(at + 1)).toBeLessThanOrEqual(of(at))
        },
      ),
    )
  })
})
