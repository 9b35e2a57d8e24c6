import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scoresOf, statisticsOf, type Scored } from '../../trainer/rl/experience.ts'
import { estimateAdvantages } from '../../trainer/rl/algorithms/gae.ts'
import { klCoefficientFor, nextKlCoefficient, sequenceKl, shapedRewards, withinRange } from '../../trainer/rl/kl.ts'
import { layOut, padRows, shapeOf, unpadRows } from '../../trainer/rl/layout.ts'
import { minibatches } from '../../trainer/rl/minibatches.ts'
import { preparePpo, withPotentials, type PpoBatchConfig } from '../../trainer/rl/algorithms/ppo-batch.ts'
import { seedOf } from '../../trainer/rl/random.ts'
import { moments, whiten } from '../../trainer/rl/whiten.ts'

const number = fc.double({ min: -5, max: 5, noNaN: true })
const rows = fc.array(fc.array(number, { minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 8 })

describe('advantages', () => {
  it('are reward to go less value at γ = λ = 1, and one-step errors at λ = 0', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 12 }), (steps) => {
        const rewards = steps.map(([r]) => r)
        const values = steps.map(([, v]) => v)
        const whole = estimateAdvantages(rewards, values, 1, 1)
        const single = estimateAdvantages(rewards, values, 0.9, 0)
        rewards.forEach((_, t) => {
          const toGo = rewards.slice(t).reduce((a, b) => a + b, 0)
          expect(whole.advantages[t]).toBeCloseTo(toGo - values[t]!, 9)
          expect(whole.returns[t]).toBeCloseTo(toGo, 9)
          expect(single.advantages[t]).toBeCloseTo(rewards[t]! + 0.9 * (values[t + 1] ?? 0) - values[t]!, 9)
        })
      }),
    )
  })
})

describe('whitening', () => {
  it('gives mean 0 and deviation 1, or keeps the mean', () => {
    fc.assert(
      fc.property(rows, (table) => {
        const before = moments(table)
        fc.pre(before.variance > 1e-3)
        expect(moments(whiten(table)).mean).toBeCloseTo(0, 6)
        expect(moments(whiten(table)).variance).toBeCloseTo(1, 4)
        expect(moments(whiten(table, false)).mean).toBeCloseTo(before.mean, 6)
      }),
    )
  })
})

