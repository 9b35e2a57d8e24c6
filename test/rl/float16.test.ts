import { afterEach, describe, expect, it } from 'vitest'
import type { Engine, Precision } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { lossScaleStates } from '../../lm/graph/index.ts'
import { BeyondFloat16 } from '../../lm/training/optimizer-step.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import type { LearnerConfig } from '../../trainer/rl/config.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { openLearner, type Learner } from '../../trainer/rl/learner.ts'
import { metricsBy } from '../../trainer/rl/metrics.ts'
import type { Rollout } from '../../trainer/rl/rollout.ts'
import type { LearnerState } from '../../trainer/rl/state.ts'
import { float16Engines } from '../engines/float16.ts'

const shape = gpt2({
  vocabSize: 48,
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
const config: LearnerConfig = {
  ...learnerConfig(TrainingConfig.parse({})),
  maxNewTokens: 10,
  miniBatchSize: 4,
  ppoEpochs: 2,
  learningRate: 1e-3,
  stopKL: 0,
}
const prompts = Array.from({ length: 8 }, (_, i) => [1 + Math.floor(i / 4), 9, 10].slice(0, 2 + Math.floor(i / 4)))
const lora = { rank: 4, alpha: 8, targets: ['all-linear'], rankStabilised: false }
const kinds: Record<string, Partial<LearnerConfig>> = {
  PPO: {},
  'PPO with adapters': { lora },
  GRPO: { algorithm: 'grpo', own: { groupSize: 4 } },
  'DPO in parts': { algorithm: 'dpo', own: { groupSize: 4 }, gradientAccumulationSteps: 2 },
}

const [scaleState = ''] = lossScaleStates.keys()
const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})
async function engineOf(precision: Precision): Promise<Engine> {
  const engine = await openOnnx({ precision, threads: 1 })
  opened.push(engine)
  return engine
}
function learnerOn(engine: Engine, over: Partial<LearnerConfig> = {}, pause?: () => Promise<void>): Learner {
  const learner = openLearner({ engine, model: initialModel(shape, 1), config: { ...config, ...over }, seed: 3, pause })
  opened.push(learner)
  return learner
}

/** Answers by a float32 policy of the same beginning, for every precision the same. */
async function rollouts(learner: Learner, step = 0): Promise<Rollout[]> {
  const sampled = await learner.sample(prompts, { seeds: prompts.map((_, i) => 100 * step + i) })
  return sampled.map((s, i) => ({ ...s, sampleId: `${step}/${i}`, prompt: '', response: '' }))
}
const rewardsOf = (batch: readonly Rollout[]): number[] =>
  batch.map(({ responseIds }) => responseIds.filter((id) => id % 2 === 0).length / 4)
const update = async (learner: Learner, step: number) => {
  const batch = await rollouts(learner, step)
  return (await learner.update(batch, rewardsOf(batch))).metrics
}
const bytesOf = ({ arrays }: LearnerState) =>
  [...arrays].map(([name, data]) => [name, Buffer.from(data.buffer).toString('base64')])

describe.each(float16Engines)('in float16 on %s', (_, open) => {
  it.each(Object.entries(kinds))(
    'an update by %s learns what one in float32 learns, to rounding, and says how the loss was scaled',
    async (_, over) => {
      const half = await open()
      opened.push(half)
      const [wanted, found] = [learnerOn(await engineOf('float32'), over), learnerOn(half, over)]
      const batch = await rollouts(wanted)
      expect((await rollouts(found)).map((r) => r.responseIds)).toEqual(batch.map((r) => r.responseIds))
      const [exact, rounded] = [
        await wanted.update(batch, rewardsOf(batch)),
        await found.update(batch, rewardsOf(batch)),
      ]
      const own = metricsBy(over.algorithm ?? 'ppo')
      expect(Object.keys(rounded.metrics).sort()).toEqual([...Object.keys(own), 'loss_scale', 'overflows'].sort())
      expect(Object.keys(exact.metrics).sort()).toEqual(Object.keys(own).sort())
      // DPO's margins are 0 at the beginning, and which are above it then is rounding.
      for (const name of Object.keys(own).filter((metric) => metric !== 'rewards/accuracies')) {
        const valueIn = (metrics: object): number =>
          Object.entries<number>({ ...metrics }).find(([key]) => key === name)?.[1] ?? NaN
        const [a, b] = [valueIn(exact.metrics), valueIn(rounded.metrics)]
        expect(Math.abs(a - b), name).toBeLessThan(2e-2 * Math.max(1, Math.abs(a)))
      }
      expect(rounded.metrics.loss_scale).toBeLessThanOrEqual(2 ** 16)
      const [as, bs] = [await wanted.exportState(), await found.exportState()]
      for (const [name, data] of as.arrays) {
        if (name.startsWith('adam.')) continue
        // Four steps move a weight by four learning rates at most.
        const other = bs.arrays.get(name) ?? new Float32Array(0)
        const differences = data.map((x, i) => Math.abs(x - other[i]!))
        expect(differences.reduce((sum, d) => sum + d, 0) / data.length, name).toBeLessThan(
          0.2 * 4 * config.learningRate,
        )
      }
    },
  )
})

