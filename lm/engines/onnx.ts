/**
 * The default engine: a graph becomes one ONNX model and runs on ONNX Runtime.
 * Weights and moments are inputs whose updated values land in buffers of their
 * own (two per updated state, swapped after each run), so nothing is copied.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { hostType, mixedPrecision, type Graph, type Tensor } from '../graph/index.ts'
import { openDeviceStates } from './device-states.ts'
import {
  arrayFor,
  checkFeeds,
  leavesOf,
  outputsOf,
  type Device,
  type Engine,
  type Feeds,
  type HostTensor,
  type Into,
  type Outputs,
  type Precision,
  type Program,
} from './engine.ts'
import { encodeModel } from './onnx-format.ts'
import { lower, type Lowered } from './onnx-lowering.ts'
import { openHostStates, type NextValue, type OnnxStates } from './onnx-states.ts'
import { hostValue, openSession, type Session, type SessionOptions, type Value } from './ort.ts'
import { libraryFolder } from './ort-api.ts'
import { requireFloat16 } from './webgpu-float16.ts'

export interface OnnxOptions {
  device?: Device
  /** float32 by default. On a CPU float16 is emulated by float32 and rounding, and is slower. */
  precision?: Precision
  /** Threads inside one operation; all cores by default. */
  threads?: number
}

/** Throws where this machine lacks the device, or the device the precision; the message says what is missing. */
export async function openOnnx(options: OnnxOptions = {}): Promise<Engine> {
  const { device = 'cpu', precision = 'float32' } = options
  const settings = sessionOptions(device, options.threads ?? availableParallelism())
  const states = openStates(device, settings)
  if (device === 'webgpu' && precision === 'float16') {
    await requireFloat16(settings).catch(async (error: unknown) => {
      await states.close()
      throw error
    })
  }
  const sessions = new Set<Session>()
  const inTurn = openQueue()
  return {
    name: `onnxruntime ${device}${precision === 'float32' ? '' : ` ${precision}`}`,
    device,
    precision,
    states,
    async compile(given, insisted) {
      const graph = (insisted ?? precision) === 'float16' ? mixedPrecision(given) : given
      const lowered = lower(graph, device)
      const session = openSession(encodeModel(lowered.onnx), settings)
      sessions.add(session)
      const release = async () => {
        if (sessions.delete(session)) session.release()
      }
      return openProgram({ graph, lowered, session, states, device, release, inTurn, rename: (name) => name })
    },
    async close() {
      for (const session of sessions) session.release()
      sessions.clear()
      for (const name of states.names()) states.delete(name)
      await states.close()
    },
  }
}

function sessionOptions(device: Device, threads: number): SessionOptions {
  return {
    provider: device,
    threads,
    config: { ...sharedCores, ...ownTranspositions, ...(device === 'webgpu' ? wholeOnDevice : {}) },
  }
}

/**
 * A worker thread that spins while idle takes a core from the servers on the same machine, and from
 * the thread it waits for: with both cores busy, sampling took 2.5 times as long.
 */
const sharedCores = { 'session.intra_op.spin_duration_us': '50', 'session.force_spinning_stop': '1' }
/**
 * ONNX Runtime's transpose optimizer merges fast transposes of two axes into slow ones of five, and undoes products
 * that were transposed on purpose.
 */
const ownTranspositions = {
  'optimization.disable_specified_optimizers':
    'TransposeOptimizer;TransposeOptimizer_CPUExecutionProvider;GemmTransposeFusion',
}
/** An operation that the device lacks is an error, not a silent fallback to the CPU. */
const wholeOnDevice = { 'session.disable_cpu_ep_fallback': '1' }

function openStates(device: Device, settings: SessionOptions): OnnxStates {
  if (device === 'cpu') return openHostStates()
  if (device === 'cuda' && !existsSync(join(libraryFolder(), cudaLibrary))) {
    throw new Error(
      `onnx: there is no ${cudaLibrary} beside onnxruntime-node's library. "node node_modules/onnxruntime-node/script/install.js" downloads it; it needs CUDA 12 and cuDNN 9`,
    )
  }
  try {
    return openDeviceStates(settings)
  } catch (cause) {
    throw new Error(`onnx: this machine has no ${device} device. ${requirements[device]}`, { cause })
  }
}

