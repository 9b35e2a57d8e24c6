import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { klBrake, scheduledRate, type RatePlan } from '../../trainer/rl/schedule.ts'

const plan = (over: Partial<RatePlan>): RatePlan => ({ rate: 1, schedule: 'constant', warmupSteps: 0, totalSteps: 4, ...over })
const rates = (over: Partial<RatePlan>, steps: number[]) => steps.map((step) => scheduledRate(plan(over), step))

describe('the learning rate', () => {
  it('stays, or falls to its last step by a line or half a cosine', () => {
    expect(rates({}, [0, 3, 9])).toEqual([1, 1, 1])
    expect(rates({ schedule: 'linear' }, [0, 1, 2, 3, 9])).toEqual([1, 0.75, 0.5, 0.25, 0.25])
    const cosine = rates({ schedule: 'cosine' }, [0, 2, 3])
    expect(cosine[0]).toBe(1)
    expect(cosine[1]).toBeCloseTo(0.5, 12)
    expect(cosine[2]).toBeCloseTo((1 - Math.SQRT1_2) / 2, 12)
  })

  it('rises over the warm-up to the full rate, and falls from its end on', () => {
    expect(rates({ schedule: 'linear', warmupSteps: 2, totalSteps: 6 }, [0, 1, 2, 3, 4, 5])).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25])
    expect(rates({ warmupSteps: 4 }, [0, 3, 4])).toEqual([0.25, 1, 1])
  })

  it('is above 0, at most the full rate, and never rises after the warm-up', () => {
    const step = fc.integer({ min: 0, max: 60 })
    const schedule = fc.constantFrom('constant' as const, 'linear' as const, 'cosine' as const)
    fc.assert(
      fc.property(schedule, fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 50 }), step, (name, warmupSteps, totalSteps, at) => {
        const of = (s: number) => scheduledRate(plan({ schedule: name, warmupSteps, totalSteps, rate: 3 }), s)
        expect(of(at)).toBeGreaterThan(0)
        expect(of(at)).toBeLessThanOrEqual(3)
        if (at >= warmupSteps) expect(of(at + 1)).toBeLessThanOrEqual(of(at))
      }),
    )
  })
})

describe('the brake', () => {
  it('lets the whole learning rate through below half the ceiling and none of it from the ceiling on', () => {
    expect([0, 2.5, 3.75, 5, 9].map((kl) => klBrake(kl, 5))).toEqual([1, 1, 0.5, 0, 0])
    expect(klBrake(100, 0)).toBe(1)
  })

  it('never lets more through at a greater KL', () => {
    const kl = fc.double({ min: -10, max: 100, noNaN: true })
    fc.assert(fc.property(kl, kl, fc.double({ min: 0.1, max: 50, noNaN: true }), (a, b, ceiling) => klBrake(Math.max(a, b), ceiling) <= klBrake(Math.min(a, b), ceiling)))
  })
})
