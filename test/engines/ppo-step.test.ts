import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import type { LearnerConfig } from '../../trainer/rl/config.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { openLearner, type SampledRollout } from '../../trainer/rl/learner.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { noWebgpu, openWebgpu } from './each.ts'

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
const prompts = Array.from({ length: 8 }, (_, i) => [1 + i, 9, 10 + (i % 3)].slice(0, 1 + (i % 3)))

describe.skipIf(noWebgpu !== null)('a whole PPO step on WebGPU', () => {
  let cpu: Engine
  let webgpu: Engine
  beforeAll(async () => {
    cpu = await openOnnx()
    webgpu = await openWebgpu()
  })
  afterAll(async () => {
    await cpu.close()
    await webgpu.close()
  })

  test('samples the same answers and learns the same weights as on the CPU', async () => {
    const [wanted, found] = [await step(cpu), await step(webgpu)]
    expect(found.samples.map((s) => s.responseIds)).toEqual(wanted.samples.map((s) => s.responseIds))
    found.samples.forEach((s, i) =>
      s.logprobs.forEach((x, t) => expect(x).toBeCloseTo(wanted.samples[i]?.logprobs[t] ?? NaN, 4)),
    )
    expect([...found.state.arrays.keys()]).toEqual([...wanted.state.arrays.keys()])
    for (const [name, data] of wanted.state.arrays) {
      const other = found.state.arrays.get(name) ?? []
      const scale = Math.max(1e-3, ...data.map(Math.abs))
      data.forEach((x, i) => expect(Math.abs(x - (other[i] ?? NaN)) / scale, `${name}[${i}]`).toBeLessThan(2e-3))
    }
    for (const [name, value] of Object.entries(wanted.metrics)) expect(found.metrics[name], name).toBeCloseTo(value, 3)
  })
})

/** Samples, scores and learns once, from one beginning. */
async function step(engine: Engine) {
  const learner = openLearner({ engine, model: initialModel(shape, 1), config, seed: 3 })
  const samples: SampledRollout[] = await learner.sample(prompts, { seeds: prompts.map((_, i) => i) })
  const rollouts = samples.map((s, i) => ({ ...s, sampleId: `${i}`, prompt: '', response: '' }))
  const { metrics } = await learner.update(
    rollouts,
    rollouts.map((r) => r.responseIds.filter((id) => id % 2 === 0).length / 4),
  )
  const state = await learner.exportState()
  await learner.close()
  return { samples, metrics, state }
}