/** The provider is a separate library, which the npm package does not include. */
const cudaLibrary = 'libonnxruntime_providers_cuda.so'
const requirements = {
  webgpu:
    'On Linux it needs the GPU’s Vulkan driver and the Vulkan loader (Debian, Ubuntu: "apt-get install libvulkan1")',
  cuda: 'It needs an NVIDIA driver, CUDA 12 and cuDNN 9 on the library path (LD_LIBRARY_PATH)',
}

interface Parts {
  graph: Graph
  lowered: Lowered
  session: Session
  states: OnnxStates
  device: Device
  rename: (name: string) => string
  release: () => Promise<void>
  inTurn: Queue
}

/**
 * A run that takes longer than this, milliseconds, moves off the event loop; for a shorter one the change of thread
 * costs more.
 */
const longRunMs = 20

function openProgram(parts: Parts): Program {
  const { graph, lowered, session, states, device, rename, inTurn } = parts
  const inputs = leavesOf(graph, 'input')
  const stateTensors = leavesOf(graph, 'state')
  const inPlace = writtenInPlace(graph)
  let lastMs = 0
  return {
    run: (feeds, into = {}) => inTurn(() => states.during(() => run(feeds, into))),
    withStates: (next) => openProgram({ ...parts, rename: (name) => next(rename(name)) }),
    dispose: parts.release,
  }

  async function run(feeds: Feeds, into: Into): Promise<Outputs> {
    await setImmediate() // consecutive runs still let the event loop run
    const fed = checkFeeds(inputs, feeds)
    for (const [name, { shape }] of stateTensors)
      await states.settle(rename(name), shape, inPlace.has(name) ? 'write' : 'read')
    for (const [name, { shape }] of graph.updates)
      if (!inPlace.has(name)) await states.settle(rename(name), shape, 'replace')
    const ours: Value[] = []
    const ownValue = ({ shape }: Tensor, data: HostTensor['data']): Value => {
      const value = hostValue(data, shape)
      ours.push(value)
      return value
    }
    const bound: Record<string, Value> = {}
    const written: Record<string, Value> = {}
    for (const [name, data] of fed) bound[valueOf(lowered.inputs, name)] = ownValue(tensorOf(inputs, name), data)
    for (const name of stateTensors.keys()) bound[valueOf(lowered.states, name)] = states.current(rename(name))
    const next: NextValue[] = []
    for (const [name, value] of lowered.updates) {
      if (inPlace.has(name)) written[value] = states.current(rename(name))
      else {
        const update = states.next(rename(name))
        written[value] = update.value
        next.push(update)
      }
    }
    const outputs = new Map<string, HostTensor>()
    for (const [name, tensor] of graph.outputs) {
      const output = { dtype: hostType(tensor), shape: tensor.shape }
      const data = arrayFor(name, output, into)
      outputs.set(name, { ...output, data })
      written[valueOf(lowered.outputs, name)] = ownValue(tensor, data)
    }
    const began = performance.now()
    try {
      await session.run(bound, written, device === 'cpu' && lastMs > longRunMs ? 'another' : 'this')
    } finally {
      for (const value of ours) value.release()
    }
    lastMs = performance.now() - began
    for (const update of next) update.commit()
    return outputsOf(outputs)
  }
}

type Queue = <T>(job: () => Promise<T>) => Promise<T>

/** Runs jobs one after another: a run reads what the run before it wrote, whoever started it. */
function openQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve()
  return (job) => {
    const result = last.then(job)
    last = result.catch(() => {}) // its caller handles a failure; the next job runs all the same
    return result
  }
}

/**
 * States whose update only writes rows into them and whose old value nothing else reads: the
 * result may share their buffer, and ScatterND with the same input and output buffer copies nothing.
 */
function writtenInPlace(graph: Graph): Set<string> {
  const readers = graph.readers()
  return new Set(
    [...graph.updates].flatMap(([name, node]) => {
      const [target] = node.inputs
      const alone =
        node.op === 'writeRows' &&
        target?.op === 'state' &&
        'name' in target.attributes &&
        target.attributes.name === name &&
        readers.get(target) === 1
      return alone ? [name] : []
    }),
  )
}

function valueOf(values: ReadonlyMap<string, string>, name: string): string {
  const value = values.get(name)
  if (value === undefined) throw new Error(`${name} was not lowered`)
  return value
}

function tensorOf(leaves: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = leaves.get(name)
  if (!tensor) throw new Error(`the graph has no leaf ${name}`)
  return tensor
}
