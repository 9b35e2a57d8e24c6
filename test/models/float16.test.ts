import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { encodeModel } from '../../lm/engines/onnx-format.ts'
import { lower } from '../../lm/engines/onnx-lowering.ts'
import {
  add,
  adamW,
  constant,
  Graph,
  gradients,
  lossScaleStates,
  matmul,
  mul,
  reduceSum,
  type Tensor,
} from '../../lm/graph/index.ts'
import { trainedParameters, type HeldModel } from '../../lm/architectures/architecture.ts'
import { BeyondFloat16, gradientSum, openDescent, type Descent } from '../../lm/training/optimizer-step.ts'
import { loadWeights, readModel } from '../../lm/files/directory.ts'
import { openFit, pretraining, type Rows } from '../../lm/training/fit.ts'
import { adaptersOf, initialiseAdapters } from '../../lm/architectures/lora.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import { float16Engines, openHalf } from '../engines/float16.ts'

const [scaleState = '', goodStepsState = ''] = lossScaleStates.keys()
const directoryOf = (fixture: string): string => fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url))

const opened: Engine[] = []
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close()
})
async function opening(open: () => Promise<Engine>): Promise<Engine> {
  const engine = await open()
  opened.push(engine)
  return engine
}

/** Every state, by name. */
async function all(engine: Engine): Promise<Map<string, Float32Array>> {
  return new Map(
    await Promise.all(
      engine.states.names().map(async (name): Promise<[string, Float32Array]> => [name, await engine.states.get(name)]),
    ),
  )
}
const scaleOf = async (engine: Engine): Promise<number> => (await engine.states.get(scaleState))[0] ?? NaN
function setScale(engine: Engine, scale: number): void {
  engine.states.set(scaleState, [], Float32Array.of(scale))
  engine.states.set(goodStepsState, [], Float32Array.of(0))
}

describe.each(float16Engines)('training in float16 on %s', (_, open) => {
  test.each(['gpt2-tiny', 'llama-tiny'])(
    '%s follows the losses of float32 to 2e-3 over twenty steps, the whole model and adapters on it',
    async (fixture) => {
      const rows = await trainingRows(fixture)
      for (const lora of [null, { rank: 4, alpha: 8, targets: ['all-linear'], rankStabilised: false }]) {
        const curves: number[][] = []
        for (const engine of [await opening(openOnnx), await opening(open)]) {
          const base = await readModel(directoryOf(fixture))
          const model: HeldModel = lora
            ? { architecture: base.architecture, adapters: adaptersOf(base.architecture, lora, 'own/') }
            : base
          loadWeights(engine.states, base)
          if (model.adapters) initialiseAdapters(engine.states, model.adapters, 1)
          const fit = openFit(engine, { model, optimizer: pretraining })
          const curve: number[] = []
          for (let step = 0; step < 20; step++) curve.push((await fit.step(rows, 3e-3)).loss)
          await fit.close()
          curves.push(curve)
          if (engine.precision === 'float32') continue
          expect(await scaleOf(engine)).toBe(2 ** 16)
          for (const name of trainedParameters(model).keys())
            expect((await engine.states.get(name)).every(Number.isFinite), name).toBe(true)
        }
        const [wanted = [], found = []] = curves
        found.forEach((loss, step) => expect(Math.abs(loss - (wanted[step] ?? NaN)), `step ${step}`).toBeLessThan(2e-3))
        expect(found).not.toEqual(wanted)
        expect(found[19]).toBeLessThan((found[0] ?? 0) - (lora ? 0.5 : 3))
      }
    },
  )

  test('a batch in parts gives what it gives at once, to rounding', async () => {
    const rows = await trainingRows('llama-tiny')
    const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-3, weightDecay: 0, maxGradientNorm: 1 }
    const weights: Float32Array[][] = []
    for (const accumulation of [1, 2]) {
      const engine = await opening(open)
      const model = await readModel(directoryOf('llama-tiny'))
      loadWeights(engine.states, model)
      setScale(engine, 2 ** 24) // overflows on the way
      const fit = openFit(engine, { model, optimizer, accumulation })
      for (let step = 0; step < 3; step++) await fit.step(rows, 1e-2)
      expect(fit.steps).toBe(3)
      await fit.close()
      expect(await scaleOf(engine)).toBeLessThan(2 ** 24)
      weights.push(await Promise.all([...model.architecture.parameters.keys()].map((name) => engine.states.get(name))))
    }
    const [once = [], parts = []] = weights
    once.forEach((values, i) =>
      values.forEach((x, j) => expect(Math.abs(x - (parts[i]?.[j] ?? NaN))).toBeLessThan(2e-3)),
    )
  })

  test('gradients too small for float16 survive where the loss is scaled, and vanish where it is not', async () => {
    const found: number[] = []
    for (const scale of [2 ** 16, 1]) {
      const engine = await opening(open)
      const descent = await openProduct(engine, 1e-9)
      setScale(engine, scale)
      found.push((await descent.run([{ x }], at)).gradientNorm ?? NaN)
    }
    expect((found[0] ?? NaN) / (1e-9 * Math.sqrt(2 * (1 + 4)))).toBeCloseTo(1, 2)
    expect(found[1]).toBe(0)
  })

  test.each([1, 2])(
    'a step that overflows changes nothing but the scale, which halves until the step fits: the bits are those of that scale from the beginning (parts %i)',
    async (parts) => {
      const feeds = Array.from({ length: parts }, () => ({ x }))
      const outcomes: { states: Map<string, Float32Array>; results: Record<string, number>[] }[] = []
      for (const scale of [2 ** 16, 2 ** 12]) {
        const engine = await opening(open)
        const descent = await openProduct(engine, 4, parts) // the largest gradient is 2 · 4: at 2¹² the first that float16 holds
        setScale(engine, scale)
        const results = [await descent.run(feeds, at), await descent.run(feeds, { ...at, step: 2 })]
        outcomes.push({ results, states: await all(engine) })
      }
      const [stumbled, smooth] = outcomes
      expect(stumbled?.results.map(({ lossScale, overflows }) => [lossScale, overflows])).toEqual([
        [2 ** 12, 4],
        [2 ** 12, 0],
      ])
      expect(smooth?.results.map(({ overflows }) => overflows)).toEqual([0, 0])
      expect(stumbled?.states).toEqual(smooth?.states)
      expect(smooth?.states.get(goodStepsState)).toEqual(Float32Array.of(2))
      if (parts > 1) expect(smooth?.states.get(gradientSum('w'))?.every((entry) => entry === 0)).toBe(true)
    },
  )

  test('a step that overflows without any scale is an error that says what to do, and the weights are as before, to the bit', async () => {
    const engine = await opening(open)
    const descent = await openProduct(engine, 1)
    await descent.run([{ x }], at)
    const before = await all(engine)
    for (const bad of [
      [1e5, 1],
      [NaN, 1],
    ]) {
      const failed = descent.run([{ x: [...bad, 1, 1] }], { ...at, step: 2 })
      await expect(failed).rejects.toBeInstanceOf(BeyondFloat16)
      await expect(failed).rejects.toThrow(/range of float16.*ATTUNE_PRECISION=float32/)
      const after = await all(engine)
      expect(after.get(scaleState)).toEqual(Float32Array.of(1))
      for (const [name, values] of before) if (!lossScaleStates.has(name)) expect(after.get(name), name).toEqual(values)
    }
    const { overflows, gradientNorm } = await descent.run([{ x }], { ...at, step: 2 }) // and goes on
    expect([overflows, Number.isFinite(gradientNorm)]).toEqual([0, true])
  })
})

