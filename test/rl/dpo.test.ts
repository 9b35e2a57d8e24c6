import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { dpoLoss, pairsOf, prepareDpo } from '../../trainer/rl/algorithms/dpo.ts'
import { dpoLossGraph } from '../../trainer/rl/algorithms/dpo-graph.ts'
import type { Scored } from '../../trainer/rl/experience.ts'
import { sigmoid } from '../../trainer/rl/logistic.ts'
import { minibatch, runLoss, slopesOf } from './loss-graph.ts'

const score = fc.double({ min: -5, max: 5, noNaN: true })

describe('pairs', () => {
  it('are the best with the worst, the second best with the second worst, group by group', () => {
    const pairs = pairsOf([1, 4, 2, 3, 7, 7, 5, 6], 4, 'hard')
    expect(pairs.map(({ chosen, rejected }) => [chosen, rejected])).toEqual([
      [1, 0],
      [3, 2],
      [4, 6],
      [5, 7],
    ])
  })

  it('are as sure as Bradley and Terry, or wholly, and undecided about a tie', () => {
    expect(pairsOf([2, 0], 2, 'soft')[0]!.label).toBeCloseTo(1 / (1 + Math.exp(-2)), 12)
    expect(pairsOf([2, 0], 2, 'hard')[0]!.label).toBe(1)
    for (const labels of ['soft', 'hard'] as const)
      expect(pairsOf([3, 3], 2, labels)).toEqual([{ chosen: 0, rejected: 1, label: 0.5 }])
  })

  it('take every answer once, and never the worse before the better', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(score, { minLength: 6, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        (groups) => {
          const scores = groups.flat()
          const pairs = pairsOf(scores, 6, 'soft')
          expect(pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]).sort((a, b) => a - b)).toEqual(
            scores.map((_, i) => i),
          )
          for (const { chosen, rejected, label } of pairs) {
            expect(scores[chosen]).toBeGreaterThanOrEqual(scores[rejected]!)
            expect(Math.floor(chosen / 6)).toBe(Math.floor(rejected / 6))
            expect(label).toBeGreaterThanOrEqual(0.5)
          }
        },
      ),
    )
  })
})

describe('DPO’s batch', () => {
  const scored = (reward: number, truncated = false): Scored => ({
    rollout: {
      sampleId: 's',
      prompt: '',
      response: '',
      promptIds: [1],
      responseIds: [2, 3],
      logprobs: Float32Array.of(-1, -2),
      truncated,
      policyVersion: 0,
    },
    reference: { logprobs: Float32Array.of(-1, -1), features: new Float32Array(0), prefixes: new Float32Array(0) },
    policy: { values: new Float32Array(0), entropies: Float32Array.of(1, 1), logprobs: Float32Array.of(-1, -2) },
    reward,
    stale: false,
  })

  it('puts the better answer of a pair first, and tells each answer how it fared', () => {
    const answers = [scored(0), scored(2), scored(5, true), scored(1)]
    const { experiences, advantages, metrics } = prepareDpo(answers, {
      groupSize: 2,
      labels: 'hard',
      missingEosPenalty: 10,
    })
    expect(experiences.map(({ rollout }) => answers.findIndex((one) => one.rollout === rollout))).toEqual([1, 0, 3, 2])
    expect(advantages).toEqual([-1, 1, -1, 1])
    expect(metrics).toEqual({ 'rewards/label': 1 })
  })
})