describe('the KL', () => {
  it('penalty takes β times the sequence’s KL off the score in all', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 12 }),
        number,
        fc.double({ min: 0, max: 2, noNaN: true }),
        (pairs, score, beta) => {
          const [own, reference] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)]
          const total = shapedRewards(own, reference, score, beta).reduce((a, b) => a + b, 0)
          expect(total).toBeCloseTo(score - beta * sequenceKl(own, reference), 8)
        },
      ),
    )
  })
  it('coefficient follows from the target, as scores of deviation 1 that are normal settle there: 0.354 for 4 nats', () => {
    expect(klCoefficientFor(4)).toBeCloseTo(0.35355, 5)
    expect(klCoefficientFor(0.5)).toBe(1)
    for (const target of [0, -1, Number.NaN]) expect(() => klCoefficientFor(target)).toThrow(/above 0/)
    // The optimum of E[r] - β KL over a fine grid of normal scores is π ∝ π_ref e^{r/β}: its KL is summed up here.
    const beta = klCoefficientFor(4)
    const grid = Array.from({ length: 4001 }, (_, i) => -10 + i / 200)
    const reference = grid.map((r) => Math.exp((-r * r) / 2))
    const policy = grid.map((r, i) => reference[i]! * Math.exp(r / beta))
    const sum = (weights: number[]) => weights.reduce((a, b) => a + b, 0)
    const [all, own] = [sum(reference), sum(policy)]
    const kl = policy.reduce((total, p, i) => total + (p / own) * Math.log(p / own / (reference[i]! / all)), 0)
    expect(kl).toBeCloseTo(4, 3)
  })
  it('coefficient, where it adapts, moves by about 1 % a step at most, towards the target', () => {
    const control = { adaptiveKl: true, klCoefficient: 0.1, targetKL: 6, klGain: 0.05 } as const
    expect(nextKlCoefficient(0.1, control, 60)).toBeCloseTo(0.1 * Math.exp(0.01), 12)
    expect(nextKlCoefficient(0.1, control, 0)).toBeCloseTo(0.1 * Math.exp(-0.01), 12)
    expect(nextKlCoefficient(0.1, control, 6)).toBe(0.1)
  })
  it('coefficient neither leaves half to twice its start nor winds up there: the first error of the other sign brings it back', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 1e6, noNaN: true }), { maxLength: 400 }), (seen) => {
        const control = { adaptiveKl: true, klCoefficient: 0.3, targetKL: 4, klGain: 0.05 } as const
        const coef = seen.reduce((now, kl) => nextKlCoefficient(now, control, kl), 0.3)
        expect(coef).toBeGreaterThanOrEqual(0.15)
        expect(coef).toBeLessThanOrEqual(0.6)
      }),
    )
    const control = { adaptiveKl: true, klCoefficient: 0.3, targetKL: 4, klGain: 0.05 } as const
    const after = (steps: number, kl: number, from = 0.3): number =>
      Array.from({ length: steps }).reduce<number>((coef) => nextKlCoefficient(coef, control, kl), from)
    expect(after(1_000, 0)).toBe(0.15)
    expect(after(1, 40, after(1_000, 0))).toBeCloseTo(0.15 * Math.exp(0.01), 12)
  })
  it('coefficient of a fixed control is the configuration’s, whatever an older run had come to', () => {
    expect(nextKlCoefficient(1e-9, { adaptiveKl: false, klCoefficient: 0.35, targetKL: 4, klGain: 0.05 }, 9)).toBe(0.35)
    expect(withinRange(1e-9, { adaptiveKl: false, klCoefficient: 0.35, targetKL: 4, klGain: 0.05 })).toBe(0.35)
    expect(withinRange(1e-9, { adaptiveKl: true, klCoefficient: 0.3, targetKL: 4, klGain: 0.05 })).toBe(0.15)
  })
})

describe('minibatches', () => {
  it('take every index once, in an order that the seed alone gives', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.nat(), (parts, each, seed) => {
        const cut = minibatches(parts * each, parts, seed)
        expect(cut.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: parts * each }, (_, i) => i))
        expect(cut.every((part) => part.length === each)).toBe(true)
        expect(minibatches(parts * each, parts, seed)).toEqual(cut)
      }),
    )
  })
  it('keep together what belongs together', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }), fc.nat(), (parts, pairs, seed) => {
        const cut = minibatches(parts * pairs * 2, parts, seed, 2)
        expect(cut.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: parts * pairs * 2 }, (_, i) => i))
        for (const part of cut)
          part.forEach((index, k) => k % 2 === 1 && expect([index % 2, index - 1]).toEqual([1, part[k - 1]]))
      }),
    )
    expect(() => minibatches(6, 2, 1, 2)).toThrow(/not divisible/)
  })
  it('refuse sizes that do not divide', () => expect(() => minibatches(10, 3, 1)).toThrow(/not divisible/))
  it('have seeds that differ with every entry of their path', () => {
    const seeds = new Set([0, 1, 2].flatMap((a) => [0, 1, 2].flatMap((b) => [0, 1, 2].map((c) => seedOf(a, b, c)))))
    expect(seeds.size).toBe(27)
  })
})

