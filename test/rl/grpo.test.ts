import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import type { Scored } from '../../trainer/rl/experience.ts'
import {
  groupAdvantages,
  grpoLoss,
  k3,
  prepareGrpo,
  type GrpoLossConfig,
  type GrpoLossType,
} from '../../trainer/rl/algorithms/grpo.ts'
import { grpoLossGraph } from '../../trainer/rl/algorithms/grpo-graph.ts'
import { minibatch, runLoss, slopesOf } from './loss-graph.ts'

const TYPES: readonly GrpoLossType[] = ['grpo', 'dapo', 'dr_grpo']
const config = (lossType: GrpoLossType): GrpoLossConfig => ({
  clipRatio: 0.2,
  entropyCoefficient: 0.01,
  lossType,
  maxNewTokens: 8,
})
const score = fc.double({ min: -5, max: 5, noNaN: true })
const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0)

describe('a group’s advantages', () => {
  it('are differences from its mean, over its own deviation, the batch’s, or nothing', () => {
    const scores = [1, 3, 5, 5]
    expect(groupAdvantages(scores, 2, 'none')).toEqual([-1, 1, 0, 0])
    const own = groupAdvantages(scores, 2, 'group')
    expect(own[1]).toBeCloseTo(1 / (Math.SQRT2 + 1e-4), 12)
    expect(own.slice(2)).toEqual([0, 0])
    const whole = groupAdvantages(scores, 2, 'batch')
    expect(whole[1]).toBeCloseTo(1 / (Math.sqrt(11 / 3) + 1e-4), 12)
  })

  it('sum to 0 in each group, whatever is added to all of its scores', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(score, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('group' as const, 'none' as const),
        score,
        (groups, scale, shift) => {
          const advantages = groupAdvantages(groups.flat(), 4, scale)
          groups.forEach((_, g) => expect(sum(advantages.slice(4 * g, 4 * g + 4))).toBeCloseTo(0, 6))
          const shifted = groupAdvantages(
            groups.flatMap((group, g) => group.map((x) => x + g * shift)),
            4,
            scale,
          )
          shifted.forEach((a, i) => expect(a).toBeCloseTo(advantages[i]!, 6))
        },
      ),
    )
  })
})

describe('GRPO’s batch', () => {
  const scored = (
    reward: number,
    over: { promptIds?: number[]; truncated?: boolean; stale?: boolean } = {},
  ): Scored => ({
    rollout: {
      sampleId: 's',
      prompt: '',
      response: '',
      promptIds: over.promptIds ?? [1],
      responseIds: [2, 3],
      logprobs: Float32Array.of(-1, -2),
      truncated: over.truncated ?? false,
      policyVersion: 0,
    },
    reference: { logprobs: Float32Array.of(-1, -1), features: new Float32Array(0), prefixes: new Float32Array(0) },
    policy: { values: new Float32Array(0), entropies: Float32Array.of(1, 1), logprobs: Float32Array.of(-0.5, -4) },
    reward,
    stale: over.stale ?? false,
  })
  const by = { groupSize: 2, scaleRewards: 'none' as const, missingEosPenalty: 1 }

  it('gives each token of an answer the same advantage, an answer that was cut less', () => {
    const { experiences, metrics } = prepareGrpo([scored(3), scored(1), scored(2), scored(3, { truncated: true })], by)
    expect(experiences.map(({ columns }) => Array.from(columns.advantages!))).toEqual([
      [1, 1],
      [-1, -1],
      [0, 0],
      [0, 0],
    ])
    expect(metrics).toEqual({ reward_std: Math.SQRT2 / 2, frac_reward_zero_std: 0.5 })
  })

  it('centres the trust region of stale answers on the present policy and weighs their advantages', () => {
    const { columns } = prepareGrpo([scored(3, { stale: true }), scored(1)], by).experiences[0]!
    expect(Array.from(columns.oldLogprobs!)).toEqual([-0.5, -4])
    expect(columns.advantages![0]).toBeCloseTo(Math.exp(0.5), 6)
    expect(columns.advantages![1]).toBeCloseTo(Math.exp(-2), 6)
  })

  it('refuses a group of answers to different prompts, and a broken one', () => {
    expect(() => prepareGrpo([scored(1), scored(2, { promptIds: [9] })], by)).toThrow(/another prompt/)
    expect(() => prepareGrpo([scored(1), scored(2), scored(3)], by)).toThrow(/not divisible/)
  })
})

describe('GRPO’s loss', () => {
  it('is the worked example’s: two answers of one and three tokens, ratios 1, d = log 2 at the last token', () => {
    const rows = {
      newLogprobs: [[-1], [-1, -1, -1]],
      advantages: [[2], [-1, -1, -1]],
      referenceLogprobs: [[-1], [-1, -1, -1 + Math.LN2]],
    }
    const of = (type: GrpoLossType) =>
      grpoLoss({ ...rows, oldLogprobs: rows.newLogprobs }, 0.1, { ...config(type), entropyCoefficient: 0 })
    const kl = 1 - Math.LN2 // e^d - d - 1
    const expected = { grpo: [-0.5, kl / 6], dapo: [0.25, kl / 4], dr_grpo: [1 / 16, kl / 16] }
    for (const type of TYPES) {
      expect(of(type).policyLoss).toBeCloseTo(expected[type][0]!, 12)
      expect(of(type).klLoss).toBeCloseTo(expected[type][1]!, 12)
      expect(of(type).totalLoss).toBeCloseTo(expected[type][0]! + 0.1 * expected[type][1]!, 12)
    }
  })

  it('has a KL that is never negative, and 0 where the two policies agree', () => {
    fc.assert(fc.property(score, score, (a, b) => k3(a, b) >= -1e-12))
    expect(k3(-1, -1)).toBe(0)
  })

  let engine: Engine
  beforeAll(async () => {
    engine = await openOnnx({ device: 'cpu' })
  })
  afterAll(() => engine.close())

  it('and its gradient are the graph’s, whole or in two parts', async () => {
    await fc.assert(
      fc.asyncProperty(minibatch(4), fc.constantFrom(...TYPES), fc.constantFrom(1, 2), async (rows, type, parts) => {
        const entropies = rows.newLogprobs.map((row) => row.map((x) => -x))
        const plain = (newLogprobs: number[][]) => grpoLoss({ ...rows, newLogprobs, entropies }, 0.3, config(type))
        const { loss, gradient } = await runLoss(engine, {
          tables: { ...rows, entropies },
          wholes: { tokens: rows.newLogprobs.flat().length, responses: 4, klCoefficient: 0.3 },
          parts,
          loss: ({
            newLogprobs,
            oldLogprobs,
            referenceLogprobs,
            advantages,
            entropies: h,
            mask,
            tokens,
            responses,
            klCoefficient,
          }) =>
            grpoLossGraph(
              {
                newLogprobs,
                oldLogprobs,
                referenceLogprobs,
                advantages,
                entropies: h,
                mask,
                tokens,
                responses,
                klCoefficient,
              },
              config(type),
            ),
        })
        for (const [name, value] of Object.entries<number>({ ...plain(rows.newLogprobs) }))
          expect(Math.abs(loss[name]! - value), name).toBeLessThan(1e-4 * (1 + Math.abs(value)))
        const slopes = slopesOf(rows.newLogprobs, (x) => plain(x).totalLoss)
        gradient.forEach((row, b) =>
          row.forEach((g, t) =>
            expect(Math.abs(g - slopes[b]![t]!)).toBeLessThan(1e-3 * (1 + Math.abs(slopes[b]![t]!))),
          ),
        )
      }),
      { numRuns: 25 },
    )
  })
})
