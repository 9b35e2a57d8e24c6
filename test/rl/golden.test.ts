import { describe, expect, it } from 'vitest'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { Graph } from '../../lm/graph/index.ts'
import { estimateAdvantages } from '../../trainer/rl/algorithms/gae.ts'
import { nextKlCoefficient, shapedRewards } from '../../trainer/rl/kl.ts'
import { ppoLoss, type PpoLossConfig } from '../../trainer/rl/algorithms/ppo.ts'
import { ppoLossGraph } from '../../trainer/rl/algorithms/ppo-graph.ts'
import { whiten } from '../../trainer/rl/whiten.ts'
// Written by torch 2.14.1 in float64: one batch and every intermediate value.
import golden from '../fixtures/ppo.json' with { type: 'json' }

const { expected, lengths } = golden
const config: PpoLossConfig = {
  clipRatio: golden.config.clipRange,
  valueClipRatio: golden.config.valueClipRange,
  valueCoefficient: golden.config.valueCoef,
  entropyCoefficient: 0,
}
const ragged = (rows: number[][]): number[][] => rows.map((row, b) => row.slice(0, lengths[b]))
const batch = {
  newLogprobs: ragged(golden.newLogprobs),
  oldLogprobs: ragged(golden.oldLogprobs),
  newValues: ragged(golden.newValues),
  oldValues: ragged(golden.oldValues),
  advantages: ragged(expected.whitenedAdvantages),
  returns: ragged(expected.returns),
}
const rewards = lengths.map((_, b) =>
  shapedRewards(batch.oldLogprobs[b]!, ragged(golden.refLogprobs)[b]!, golden.scores[b]!, golden.config.klCoef),
)
const estimates = rewards.map((row, b) =>
  estimateAdvantages(row, batch.oldValues[b]!, golden.config.gamma, golden.config.lambda_),
)
const losses = ['policyLoss', 'valueLoss', 'totalLoss', 'approxKl', 'clipFraction', 'valueClipFraction'] as const

function expectRows(actual: number[][], wanted: number[][]): void {
  actual.forEach((row, b) => row.forEach((x, t) => expect(Math.abs(x - wanted[b]![t]!)).toBeLessThan(1e-5)))
  expect(actual.map((row) => row.length)).toEqual(lengths)
}

describe('PPO against golden values, to 1e-5', () => {
  it('shapes rewards by the per-token KL and the score', () => expectRows(rewards, expected.klRewards))
  it('estimates advantages', () =>
    expectRows(
      estimates.map((e) => e.advantages),
      expected.advantages,
    ))
  it('estimates returns', () =>
    expectRows(
      estimates.map((e) => e.returns),
      expected.returns,
    ))
  it('whitens advantages', () => expectRows(whiten(estimates.map((e) => e.advantages)), expected.whitenedAdvantages))
  it('adapts the KL coefficient', () => {
    const { coef, target, horizon, observedKl, steps, next } = expected.adaptiveKl
    // To the first order in a step's change, which is a product there and an exponential here.
    const control = { klCoefficient: coef, targetKL: target, klGain: steps / horizon }
    const adapted = nextKlCoefficient(coef, { adaptiveKl: true, ...control }, observedKl)
    expect(adapted / coef - 1).toBeCloseTo(next / coef - 1, 5)
    expect(nextKlCoefficient(coef, { adaptiveKl: false, ...control }, observedKl)).toBe(coef)
  })

  it('computes losses and statistics in plain arrays', () => {
    const loss = ppoLoss(batch, config)
    for (const name of losses) expect(Math.abs(loss[name] - expected[name])).toBeLessThan(1e-5)
  })

  it('computes the same losses and statistics as a graph, whole or in two parts', async () => {
    const engine = await openOnnx({ device: 'cpu' })
    for (const parts of [1, 2]) {
      const rows = lengths.length / parts
      const width = golden.newLogprobs[0]!.length
      const graph = new Graph()
      const tensor = (name: string) => graph.input(name, [rows, width])
      const loss = ppoLossGraph(
        {
          newLogprobs: tensor('newLogprobs'),
          oldLogprobs: tensor('oldLogprobs'),
          newValues: tensor('newValues'),
          oldValues: tensor('oldValues'),
          advantages: tensor('advantages'),
          returns: tensor('returns'),
          entropies: tensor('entropies'),
          mask: tensor('mask'),
          tokens: graph.input('tokens', []),
        },
        { ...config, entropyCoefficient: 0 },
      )
      for (const [name, value] of Object.entries(loss)) graph.output(name, value)
      const program = await engine.compile(graph)
      const totals = new Map<string, number>()
      for (let part = 0; part < parts; part++) {
        const of = (table: number[][]) => table.slice(part * rows, (part + 1) * rows).flat()
        const results = await program.run({
          newLogprobs: of(golden.newLogprobs),
          oldLogprobs: of(golden.oldLogprobs),
          newValues: of(golden.newValues),
          oldValues: of(golden.oldValues),
          advantages: of(expected.whitenedAdvantages),
          returns: of(expected.returns),
          entropies: new Float32Array(rows * width).fill(2),
          mask: of(lengths.map((n) => Array.from({ length: width }, (_, t) => (t < n ? 1 : 0)))),
          tokens: lengths.reduce((a, b) => a + b, 0),
        })
        for (const name of results.names) totals.set(name, (totals.get(name) ?? 0) + results.scalar(name))
      }
      for (const name of losses) expect(Math.abs((totals.get(name) ?? Number.NaN) - expected[name])).toBeLessThan(1e-5)
      expect(totals.get('entropy')).toBeCloseTo(2, 5)
      expect(totals.get('ratio')).toBeCloseTo(ppoLoss(batch, config).ratio, 5)
    }
    await engine.close()
  })
})