describe('a float16 learner', () => {
  it.each(Object.entries(kinds))(
    'by %s goes on from an exported state as if it had never stopped, to the bit, overflows on the way',
    async (_, over) => {
      const engine = await engineOf('float16')
      const through = learnerOn(engine, over)
      await update(through, 0)
      engine.states.set(scaleState, [], Float32Array.of(2 ** 40))
      const saved = await through.exportState()
      const wanted = [await update(through, 1), await update(through, 2)]
      expect(wanted[0]!.overflows).toBeGreaterThan(5)
      expect(Math.log2(wanted[0]!.loss_scale ?? NaN) + (wanted[0]!.overflows ?? NaN)).toBe(40)

      const resumed = learnerOn(await engineOf('float16'), over)
      resumed.importState(saved)
      expect([await update(resumed, 1), await update(resumed, 2)]).toEqual(wanted)
      expect(bytesOf(await resumed.exportState())).toEqual(bytesOf(await through.exportState()))
    },
  )

  it('samples and reads the reference as a float32 learner does: what is measured from them does not change with the precision', async () => {
    const [half, single] = [learnerOn(await engineOf('float16')), learnerOn(await engineOf('float32'))]
    const batch = await rollouts(half)
    expect(await rollouts(single)).toEqual(batch)
    expect(await half.reference(batch)).toEqual(await single.reference(batch))
    expect((await half.update(batch, rewardsOf(batch))).metrics['objective/kl']).toBe(
      (await single.update(batch, rewardsOf(batch))).metrics['objective/kl'],
    )
  })

  it('counts no step that overflowed: Adam’s bias correction is that of the steps made', async () => {
    const engine = await engineOf('float16')
    const learner = learnerOn(engine)
    engine.states.set(scaleState, [], Float32Array.of(2 ** 40))
    const metrics = await update(learner, 0)
    expect(metrics['policy/steps']).toBe(4)
    expect((await learner.exportState()).json.optimizerSteps).toBe(4)
    for (const value of Object.values(metrics)) expect(Number.isFinite(value)).toBe(true)
  })

  it('goes on from a float32 state, and a float32 learner from its own: an operator may change the precision between two starts', async () => {
    const [half, single] = [learnerOn(await engineOf('float16')), learnerOn(await engineOf('float32'))]
    await update(half, 0)
    await update(single, 0)
    const [ofHalf, ofSingle] = [await half.exportState(), await single.exportState()]
    expect([...ofHalf.arrays.keys()].filter((name) => !ofSingle.arrays.has(name))).toEqual([...lossScaleStates.keys()])

    const engine = await engineOf('float16')
    engine.states.set(scaleState, [], Float32Array.of(2))
    const half2 = learnerOn(engine)
    await update(half2, 0)
    half2.importState(ofSingle)
    expect(await engine.states.get(scaleState)).toEqual(Float32Array.of(2 ** 16))
    expect((await update(half2, 1)).loss_scale).toBeGreaterThan(1)

    const single2 = learnerOn(await engineOf('float32'))
    single2.importState(ofHalf)
    expect([...(await single2.exportState()).arrays]).toEqual(
      [...ofHalf.arrays].filter(([name]) => !lossScaleStates.has(name)),
    )
    expect(await update(single2, 1)).not.toHaveProperty('loss_scale')
  })

  it('takes the scale back with the weights when an update is aborted', async () => {
    const engine = await engineOf('float16')
    const abort = new AbortController()
    let pauses = 0
    const learner = learnerOn(engine, {}, async () => {
      if (++pauses === 6) abort.abort(new Error('paused')) // two batches of the reference, two of the policy, two steps
    })
    engine.states.set(scaleState, [], Float32Array.of(2 ** 40))
    const batch = await rollouts(learner)
    const before = await learner.exportState()
    await expect(learner.update(batch, rewardsOf(batch), { signal: abort.signal })).rejects.toThrow('paused')
    expect(bytesOf(await learner.exportState())).toEqual(bytesOf(before))
    expect((await learner.update(batch, rewardsOf(batch))).metrics.overflows).toBeGreaterThan(5)
  })

  it('whose model is beyond float16 says so, and is as before the update', async () => {
    const engine = await engineOf('float16')
    const learner = learnerOn(engine)
    const name = 'policy/transformer.h.0.mlp.c_fc.weight'
    const weight = await engine.states.get(name)
    engine.states.set(
      name,
      engine.states.shape(name),
      weight.map((x) => 1e7 * x),
    )
    const batch = await rollouts(learner)
    const before = await learner.exportState()
    await expect(learner.update(batch, rewardsOf(batch))).rejects.toBeInstanceOf(BeyondFloat16)
    expect(bytesOf(await learner.exportState())).toEqual(bytesOf(before))
    expect(learner.version).toBe(0)
  })
})