test('in float32 a step is what gradients and AdamW alone are: no byte of its graph is another', async () => {
  for (const parts of [1, 2]) {
    const compiled: Graph[] = []
    const engine = await opening(openOnnx)
    const spy: Engine = {
      ...engine,
      states: engine.states,
      compile: (graph) => (compiled.push(graph), engine.compile(graph)),
    }
    await openProduct(spy, 4, parts)
    const [{ graph, w, loss }, apply] = [product(4), new Graph()]
    const [slope = w] = gradients(loss, [w])
    const sum = (of: Graph): Tensor => of.state(gradientSum('w'), w.shape)
    if (parts === 1) graph.output('gradientNorm', adamW(graph, [{ name: 'w', gradient: slope }], optimizer))
    else {
      graph.update(gradientSum('w'), add(sum(graph), slope))
      const gradient = sum(apply)
      apply.state('w', w.shape)
      apply.update(gradientSum('w'), mul(gradient, constant(0)))
      apply.output('gradientNorm', adamW(apply, [{ name: 'w', gradient }], optimizer))
    }
    const bytes = (graphs: readonly Graph[]) =>
      graphs.map((one) => Buffer.from(encodeModel(lower(one, 'cpu').onnx)).toString('base64'))
    expect(bytes(compiled)).toEqual(bytes([graph, apply].slice(0, parts)))
    expect(engine.states.names('loss-scale')).toEqual([])
  }
})

test('only float16 scales the loss', async () => {
  const [half, single] = [await opening(openHalf), await opening(openOnnx)]
  for (const engine of [half, single]) await openProduct(engine, 1)
  expect(half.states.names('loss-scale')).toEqual([...lossScaleStates.keys()].sort())
  expect(single.states.names('loss-scale')).toEqual([])
})

const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 }
const at = { step: 1, learningRate: 1e-2 }
const x = [1, 0, 0, 2]

/** The loss `factor · Σ x w`, of whose gradient the part before the product is `factor` everywhere. */
function product(factor: number): { graph: Graph; w: Tensor; loss: Tensor } {
  const graph = new Graph()
  const w = graph.state('w', [2, 2])
  const loss = mul(reduceSum(matmul(graph.input('x', [2, 2]), w)), factor)
  graph.output('loss', loss)
  return { graph, w, loss }
}

function openProduct(engine: Engine, factor: number, parts = 1): Promise<Descent> {
  const { graph, loss } = product(factor)
  engine.states.set('w', [2, 2], Float32Array.of(0.5, -1, 0.25, 2))
  return openDescent(engine, { graph, loss, trained: new Map([['w', [2, 2]]]), optimizer, parts })
}

async function trainingRows(fixture: string): Promise<Rows> {
  const {
    shape: [batch = 0, length = 0],
    data: ids,
  } = (await openSafetensors(`${directoryOf(fixture)}/expected.safetensors`)).int32('train_ids')
  return { batch, length, ids, mask: new Int32Array(ids.length).fill(1) }
}
