import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { Graph, gradients, sizeOf } from '../../lm/graph/index.ts'
import { writeAdapters } from '../../lm/files/adapter-directory.ts'
import { trainedParameters, type HeldModel } from '../../lm/architectures/architecture.ts'
import { loadWeights, readModel, saveWeights, writeHeldModel, type Model } from '../../lm/files/directory.ts'
import { languageModelLoss, openFit } from '../../lm/training/fit.ts'
import { hiddenStates, nextLogits, tokenFeeds, tokenInputs } from '../../lm/architectures/forward.ts'
import { adaptersOf, initialiseAdapters, targetedProjections, type LoraConfig } from '../../lm/architectures/lora.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import type { SafetensorsFile } from '../../lm/files/safetensors.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
const PEFT = 'base_model.model.'
const lora: LoraConfig = { rank: 4, alpha: 8, targets: ['all-linear'], rankStabilised: false }

let engine: Engine
beforeAll(async () => {
  engine = await openOnnx()
})
afterAll(() => engine.close())

async function logitsOf(model: HeldModel, ids: Int32Array, mask: Int32Array, length: number): Promise<Float32Array> {
  const graph = new Graph()
  graph.output(
    'logits',
    nextLogits(graph, model, hiddenStates(graph, model, tokenInputs(graph, ids.length / length, length))),
  )
  const program = await engine.compile(graph)
  const logits = (await program.run(tokenFeeds(ids, mask, length))).float32('logits')
  await program.dispose()
  return logits
}

const greatest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)))
const closeTo = (actual: Float32Array, wanted: Float32Array): number =>
  greatest(actual, wanted) / Math.max(...wanted.map(Math.abs))

// See test/fixtures/README.md: what PEFT computes.
describe.each(['gpt2-tiny', 'qwen2-tiny'])('adapters on %s', (name) => {
  const folder = fixture(`${name}-lora`)
  let model: Model
  let held: HeldModel
  let base: SafetensorsFile
  let expected: SafetensorsFile
  let config: LoraConfig

  beforeAll(async () => {
    model = await readModel(fixture(name))
    const json = JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'))
    config = { rank: json.r, alpha: json.lora_alpha, targets: json.target_modules, rankStabilised: json.use_rslora }
    held = {
      architecture: model.architecture,
      prefix: 'base/',
      adapters: adaptersOf(model.architecture, config, 'own/'),
    }
    base = await openSafetensors(join(fixture(name), 'expected.safetensors'))
    expected = await openSafetensors(join(folder, 'expected.safetensors'))
    await load()
  })
  async function load(): Promise<void> {
    loadWeights(engine.states, model, 'base/')
    const stored = await openSafetensors(join(folder, 'adapter_model.safetensors'))
    for (const [state, shape] of trainedParameters(held))
      engine.states.set(state, shape, stored.float32(state.replace('own/', PEFT)).data)
    expect(stored.names).toHaveLength(trainedParameters(held).size)
  }

  test('give PEFT’s logits to 2e-4, and so do the weights that they are merged into', async () => {
    const {
      shape: [, length = 0],
      data: ids,
    } = base.int32('input_ids')
    const mask = base.int32('attention_mask').data
    const wanted = expected.float32('logits').data
    const seen = (logits: Float32Array): Float32Array =>
      logits.filter((_, i) => mask[Math.floor(i / model.architecture.vocabSize)] === 1)
    expect(greatest(seen(await logitsOf(held, ids, mask, length)), seen(wanted))).toBeLessThan(2e-4)
    loadWeights(engine.states, await saveWeights(engine, held), 'merged/')
    const merged = await logitsOf({ architecture: model.architecture, prefix: 'merged/' }, ids, mask, length)
    expect(greatest(seen(merged), seen(wanted))).toBeLessThan(2e-4)
    expect(
      greatest(seen(await logitsOf({ ...held, adapters: undefined }, ids, mask, length)), seen(wanted)),
    ).toBeGreaterThan(0.1)
  })

  test('have PEFT’s loss to 1e-5 and its gradients to 1e-3 of the largest entry', async () => {
    const {
      shape: [batch = 0, length = 0],
      data: ids,
    } = base.int32('train_ids')
    const graph = new Graph()
    const loss = languageModelLoss(graph, held, tokenInputs(graph, batch, length))
    const names = [...trainedParameters(held)]
    gradients(
      loss,
      names.map(([state, shape]) => graph.state(state, shape)),
    ).forEach((slope, i) => graph.output(names[i]![0], slope))
    graph.output('loss', loss)
    const program = await engine.compile(graph)
    const outputs = await program.run(tokenFeeds(ids, new Int32Array(ids.length).fill(1), length))
    expect(outputs.scalar('loss')).toBeCloseTo(expected.float32('loss').data[0]!, 5)
    for (const [state] of names)
      expect(
        closeTo(outputs.float32(state), expected.float32(`grad.${state.replace('own/', '')}`).data),
        state,
      ).toBeLessThan(1e-3)
    await program.dispose()
  })

  test('alone are trained: three steps give PEFT’s adapters and leave the base as it was', async () => {
    const {
      shape: [batch = 0, length = 0],
      data: ids,
    } = base.int32('train_ids')
    const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 0 }
    const fit = openFit(engine, { model: held, optimizer })
    for (let step = 0; step < 3; step++)
      await fit.step({ batch, length, ids, mask: new Int32Array(ids.length).fill(1) }, 1e-3)
    await fit.close()
    for (const state of trainedParameters(held).keys()) {
      expect(
        closeTo(await engine.states.get(state), expected.float32(`adamw3.${state.replace('own/', '')}`).data),
        state,
      ).toBeLessThan(1e-3)
    }
    const { weights } = await saveWeights(engine, { architecture: model.architecture, prefix: 'base/' })
    for (const parameter of weights.keys())
      expect(weights.get(parameter)?.data, parameter).toEqual(model.weights.get(parameter)?.data)
    expect(engine.states.names('adam.').every((state) => state.includes('own/'))).toBe(true)
    await load()
  })

  test('act in sampling with a cache as in a whole pass', async () => {
    const prompts = [
      [5, 6, 7, 8],
      [9, 10],
    ]
    const request = { prompts, seeds: [1, 2], maxNewTokens: 8, temperature: 1, stopTokens: [] }
    const sampler = openSampler(engine, held)
    const adapted = await sampler.sample(request)
    await sampler.close()
    for (const [i, { tokens, logProbs }] of adapted.entries()) {
      const ids = Int32Array.of(...prompts[i]!, ...tokens)
      const logits = await logitsOf(held, ids, new Int32Array(ids.length).fill(1), ids.length)
      const { vocabSize } = model.architecture
      tokens.forEach((token, t) => {
        const at = (prompts[i]!.length + t - 1) * vocabSize
        const row = logits.subarray(at, at + vocabSize)
        const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0))
        expect(Math.abs(row[token]! - total - logProbs[t]!)).toBeLessThan(1e-4)
      })
    }
  })

  test('are written as PEFT writes them, and merged as transformers reads it', async () => {
    const out = await mkdtemp(join(tmpdir(), 'attune-lora-'))
    await writeAdapters(join(out, 'adapters'), engine.states, held, config, name)
    const tensorsOf = (path: string) => openSafetensors(join(path, 'adapter_model.safetensors'))
    const [written, stored] = await Promise.all([tensorsOf(join(out, 'adapters')), tensorsOf(folder)])
    expect(written.names).toEqual(stored.names)
    for (const tensor of stored.names) expect(written.float32(tensor), tensor).toEqual(stored.float32(tensor))
    const configOf = async (path: string) =>
      JSON.parse(await readFile(join(path, 'adapter_config.json'), 'utf8')) as { target_modules: string[] }
    const [ours, theirs] = await Promise.all([configOf(join(out, 'adapters')), configOf(folder)])
    expect(theirs).toMatchObject({ ...ours, target_modules: expect.anything() })
    const ends = new Set(ours.target_modules.map((module) => theirs.target_modules.find((end) => module.endsWith(end))))
    expect([...ends].sort()).toEqual(theirs.target_modules)

    await writeHeldModel(join(out, 'merged'), engine.states, held)
    const merged = await readModel(join(out, 'merged'))
    const { weights } = await saveWeights(engine, held)
    for (const parameter of model.architecture.parameters.keys())
      expect(merged.weights.get(parameter)?.data, parameter).toEqual(weights.get(parameter)?.data)
    await rm(out, { recursive: true })
  })
})

