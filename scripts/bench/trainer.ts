/**
 * Tokens a second of sampling and of a full training step (forward, backward, clipping, AdamW), for
 * the demo's model and for a 3.7M-parameter one. Beside each the same graph on TensorFlow.js's CPU
 * backend, on less work, and a plain matrix product: where other programs load the machine, the
 * ratios still mean something.
 */
import { Graph, matmul } from '../../trainer/graph/index.ts'
import type { Engine } from '../../trainer/engines/engine.ts'
import { openOnnx } from '../../trainer/engines/onnx.ts'
import { openTfjs } from '../../trainer/engines/tfjs.ts'
import { loadWeights } from '../../trainer/models/directory.ts'
import { openFit, pretraining } from '../../trainer/models/fit.ts'
import { gpt2 } from '../../trainer/models/gpt2.ts'
import type { Gpt2Config } from '../../trainer/models/gpt2-config.ts'
import { initialModel } from '../../trainer/models/init.ts'
import { openSampler } from '../../trainer/models/sampler.ts'
import { table } from '../study/table.ts'

export interface Speed {
  model: string
  work: 'sampling' | 'training'
  /** Tokens a second, the median of the repeats. */
  onnx: number
  tfjs: number
}

export interface TrainerBench {
  speeds: Speed[]
  /** 10⁹ floating-point operations a second of a 1024³ matrix product, the best of the repeats: what the machine had to give. */
  gigaflops: number
}

interface Shape { name: string; config: Gpt2Config; sampled: number; newTokens: number; rows: number; length: number }

const shared = { context: 128, layers: 4, epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null }
const SHAPES: readonly Shape[] = [
  { name: 'demo (vocabulary 1,280, width 192)', config: { ...shared, vocabSize: 1_280, width: 192, heads: 6, inner: 768 }, sampled: 64, newTokens: 48, rows: 32, length: 64 },
  { name: '3.7M (vocabulary 2,048, width 256)', config: { ...shared, vocabSize: 2_048, width: 256, heads: 8, inner: 1_024 }, sampled: 64, newTokens: 48, rows: 16, length: 128 },
]
/** TensorFlow.js gets this much of the work, so that it ends. */
const LESS: Pick<Shape, 'sampled' | 'newTokens' | 'rows' | 'length'> = { sampled: 2, newTokens: 4, rows: 1, length: 32 }
const PROMPT = 12

/** `repeats` times each on the default engine, once on TensorFlow.js. */
export async function benchTrainer(repeats: number, say: (doing: string) => void): Promise<TrainerBench> {
  const onnx = await openOnnx()
  const tfjs = await openTfjs()
  try {
    const speeds: Speed[] = []
    for (const shape of SHAPES) {
      for (const [work, measure] of [['sampling', sampling], ['training', training]] as const) {
        say(`${work}, ${shape.name}`)
        speeds.push({ model: shape.name, work, onnx: await measure(onnx, shape, repeats), tfjs: await measure(tfjs, { ...shape, ...LESS }, 1) })
      }
    }
    say('a matrix product')
    return { speeds, gigaflops: await matrixProduct(onnx, 20 * repeats) }
  } finally {
    await onnx.close()
    await tfjs.close()
  }
}

export function trainerText({ speeds, gigaflops }: TrainerBench): string {
  const count = (x: number) => x.toLocaleString('en', { maximumFractionDigits: x < 100 ? 1 : 0 })
  const rows = speeds.map(({ model, work, onnx, tfjs }) => [`${work}, ${model}`, count(onnx), count(tfjs), count(onnx / tfjs)])
  return [
    table(['tokens a second', 'ONNX Runtime', 'TensorFlow.js', 'ratio'], rows),
    '',
    `a 1024³ matrix product: ${count(gigaflops)} GFLOP/s`,
  ].join('\n')
}

async function sampling(engine: Engine, { config, sampled, newTokens }: Shape, repeats: number): Promise<number> {
  const model = initialModel(gpt2(config), 1)
  loadWeights(engine.states, model)
  const sampler = openSampler(engine, model)
  const prompts = Array.from({ length: sampled }, (_, i) => Array.from({ length: PROMPT - i % 4 }, (_, t) => (31 * i + 7 * t) % config.vocabSize))
  const request = { prompts, seeds: prompts.map((_, i) => i), maxNewTokens: newTokens, temperature: 1, stopTokens: [] }
  const speed = await medianSpeed(sampled * newTokens, repeats, () => sampler.sample(request))
  await sampler.close()
  return speed
}

async function training(engine: Engine, { config, rows, length }: Shape, repeats: number): Promise<number> {
  const model = initialModel(gpt2(config), 1)
  loadWeights(engine.states, model)
  for (const name of engine.states.names('adam.')) engine.states.delete(name)
  const fit = openFit(engine, { model, optimizer: pretraining })
  const batch = { batch: rows, length, ids: Int32Array.from({ length: rows * length }, (_, i) => 7_919 * i % config.vocabSize), mask: new Int32Array(rows * length).fill(1) }
  const speed = await medianSpeed(rows * length, repeats, () => fit.step(batch, 1e-3))
  await fit.close()
  return speed
}

/** The first time, which allocates, is not counted where there are others. */
async function medianSpeed(tokens: number, repeats: number, work: () => Promise<unknown>): Promise<number> {
  const speeds: number[] = []
  for (let i = repeats > 1 ? -1 : 0; i < repeats; i++) {
    const began = performance.now()
    await work()
    if (i >= 0) speeds.push(tokens / (performance.now() - began) * 1_000)
  }
  const middle = speeds.sort((a, b) => a - b)[Math.floor(speeds.length / 2)]
  if (middle === undefined) throw new Error(`${repeats} repeats measure nothing`)
  return middle
}

async function matrixProduct(engine: Engine, repeats: number): Promise<number> {
  const size = 1_024
  const graph = new Graph()
  graph.output('product', matmul(graph.state('bench.a', [size, size]), graph.state('bench.b', [size, size])))
  for (const name of ['bench.a', 'bench.b']) engine.states.set(name, [size, size], new Float32Array(size * size).fill(0.5))
  const program = await engine.compile(graph)
  let best = Infinity
  for (let i = 0; i < repeats; i++) {
    const began = performance.now()
    await program.run({})
    best = Math.min(best, performance.now() - began)
  }
  await program.dispose()
  return 2 * size ** 3 / best / 1e6
}
