/**
 * One measurement of the trainer's speed in a process of its own, so that its peak memory belongs
 * to what is measured. Takes a job as JSON and prints its result as one line of JSON.
 */
import { median } from '../../core/statistics.ts'
import { Graph, matmul } from '../../lm/graph/index.ts'
import type { Device, Engine, Precision } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { openEngine } from '../../lm/engines/open.ts'
import { openTfjs } from '../../lm/engines/tfjs.ts'
import { loadWeights } from '../../lm/files/directory.ts'
import { openFit, pretraining } from '../../lm/training/fit.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'
import { LEAST_SECONDS, PROMPT_TOKENS, tokensOf, type Shape, type Work } from './trainer-shapes.ts'

export type Job =
  /** Which device is faster than the CPU here, and why none is. */
  | { kind: 'devices' }
  /** The machine's resources. */
  | { kind: 'product' }
  | {
      kind: 'speed'
      engine: { onnx: Device; precision?: Precision } | { tfjs: 'cpu' | 'wasm' }
      shape: Shape
      work: Work
      repeats: number
    }

const open = (engine: { onnx: Device; precision?: Precision } | { tfjs: string }): Promise<Engine> =>
  'onnx' in engine
    ? openOnnx({ device: engine.onnx, precision: engine.precision })
    : openTfjs({ backend: { name: engine.tfjs, package: `@tensorflow/tfjs-backend-${engine.tfjs}` } })

async function run(job: Job): Promise<object> {
  if (job.kind === 'devices') {
    const { engine, why } = await openEngine({ engine: 'onnx', device: 'auto' })
    await engine.close()
    return { device: engine.device, why }
  }
  const engine = await open(job.kind === 'speed' ? job.engine : { onnx: 'cpu' })
  try {
    if (job.kind === 'product') return { gigaflops: await matrixProduct(engine) }
    const { shape, work, repeats } = job
    const pass = await (work === 'sampling' ? sampling : training)(engine, shape)
    const milliseconds = await medianMs(repeats, pass)
    return {
      tokensPerSecond: (1_000 * tokensOf(shape, work)) / milliseconds,
      peakMiB: process.resourceUsage().maxRSS / 1_024,
    }
  } finally {
    await engine.close()
  }
}

async function sampling(engine: Engine, { config, sequences, newTokens }: Shape): Promise<() => Promise<unknown>> {
  const model = initialModel(gpt2(config), 1)
  loadWeights(engine.states, model)
  const sampler = openSampler(engine, { architecture: model.architecture })
  const prompts = Array.from({ length: sequences }, (_, i) =>
    Array.from({ length: PROMPT_TOKENS }, (_, t) => (31 * i + 7 * t) % config.vocabSize),
  )
  return () =>
    sampler.sample({
      prompts,
      seeds: prompts.map((_, i) => i),
      maxNewTokens: newTokens,
      temperature: 1,
      stopTokens: [],
    })
}

/** A full training step: forward, backward, clipping, AdamW. */
async function training(engine: Engine, { config, rows, length }: Shape): Promise<() => Promise<unknown>> {
  const model = initialModel(gpt2(config), 1)
  loadWeights(engine.states, model)
  const fit = openFit(engine, { model: { architecture: model.architecture }, optimizer: pretraining })
  const size = rows * length
  const ids = Int32Array.from({ length: size }, (_, i) => (7_919 * i) % config.vocabSize)
  return () => fit.step({ batch: rows, length, ids, mask: new Int32Array(size).fill(1) }, 1e-3)
}

/** The first pass, which compiles and allocates, is not counted if there are others. */
async function medianMs(repeats: number, pass: () => Promise<unknown>): Promise<number> {
  if (repeats > 1) await pass()
  const times: number[] = []
  const start = performance.now()
  while (times.length < repeats || (repeats > 1 && performance.now() - start < 1_000 * LEAST_SECONDS)) {
    const began = performance.now()
    await pass()
    times.push(performance.now() - began)
  }
  return median(times)
}

/** 10⁹ floating-point operations a second of a 1024³ matrix product, the best of many. */
async function matrixProduct(engine: Engine): Promise<number> {
  const size = 1_024
  const graph = new Graph()
  graph.output('product', matmul(graph.state('a', [size, size]), graph.state('b', [size, size])))
  for (const name of ['a', 'b']) engine.states.set(name, [size, size], new Float32Array(size * size).fill(0.5))
  const program = await engine.compile(graph)
  let best = Infinity
  for (let i = 0; i < 100; i++) {
    const began = performance.now()
    await program.run({})
    best = Math.min(best, performance.now() - began)
  }
  return (2 * size ** 3) / best / 1e6
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2]!) as Job)))