describe('new adapters', () => {
  test.each(['gpt2-tiny', 'llama-tiny', 'mistral-sliding', 'qwen3-norms', 'smollm3-nope'])(
    'change nothing in %s, to the bit, and are the seed’s',
    async (name) => {
      const model = await readModel(fixture(name))
      const held: HeldModel = {
        architecture: model.architecture,
        prefix: 'base/',
        adapters: adaptersOf(model.architecture, lora, 'own/'),
      }
      loadWeights(engine.states, model, 'base/')
      const drawn: Float32Array[] = []
      for (const seed of [1, 1, 2]) {
        if (held.adapters) initialiseAdapters(engine.states, held.adapters, seed)
        drawn.push(await engine.states.get([...trainedParameters(held).keys()][0]!))
      }
      expect(drawn[0]).toEqual(drawn[1])
      expect(drawn[0]).not.toEqual(drawn[2])
      const ids = Int32Array.from({ length: 16 }, (_, i) => (5 * i) % model.architecture.vocabSize)
      const mask = new Int32Array(16).fill(1)
      expect(await logitsOf(held, ids, mask, 16)).toEqual(
        await logitsOf({ architecture: model.architecture, prefix: 'base/' }, ids, mask, 16),
      )
    },
  )

  test('begin within ±1/√in, with a second factor of 0, and scale by α/r or α/√r', async () => {
    const { architecture } = await readModel(fixture('llama-tiny'))
    const adapters = adaptersOf(architecture, lora, 'own/')
    initialiseAdapters(engine.states, adapters, 3)
    for (const { a, b } of adapters.pairs.values()) {
      const values = await engine.states.get(a.name)
      const bound = 1 / Math.sqrt(a.shape[1]!)
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound)
      expect(Math.max(...values)).toBeGreaterThan(0.5 * bound)
      expect((await engine.states.get(b.name)).every((x) => x === 0)).toBe(true)
      expect(sizeOf(b.shape)).toBe(4 * b.shape[0]!)
    }
    expect([adapters.scale, adaptersOf(architecture, { ...lora, rankStabilised: true }, '').scale]).toEqual([2, 4])
  })

  test('go where their targets say, and a target that is no projection is refused with those that are', async () => {
    const { architecture } = await readModel(fixture('gpt2-tiny'))
    const count = architecture.layers
    expect(targetedProjections(architecture, ['all-linear'])).toHaveLength(4 * count)
    expect(targetedProjections(architecture, ['c_proj'])).toHaveLength(2 * count)
    expect(targetedProjections(architecture, ['attn.c_proj'])).toEqual(
      Array.from({ length: count }, (_, i) => `transformer.h.${i}.attn.c_proj`),
    )
    expect(() => targetedProjections(architecture, ['q_proj'])).toThrow(
      /no projection q_proj; this model has c_attn, c_proj, c_fc/,
    )
    expect(() => targetedProjections(architecture, [])).toThrow(/no target/)
  })
})
