import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import type { LearnerConfig } from '../../trainer/rl/config.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { openLearner, type Learner } from '../../trainer/rl/learner.ts'
import { metricsBy } from '../../trainer/rl/metrics.ts'
import { seedOf } from '../../trainer/rl/random.ts'
import type { Rollout } from '../../trainer/rl/rollout.ts'
import type { LearnerState } from '../../trainer/rl/state.ts'

const model = gpt2({
  vocabSize: 32,
  context: 32,
  width: 32,
  layers: 2,
  heads: 2,
  inner: 64,
  epsilon: 1e-5,
  bosToken: 0,
  eosToken: 0,
  padToken: 0,
})
const WANTED = 7
const config: LearnerConfig = {
  ...learnerConfig(TrainingConfig.parse({})),
  maxNewTokens: 12,
  miniBatchSize: 16,
  learningRate: 3e-3,
  klCoefficient: 0.01,
  stopKL: 0,
}
const prompts = Array.from({ length: 32 }, (_, i) => [1 + (i % 5), 8, 9 + (i % 3)])

let engine: Engine
beforeAll(async () => {
  engine = await openOnnx({ device: 'cpu' })
})
afterAll(() => engine.close())

const open = (over: Partial<LearnerConfig> = {}, seed = 3): Learner =>
  openLearner({ engine, model: initialModel(model, 1), config: { ...config, ...over }, seed })

async function rollouts(learner: Learner, step: number, groupSize = 1): Promise<Rollout[]> {
  const asked = prompts.map((_, i) => prompts[Math.floor(i / groupSize)]!)
  const sampled = await learner.sample(asked, { seeds: prompts.map((_, i) => seedOf(11, step, i)) })
  return sampled.map((s, i) => ({ ...s, sampleId: `${step}/${i}`, prompt: '', response: '' }))
}
/** The share of a response's tokens that are the wanted one. */
const reward = ({ responseIds }: Rollout): number =>
  responseIds.filter((id) => id === WANTED).length / responseIds.length
