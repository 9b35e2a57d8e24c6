import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { loadWeights } from '../../lm/files/directory.ts'
import { openFit, pretraining } from '../../lm/training/fit.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'
import { engines } from './each.ts'

const [rows, length, width, steps] = [2, 8, 32, 300]
const MiB = 1 << 20
/**
 * Half a run that leaves one embedding a step behind, [vocabulary, 32], would grow by more than `rss` allows: a process
 * breathes by a few MiB, by V8's choice. TensorFlow.js counts its tensors, so that its need not stand out.
 */
const sizes: Record<string, { vocabSize: number; rss: number }> = {
  'onnx cpu': { vocabSize: 2_048, rss: 20 * MiB },
  'onnx webgpu': { vocabSize: 512, rss: 8 * MiB },
  tfjs: { vocabSize: 256, rss: 64 * MiB },
}

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

describe.each(engines)('the %s engine', (name, open) => {
  const { vocabSize = 0, rss = 0 } = sizes[name] ?? {}
  const model = gpt2({
    vocabSize,
    context: 16,
    width,
    layers: 1,
    heads: 2,
    inner: 16,
    epsilon: 1e-5,
    bosToken: null,
    eosToken: null,
    padToken: null,
  })

  test(`holds device tensors, heap and resident memory flat over ${steps} training steps`, async () => {
    const engine = await open()
    loadWeights(engine.states, initialModel(model, 1))
    const fit = openFit(engine, { model: { architecture: model }, optimizer: pretraining })
    const batch = {
      batch: rows,
      length,
      ids: Int32Array.from({ length: rows * length }, (_, i) => (7 * i) % vocabSize),
      mask: new Int32Array(rows * length).fill(1),
    }
    await expectFlat(engine, rss, async () => {
      await fit.step(batch, 1e-3)
    })
    await fit.close()
    await engine.close()
  }, 120_000)

  test(`holds them flat over ${steps} sampled batches' tokens`, async () => {
    const engine = await open()
    loadWeights(engine.states, initialModel(model, 1))
    const sampler = openSampler(engine, { architecture: model })
    const prompts = [[1, 2, 3], [4]]
    await expectFlat(engine, rss, async (step) => {
      if (step % 10 === 0)
        await sampler.sample({ prompts, seeds: [step, step + 1], maxNewTokens: 10, temperature: 1, stopTokens: [] })
    })
    await sampler.close()
    await engine.close()
  }, 120_000)
})

/** The first half warms up: it compiles, and allocators fill their pools. */
async function expectFlat(engine: Engine, rss: number, work: (step: number) => Promise<void>): Promise<void> {
  for (let step = 0; step < steps / 2; step++) await work(step)
  const before = await held(engine)
  for (let step = steps / 2; step < steps; step++) await work(step)
  const after = await held(engine)
  expect(after.states).toBe(before.states)
  expect(after.tensors).toBe(before.tensors)
  expect(after.heap - before.heap).toBeLessThan(2 * MiB)
  expect(after.rss - before.rss).toBeLessThan(rss)
}

async function held(engine: Engine) {
  if (typeof collect !== 'function') throw new Error('no garbage collector to call')
  for (let round = 0; round < 3; round++) {
    collect()
    await setImmediate() // finalizers run
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  const tensors = engine.name.startsWith('tfjs') ? tf.memory().numTensors : 0
  return { states: engine.states.bytes, tensors, heap: heapUsed + arrayBuffers, rss }
}