describe('the layout', () => {
  it('predicts each response token from the state before it, and gives rows back as they were', () => {
    const rollouts = [
      { promptIds: [5, 6], responseIds: [7, 8, 9] },
      { promptIds: [4], responseIds: [3] },
    ]
    const shape = shapeOf([rollouts], 2, 64)
    expect(shape).toEqual({ rollouts: 2, rows: 2, length: 32, responses: 32, answered: 64 })
    const layout = layOut(rollouts, shape)
    expect([...layout.ids.slice(0, 8)]).toEqual([5, 6, 7, 8, 9, 4, 3, 0])
    expect([...layout.segments.slice(0, 8)]).toEqual([1, 1, 1, 1, 1, 2, 2, 0])
    expect([...layout.sources.slice(0, 5)]).toEqual([1, 2, 3, 5, 0])
    expect([...layout.actions.slice(0, 5)]).toEqual([7, 8, 9, 3, 0])
    expect([...layout.cells.slice(0, 4), ...layout.cells.slice(32, 34)]).toEqual([0, 1, 2, 0, 3, 0])
    expect([...layout.targets.slice(0, 4), layout.targets[32]]).toEqual([2, 3, 4, 0, 6])
    expect([...layout.last]).toEqual([4, 6])
    expect(layout.responseMask.reduce((a, b) => a + b, 0)).toBe(4)
    expect(unpadRows(padRows([[1, 2, 3], [4]], shape), [3, 1], shape).map((row) => [...row])).toEqual([[1, 2, 3], [4]])
    expect(() => shapeOf([rollouts], 2, 4)).toThrow(/does not fit/)
  })
})

describe('a batch', () => {
  const config: PpoBatchConfig = {
    gamma: 1,
    gaeLambda: 0.95,
    whitenRewards: false,
    whitenAdvantages: true,
    missingEosPenalty: 1,
  }
  const scored = (over: Partial<Scored> & { truncated?: boolean; reward: number }): Scored => ({
    rollout: {
      sampleId: 's',
      prompt: '',
      response: '',
      promptIds: [1],
      responseIds: [2, 3],
      logprobs: Float32Array.of(-1, -2),
      truncated: over.truncated ?? false,
      policyVersion: 0,
    },
    reference: { logprobs: Float32Array.of(-1, -1), features: new Float32Array(0), prefixes: new Float32Array(0) },
    policy: { values: Float32Array.of(0, 0), entropies: Float32Array.of(1, 1), logprobs: Float32Array.of(-0.5, -4) },
    stale: false,
    ...over,
  })
  it('takes the penalty off responses that were cut', () => {
    const both = [scored({ reward: 1 }), scored({ reward: 1, truncated: true })]
    const statistics = statisticsOf(both, scoresOf(both, 1), 0.1)
    expect(statistics.score).toBe(0.5)
    expect(statistics.ended).toBe(1)
    expect(statistics.kl).toBe(-1)
    expect(statistics.nonScoreReward).toBeCloseTo(0.1, 12)
  })
  it('is shaped by potentials without changing the sum of its rewards', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 12 }), (pairs) => {
        const [rewards, potentials] = [pairs.map(([r]) => r), pairs.map(([, p]) => p)]
        const sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0)
        expect(sum(withPotentials(rewards, potentials))).toBeCloseTo(sum(rewards), 9)
      }),
    )
    expect(withPotentials([0, 0, 1], [0.5, 0.75, 9])).toEqual([0.5, 0.25, 0.25])
    expect(withPotentials([1, 2], [])).toEqual([1, 2])
    expect(() => withPotentials([1, 2], [1])).toThrow(RangeError)
  })
  it('centres the trust region of stale rollouts on the present policy and weighs their advantages, at most twice', () => {
    const columnsOf = (stale: boolean) =>
      preparePpo([scored({ reward: 1, stale }), scored({ reward: -1, stale })], 0, config).experiences.map(
        (e) => e.columns,
      )
    const [fresh, stale] = [columnsOf(false), columnsOf(true)]
    expect([...Array.from(fresh[0]!.oldLogprobs!)]).toEqual([-1, -2])
    expect([...Array.from(stale[0]!.oldLogprobs!)]).toEqual([-0.5, -4])
    expect(stale[0]!.advantages![0]).toBeCloseTo(fresh[0]!.advantages![0]! * Math.exp(0.5), 6)
    expect(stale[0]!.advantages![1]).toBeCloseTo(fresh[0]!.advantages![1]! * Math.exp(-2), 6)
  })
})
