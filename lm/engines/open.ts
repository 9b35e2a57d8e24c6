/** Opens an engine by name and device, and reports why it was chosen. */
import { Graph, matmul, reduceSum } from '../graph/index.ts'
import type { Device, Engine, Precision } from './engine.ts'
import { openOnnx } from './onnx.ts'
import { openTfjs } from './tfjs.ts'

export interface EngineChoice {
  engine: 'onnx' | 'tfjs'
  /** `auto`: the first of CUDA and WebGPU that is available and faster than the CPU, else the CPU. */
  device: Device | 'auto'
  /** float32 by default. */
  precision?: Precision
}

export interface OpenedEngine {
  engine: Engine
  /** For the log: what was tried, and why it was rejected. */
  why: string
}

/** Throws where the engine lacks the device or the precision; the message says what is missing. */
export async function openEngine({ engine, device, precision = 'float32' }: EngineChoice): Promise<OpenedEngine> {
  if (engine === 'tfjs') {
    if (precision === 'float16')
      throw new Error(
        'tfjs: TensorFlow.js does not support float16. Use float32 (ATTUNE_PRECISION, --precision), or the engine onnx',
      )
    return { engine: await openTfjs({ device }), why: 'as configured' }
  }
  const slowly = precision === 'float16' ? ['float16 is slower than float32 on a CPU'] : []
  if (device !== 'auto')
    return {
      engine: await openOnnx({ device, precision }),
      why: ['as configured', ...(device === 'cpu' ? slowly : [])].join('; '),
    }
  const tried: string[] = []
  const cpu = await openOnnx({ precision })
  for (const device of ['cuda', 'webgpu'] as const) {
    try {
      const found = await openOnnx({ device, precision })
      const slower = await slowerThan(cpu, found)
      if (slower === null) {
        await cpu.close()
        return { engine: found, why: ['faster than the CPU', ...tried].join('; ') }
      }
      await found.close()
      tried.push(`${device} takes ${slower}`)
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error))
    }
  }
  return { engine: cpu, why: [...tried, ...slowly].join('; ') }
}

/** A device that takes this many times the CPU's time for a small product is not tried with a large one. */
const hopeless = 8

/** What the device is slower at, in words; null where it is faster. A software GPU is always slower. */
async function slowerThan(cpu: Engine, device: Engine): Promise<string | null> {
  for (const [size, patience] of [
    [256, hopeless],
    [1_024, 1],
  ] as const) {
    const [ours, theirs] = [await timeProduct(cpu, size), await timeProduct(device, size)]
    if (theirs > patience * ours)
      return `${theirs.toFixed(1)} ms for a product of ${size}, the CPU ${ours.toFixed(1)} ms`
  }
  return null
}

/** Milliseconds of a product of two `size`² matrices that the engine holds, the best of three. */
async function timeProduct(engine: Engine, size: number): Promise<number> {
  const names = ['probe.a', 'probe.b'] as const
  const graph = new Graph()
  const [a, b] = names.map((name) => graph.state(name, [size, size]))
  if (!a || !b) throw new Error('a product has two operands')
  graph.output('sum', reduceSum(matmul(a, b)))
  for (const name of names) engine.states.set(name, [size, size], new Float32Array(size * size).fill(1 / size))
  const program = await engine.compile(graph)
  let best = Infinity
  for (let i = 0; i < 4; i++) {
    // the first one compiles and uploads
    const began = performance.now()
    const sum = (await program.run({})).scalar('sum')
    if (Math.abs(sum - size) > 1e-3 * size) throw new Error(`a product of ${size} sums to ${sum} instead of ${size}`)
    if (i > 0) best = Math.min(best, performance.now() - began)
  }
  await program.dispose()
  for (const name of names) engine.states.delete(name)
  return best
}
