import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { budgetShare, budgetedKlCoefficient, effectiveVotes } from '../../trainer/reward/budget.ts'
import { floorTerm, nextFloors, type Floors } from '../../trainer/reward/floors.ts'
import { noSteering, steered, Steering, steeringMetrics } from '../../trainer/reward/steering.ts'
import { klCoefficientFor, klOf, noKl, sequenceK3, withResponses } from '../../trainer/rl/kl.ts'
import { mean, populationVariance } from '../../core/statistics.ts'

const random = openRandom(1)
const around = (level: number, count = 32): number[] =>
  Array.from({ length: count }, () => Math.min(1, Math.max(0, level + 0.1 * random.normal())))
const after = (steps: number, level: number, from: Floors = {}): Floors => {
  let floors = from
  for (let i = 0; i < steps; i++)
    floors = nextFloors(floors, { useful: { policy: around(level), reference: around(0.5, 64) } }, 0.01)
  return floors
}

describe('floors', () => {
  it('pull a head up that lies below the reference’s level, and let go where it is well above', () => {
    expect(after(20, 0.35).useful!.multiplier).toBeGreaterThan(0.9)
    expect(after(20, 0.65).useful!.multiplier).toBe(0)
  })

  it('do not wind up: after however long below its floor, a head that is back is let go as soon as any', () => {
    const [short, long] = [after(20, 0.2), after(2_000, 0.2)]
    expect(long.useful!.multiplier).toBe(short.useful!.multiplier)
    expect(long.useful!.multiplier).toBeLessThanOrEqual(1)
    expect(after(12, 0.8, long).useful!.multiplier).toBe(0)
  })

  it('stay within bounds whatever is observed', () => {
    const scores = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.array(fc.record({ policy: scores, reference: scores }), { maxLength: 20 }), (steps) => {
        let floors: Floors = {}
        for (const useful of steps) floors = nextFloors(floors, { useful }, 0.01)
        for (const { multiplier } of Object.values(floors)) {
          expect(multiplier).toBeGreaterThanOrEqual(0)
          expect(multiplier).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('weigh an answer’s scores by their multipliers', () => {
    const floor = { gap: 0, squaredError: 0, steps: 1 }
    const floors = { useful: { ...floor, multiplier: 2 }, kind: { ...floor, multiplier: 0.5 } }
    expect(floorTerm(floors, { useful: 0.5, kind: 0.4, other: 1 })).toBeCloseTo(1.2, 12)
  })
})

const votesOf = (people: number, each: number) =>
  Array.from({ length: people * each }, (_, i) => ({ raterId: `r${i % people}`, weight: 1 }))

describe('the KL budget', () => {
  it('grows with votes and with people, and never reaches more than the target', () => {
    const shares = [1, 5, 50, 500, 5_000].map((each) => budgetShare(effectiveVotes(votesOf(1, each))))
    expect([...shares].sort((a, b) => a - b)).toEqual(shares)
    expect(budgetShare(effectiveVotes(votesOf(1, 100_000)))).toBeLessThan(0.38)
    expect(budgetShare(effectiveVotes(votesOf(10, 50)))).toBeGreaterThan(budgetShare(effectiveVotes(votesOf(1, 500))))
    expect(budgetShare(effectiveVotes(votesOf(100, 1_000)))).toBeLessThan(1)
  })

  it('is a hundredth without votes, and β finite', () => {
    expect(budgetShare(effectiveVotes([]))).toBe(0.01)
    expect(effectiveVotes([{ raterId: 'a', weight: 0 }])).toBe(0)
    expect(budgetedKlCoefficient(klCoefficientFor(4), 0.01)).toBeCloseTo(klCoefficientFor(0.04), 12)
  })

  it('does not count a crowd of hangers-on for more people than weigh', () => {
    const crowd = [...votesOf(1, 100), ...Array.from({ length: 50 }, (_, i) => ({ raterId: `x${i}`, weight: 0.01 }))]
    expect(effectiveVotes(crowd)).toBeLessThan(1.02 * effectiveVotes(votesOf(1, 100)))
  })
})

describe('the measured KL', () => {
  it('is the mean over the latest responses, with its standard error', () => {
    const first = Array.from({ length: 2_000 }, () => 1 + random.normal())
    const estimate = Array.from({ length: 100 }, (_, i) => first.slice(i * 20, (i + 1) * 20)).reduce(
      withResponses,
      noKl,
    )
    const { mean: level, error } = klOf(estimate)!
    expect(Math.abs(level - 1)).toBeLessThan(4 * error)
    // Half-life 128: the weights are those of about 370 responses alike.
    expect(error).toBeGreaterThan(0.03)
    expect(error).toBeLessThan(0.08)
    expect(klOf(noKl)).toBeNull()
  })

  it('by k3 is never negative, and agrees with k1 in the mean at a fraction of its variance', () => {
    // Two normal densities a little apart: KL 0.02.
    const draws = Array.from({ length: 20_000 }, () => random.normal())
    const logRatio = draws.map((x) => 0.5 * ((x + 0.2) ** 2 - x ** 2))
    const k3s = logRatio.map((d) => sequenceK3([d], [0]))
    expect(Math.min(...k3s)).toBeGreaterThanOrEqual(0)
    expect(mean(k3s)).toBeCloseTo(0.02, 3)
    expect(populationVariance(k3s)).toBeLessThan(0.1 * populationVariance(logRatio))
  })
})

it('a step’s steering is plain data that reads back as itself, and says what it holds', () => {
  const rollouts = Array.from({ length: 8 }, () => ({ logprobs: Float32Array.from({ length: 5 }, () => -1) }))
  const references = rollouts.map(() => ({ logprobs: Float32Array.from({ length: 5 }, () => -1.5) }))
  const levels = { useful: { policy: around(0.3), reference: around(0.5) } }
  const next = steered(noSteering(), { rollouts, references, levels, floors: true })
  expect(Steering.parse(JSON.parse(JSON.stringify(next)))).toEqual(next)
  const metrics = steeringMetrics(next, 0.25)
  expect(metrics['kl/smoothed']).toBeCloseTo(5 * (Math.exp(-0.5) - 1 + 0.5), 6)
  expect(metrics['floors/strongest']).toBeGreaterThan(0)
  expect(steered(next, { rollouts, references, levels, floors: false }).floors).toEqual({})
})