const mean = (xs: number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length
const expectSame = (a: LearnerState, b: LearnerState): void => {
  expect([...a.arrays.keys()]).toEqual([...b.arrays.keys()])
  for (const [name, data] of a.arrays)
    expect(
      Buffer.compare(Buffer.from(data.buffer), Buffer.from(b.arrays.get(name)?.buffer ?? new ArrayBuffer(0))),
      name,
    ).toBe(0)
  expect(a.json).toEqual(b.json)
}

const algorithms = {
  ppo: { algorithm: 'ppo', own: {}, groupSize: 1 },
  grpo: { algorithm: 'grpo', own: { groupSize: 4 }, groupSize: 4 },
  dpo: { algorithm: 'dpo', own: { groupSize: 4 }, groupSize: 4 },
} as const

describe.each(Object.values(algorithms))('$algorithm on a toy problem', (by) => {
  it('raises the share of a wanted token within seconds', async () => {
    const learner = open(by)
    const curve: number[] = []
    for (let step = 0; step < 12; step++) {
      const batch = await rollouts(learner, step, by.groupSize)
      const rewards = batch.map(reward)
      curve.push(mean(rewards))
      const { metrics, advantages } = await learner.update(
        batch,
        rewards.map((r) => r * 10),
      )
      expect(advantages).toHaveLength(batch.length)
      expect(Object.keys(metrics).sort()).toEqual(Object.keys(metricsBy(by.algorithm)).sort())
      for (const [name, value] of Object.entries(metrics))
        expect(Number.isFinite(value), `${name} at step ${step}`).toBe(true)
    }
    await learner.close()
    expect(curve[0]).toBeLessThan(0.1)
    expect(curve[11]).toBeGreaterThan(0.5)
  }, 30_000)

  it('does not move towards a token that is not rewarded', async () => {
    const learner = open(by)
    for (let step = 0; step < 4; step++) {
      const batch = await rollouts(learner, step, by.groupSize)
      await learner.update(
        batch,
        batch.map((_, i) => (i % 2 ? 1 : -1)),
      )
    }
    expect(mean((await rollouts(learner, 99)).map(reward))).toBeLessThan(0.15)
    await learner.close()
  })

  it('computes with accumulated gradients what it computes at once', async () => {
    const results: LearnerState[] = []
    for (const gradientAccumulationSteps of [1, 4]) {
      const learner = open({ ...by, gradientAccumulationSteps, ppoEpochs: 1, adamEpsilon: 1e-3 })
      const batch = await rollouts(learner, 0, by.groupSize)
      await learner.update(batch, batch.map(reward))
      results.push(await learner.exportState())
      await learner.close()
    }
    for (const [name, data] of results[0]!.arrays) {
      const other = results[1]!.arrays.get(name) ?? new Float32Array(0)
      data.forEach((x, i) => expect(Math.abs(x - other[i]!), name).toBeLessThan(2e-5))
    }
  })
})

describe('a learner with adapters', () => {
  const lora = { rank: 4, alpha: 8, targets: ['all-linear'], rankStabilised: false }
  const byLora = { ...config, lora, learningRate: 1e-2 }
  // A new model's weights are so small that no adapter makes one token likely.
  const { weights } = initialModel(model, 1)
  for (const name of model.parameters.keys()) {
    const { shape, data } = weights.get(name) ?? { shape: [], data: [] }
    if (shape.length === 2) data.forEach((x, i) => (data[i] = 4 * x))
  }
  /** The share of a response's tokens that are from the first half of the vocabulary. */
  const lowShare = ({ responseIds }: Rollout): number => responseIds.filter((id) => id < 16).length / responseIds.length
  const openBy = (over: Partial<LearnerConfig> = {}) =>
    openLearner({ engine, model: { architecture: model, weights }, config: { ...byLora, ...over }, seed: 3 })

  it('learns by them alone: the base is held once, and a checkpoint holds no part of it', async () => {
    const learner = openBy()
    const base = engine.states.names('reference/')
    expect(engine.states.names('policy/').every((name) => /lora_[AB]|value/.test(name))).toBe(true)
    const before = await Promise.all(base.map((name) => engine.states.get(name)))
    const curve: number[] = []
    for (let step = 0; step < 12; step++) {
      const batch = await rollouts(learner, step)
      curve.push(mean(batch.map(lowShare)))
      await learner.update(
        batch,
        batch.map((r) => 10 * lowShare(r)),
      )
    }
    expect(curve[0]).toBeLessThan(0.6)
    expect(curve[11]).toBeGreaterThan(0.75)
    for (const [i, name] of base.entries()) expect(await engine.states.get(name), name).toEqual(before[i])
    const { arrays } = await learner.exportState()
    expect([...arrays.keys()].every((name) => /lora_[AB]|value/.test(name))).toBe(true)
    const held = [...arrays.values()].reduce((sum, { length }) => sum + length, 0)
    expect(held).toBeLessThan(
      0.7 * [...model.parameters.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0),
    )
    await learner.close()
  }, 30_000)

  it('goes back to the base by its second factors', async () => {
    const learner = openBy({ anchor: 1 })
    const batch = await rollouts(learner, 0)
    await learner.update(batch, batch.map(lowShare))
    const { arrays } = await learner.exportState()
    const second = [...arrays].filter(([name]) => /^policy.*lora_B/.test(name))
    expect(second.length).toBeGreaterThan(0)
    for (const [name, data] of second)
      expect(
        data.every((x) => x === 0),
        name,
      ).toBe(true)
    await learner.close()
  })

  it('starts at the reference and gives merged weights away, which answer as it does', async () => {
    const learner = openBy()
    const batch = await rollouts(learner, 0)
    const { metrics } = await learner.update(
      batch,
      batch.map((r) => 10 * lowShare(r)),
    )
    expect(Math.abs(metrics['objective/kl'])).toBeLessThan(1e-3)
    const moved = await rollouts(learner, 1)
    const trained = await learner.policyWeights()
    await learner.close()
    const merged = openLearner({ engine, model: { architecture: model, weights: trained }, config, seed: 3 })
    const same = await rollouts(merged, 1)
    moved.forEach((rollout, i) => expect(same[i]!.responseIds).toEqual(rollout.responseIds))
    await merged.close()
  })

  it('goes on from an exported state as if it had never stopped', async () => {
    const through = openBy()
    const batches: Rollout[][] = []
    let saved: LearnerState | undefined
    for (let step = 0; step < 3; step++) {
      batches[step] = await rollouts(through, step)
      await through.update(batches[step]!, batches[step]!.map(lowShare))
      if (step === 0) saved = await through.exportState()
    }
    const whole = await through.exportState()
    await through.close()
    const resumed = openBy()
    if (saved) resumed.importState(saved)
    for (const step of [1, 2]) await resumed.update(await rollouts(resumed, step), batches[step]!.map(lowShare))
    expectSame(await resumed.exportState(), whole)
    await resumed.close()
  })
})

describe('the learner', () => {
  it('starts at the reference: KL 0, values 0, ratio 1', async () => {
    const learner = open({ ppoEpochs: 1, miniBatchSize: 32 })
    const batch = await rollouts(learner, 0)
    const references = await learner.reference(batch)
    batch.forEach(({ logprobs }, i) =>
      logprobs.forEach((p, t) => expect(Math.abs(p - references[i]!.logprobs[t]!)).toBeLessThan(1e-4)),
    )
    const { metrics } = await learner.update(batch, batch.map(reward), { references })
    expect(Math.abs(metrics['objective/kl'])).toBeLessThan(1e-3)
    expect(metrics['val/ratio']).toBeCloseTo(1, 4)
    expect(metrics['policy/approxkl_avg']).toBeLessThan(1e-6)
    expect(metrics['val/explained_variance']).toBeCloseTo(0, 5)
    await learner.close()
  })

  it('reads a rollout as if it were alone, whatever shares its row', async () => {
    const learner = open({ miniBatchSize: 32 })
    const batch = await rollouts(learner, 0)
    const together = await learner.reference(batch)
    for (const [i, one] of batch.entries()) {
      const [alone] = await learner.reference([one])
      for (const of of ['logprobs', 'features', 'prefixes'] as const)
        alone![of].forEach((x, k) => expect(Math.abs(x - together[i]![of][k]!), `${i} ${of} ${k}`).toBeLessThan(1e-4))
    }
    await learner.close()
  })

  it('gives the same weights for the same state, rollouts, rewards and seed, to the bit', async () => {
    const states: LearnerState[] = []
    for (let run = 0; run < 2; run++) {
      const learner = open()
      const batch = await rollouts(learner, 0)
      await learner.update(batch, batch.map(reward))
      states.push(await learner.exportState())
      await learner.close()
    }
    expectSame(states[0]!, states[1]!)
  })

  it('goes on from an exported state as if it had never stopped', async () => {
    const through = open({ adaptiveKl: true })
    let saved: LearnerState | undefined
    for (let step = 0; step < 3; step++) {
      const batch = await rollouts(through, step)
      await through.update(batch, batch.map(reward))
      if (step === 0) saved = await through.exportState()
    }
    const whole = await through.exportState()
    await through.close()

    const resumed = open({ adaptiveKl: true })
    if (saved) resumed.importState(saved)
    for (let step = 1; step < 3; step++) {
      const batch = await rollouts(resumed, step)
      await resumed.update(batch, batch.map(reward))
    }
    expectSame(await resumed.exportState(), whole)
    await resumed.close()
  })

  it('weighs rollouts as it is told to, and alike without being told', async () => {
    const updated = async (weights?: number[]): Promise<LearnerState> => {
      const learner = open()
      const batch = await rollouts(learner, 0)
      await learner.update(batch, batch.map(reward), { weights })
      const state = await learner.exportState()
      await learner.close()
      return state
    }
    const plain = await updated()
    expectSame(await updated(prompts.map(() => 1)), plain)
    const uneven = await updated(prompts.map((_, i) => (i % 2 ? 0.25 : 1.75)))
    expect([...uneven.arrays].some(([name, data]) => data.some((x, i) => x !== plain.arrays.get(name)?.[i]))).toBe(true)
    const learner = open()
    const batch = await rollouts(learner, 0)
    for (const weights of [[1], prompts.map(() => 0), prompts.map(() => Number.NaN)])
      await expect(learner.update(batch, batch.map(reward), { weights })).rejects.toThrow(/weight/)
    await learner.close()
  })

  it('takes β for one update, and goes on with its own', async () => {
    const learner = open({ adaptiveKl: false, klCoefficient: 0.3 })
    const batch = await rollouts(learner, 0)
    const { metrics } = await learner.update(batch, batch.map(reward), { klCoefficient: 2 })
    expect(metrics['objective/kl_coef']).toBe(2)
    expect(learner.klCoefficient).toBe(0.3)
    await expect(learner.update(batch, batch.map(reward), { klCoefficient: -1 })).rejects.toThrow(/β/)
    await learner.close()
  })

  it('goes back by its share of the way to the base after each update', async () => {
    const weightsAfter = async (anchor: number) => {
      const learner = open({ anchor, ppoEpochs: 1, miniBatchSize: 32 })
      const base = (await learner.exportState()).arrays
      const batch = await rollouts(learner, 0)
      await learner.update(batch, batch.map(reward))
      const { arrays } = await learner.exportState()
      await learner.close()
      return { base, arrays }
    }
    const { base, arrays: free } = await weightsAfter(0)
    const { arrays: drawn } = await weightsAfter(0.25)
    for (const [name, data] of drawn) {
      const [from, to] = [base.get(name)!, free.get(name)!]
      const own = name.startsWith('policy/') && !name.startsWith('policy/value')
      data.forEach((x, i) => {
        expect(x, name).toBeCloseTo(own ? to[i]! + 0.25 * (from[i]! - to[i]!) : to[i]!, 6)
      })
    }
  })

  it('is as before when an update is aborted, and can be asked again', async () => {
    const learner = open()
    const batch = await rollouts(learner, 0)
    const rewards = batch.map(reward)
    const before = await learner.exportState()
    const abort = new AbortController()
    setTimeout(() => abort.abort(new Error('paused')), 5)
    await expect(learner.update(batch, rewards, { signal: abort.signal })).rejects.toThrow('paused')
    const after = await learner.exportState()
    for (const [name, data] of before.arrays) expect(after.arrays.get(name), name).toEqual(data)
    await learner.update(batch, rewards)
    const once = await learner.exportState()
    await learner.close()

    const other = open()
    await other.update(batch, rewards)
    expectSame(once, await other.exportState())
    await other.close()
  })

  it('refuses sizes that do not divide, before anything changes', async () => {
    const learner = open()
    const batch = await rollouts(learner, 0)
    await expect(learner.update(batch.slice(1), batch.slice(1).map(reward))).rejects.toThrow(/not divisible/)
    await expect(learner.update(batch, [1])).rejects.toThrow(/reward/)
    expect(learner.version).toBe(0)
    await learner.close()
    expect(() => open({ algorithm: 'grpo', own: { groupSize: 1 } })).toThrow(/groupSize/)
    expect(() => open({ algorithm: 'dpo', own: { groupSize: 3 } })).toThrow(/groupSize/)
    expect(() => open({ ...algorithms.dpo, gradientAccumulationSteps: 16 })).toThrow(/pair/)
  })

  it.each(Object.values(algorithms))(
    '$algorithm says how far it moved the policy: 0, and nothing changed, at a rate below the precision of the weights',
    async (by) => {
      for (const [learningRate, changed] of [
        [1e-3, true],
        [1e-14, false],
      ] as const) {
        const learner = open({ ...by, learningRate })
        const before = (await learner.exportState()).arrays
        const batch = await rollouts(learner, 0, by.groupSize)
        const update = await learner.update(
          batch,
          batch.map((r) => 10 * reward(r)),
        )
        const after = (await learner.exportState()).arrays
        const moved = [...after].flatMap(([name, data]) =>
          name.startsWith('policy/') && !name.startsWith('policy/value')
            ? [...data].map((x, i) => x - (before.get(name)?.[i] ?? 0))
            : [],
        )
        const norm = Math.sqrt(moved.reduce((sum, x) => sum + x * x, 0))
        expect(update.changed).toBe(changed)
        expect(update.metrics['policy/update_norm']).toBeCloseTo(norm, 6)
        expect(norm > 1e-3).toBe(changed)
        await learner.close()
      }
    },
  )

  it('takes the whole learning rate however far the policy is from its reference: the KL is held by its penalty', async () => {
    const learner = open({ learningRate: 1e-2, klCoefficient: 0.5, targetKL: 0.01 })
    const seen: Record<string, number>[] = []
    for (let step = 0; step < 6; step++) {
      const batch = await rollouts(learner, step)
      seen.push(
        (
          await learner.update(
            batch,
            batch.map((r) => 10 * reward(r)),
          )
        ).metrics,
      )
    }
    await learner.close()
    expect(seen.some((metrics) => metrics['objective/kl']! > 0.1)).toBe(true)
    for (const metrics of seen) {
      expect([metrics.learningRate, metrics['objective/kl_coef']]).toEqual([1e-2, 0.5])
      expect(metrics['policy/update_norm']).toBeGreaterThan(0)
    }
  })

  it('rolls back an update that would leave weights infinite or NaN, and says what to do', async () => {
    const learner = open({ klCoefficient: 1e300 })
    const first = await rollouts(learner, 0)
    await learner
      .update(
        first,
        first.map(() => 0),
      )
      .catch(() => undefined)
    const before = await learner.exportState()
    const batch = await rollouts(learner, 1)
    await expect(
      learner.update(
        batch.map((r) => ({ ...r, logprobs: r.logprobs.map((x) => x - 1) })),
        batch.map(reward),
      ),
    ).rejects.toThrow(/infinite or NaN.*rolled back.*lower learning rate/)
    expectSame(await learner.exportState(), before)
    await learner.close()
  })

  it('ends the epochs once the policy has moved past the KL stop', async () => {
    const learner = open({ stopKL: 1e-4, learningRate: 1e-2 })
    const batch = await rollouts(learner, 0)
    const { metrics } = await learner.update(
      batch,
      batch.map((r) => 10 * reward(r)),
    )
    expect(metrics['policy/steps']).toBeLessThan(8)
    await learner.close()
  })
})