describe('DPO’s loss', () => {
  it('is the worked example’s: implied rewards 0.2 and -0.1 at β 0.1 and p 0.8', () => {
    const loss = dpoLoss(
      {
        newLogprobs: [[-1, -1], [-3]],
        oldLogprobs: [[-1, -1], [-2]],
        referenceLogprobs: [[-2, -2], [-2]],
        labels: [0.8],
      },
      0.1,
    )
    expect(loss.margin).toBeCloseTo(0.3, 12)
    expect(loss.policyLoss).toBeCloseTo(-0.8 * Math.log(sigmoid(0.3)) - 0.2 * Math.log(sigmoid(-0.3)), 12)
    expect(loss.totalLoss).toBeCloseTo(loss.policyLoss / 0.1, 12)
    expect(loss).toMatchObject({ accuracy: 1, approxKl: 0.5 / 3 })
  })

  it('is log 2 where the policy is the reference, whatever the label', () => {
    fc.assert(
      fc.property(minibatch(2), fc.double({ min: 0.5, max: 1, noNaN: true }), ({ newLogprobs, oldLogprobs }, label) => {
        expect(
          dpoLoss({ newLogprobs, oldLogprobs, referenceLogprobs: newLogprobs, labels: [label] }, 0.3).policyLoss,
        ).toBeCloseTo(Math.LN2, 10)
      }),
    )
  })

  it('is least, with soft labels, where the margin is the difference of the rewards', () => {
    const at = (margin: number, difference: number) =>
      dpoLoss(
        {
          newLogprobs: [[margin], [0]],
          oldLogprobs: [[0], [0]],
          referenceLogprobs: [[0], [0]],
          labels: [sigmoid(difference)],
        },
        1,
      ).totalLoss
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 4, noNaN: true }),
        fc.double({ min: -4, max: 8, noNaN: true }),
        (difference, margin) => {
          expect(at(margin, difference)).toBeGreaterThanOrEqual(at(difference, difference) - 1e-12)
        },
      ),
    )
  })

  it('has a gradient whose size does not fall with β', () => {
    const rows = {
      newLogprobs: [[-1], [-2]],
      oldLogprobs: [[-1], [-2]],
      referenceLogprobs: [[-1], [-2]],
      labels: [0.9],
    }
    const slope = (beta: number) =>
      slopesOf(rows.newLogprobs, (newLogprobs) => dpoLoss({ ...rows, newLogprobs }, beta).totalLoss)[0]![0]
    expect(slope(0.3)).toBeCloseTo(-0.4, 6)
    expect(slope(0.003)).toBeCloseTo(-0.4, 6)
  })

  let engine: Engine
  beforeAll(async () => {
    engine = await openOnnx({ device: 'cpu' })
  })
  afterAll(() => engine.close())

  it('and its gradient are the graph’s, whole or in two parts', async () => {
    const two = (min: number, max: number) =>
      fc.array(fc.double({ min, max, noNaN: true }), { minLength: 2, maxLength: 2 })
    await fc.assert(
      fc.asyncProperty(
        minibatch(4),
        two(0.5, 1),
        two(0.25, 4),
        fc.constantFrom(1, 2),
        async ({ newLogprobs: logprobs, oldLogprobs: old, referenceLogprobs: reference }, labels, weights, parts) => {
          const plain = (newLogprobs: number[][]) =>
            dpoLoss({ newLogprobs, oldLogprobs: old, referenceLogprobs: reference, labels, weights }, 0.3)
          const { loss, gradient } = await runLoss(engine, {
            tables: { newLogprobs: logprobs, oldLogprobs: old, referenceLogprobs: reference },
            rows: { labels: labels.flatMap((p) => [p, p]), weights: weights.flatMap((w) => [w, w]) },
            wholes: { tokens: logprobs.flat().length, responses: 4, klCoefficient: 0.3 },
            parts,
            loss: ({
              newLogprobs,
              oldLogprobs,
              referenceLogprobs,
              labels: p,
              weights: w,
              mask,
              tokens,
              responses,
              klCoefficient,
            }) =>
              dpoLossGraph({
                newLogprobs,
                oldLogprobs,
                referenceLogprobs,
                labels: p,
                weights: w,
                mask,
                tokens,
                responses,
                klCoefficient,
              }),
          })
          for (const [name, value] of Object.entries<number>({ ...plain(logprobs) }))
            expect(Math.abs(loss[name]! - value), name).toBeLessThan(1e-4 * (1 + Math.abs(value)))
          const slopes = slopesOf(logprobs, (x) => plain(x).totalLoss)
          gradient.forEach((row, b) =>
            row.forEach((g, t) =>
              expect(Math.abs(g - slopes[b]![t]!)).toBeLessThan(1e-3 * (1 + Math.abs(slopes[b]![t]!))),
            ),
          )
        },
      ),
      { numRuns: 25 },
    )
  })
})
