/**
 * The default engine: a graph becomes one ONNX model and runs on ONNX Runtime.
 * Weights and moments are inputs whose updated values land in buffers of their
 * own (two per updated state, exchanged after each run), so nothing is copied.
 */
import './no-telemetry.ts'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { sizeOf, type Graph, type Tensor } from '../graph/index.ts'
import { checkFeeds, leavesOf, outputsOf, type Device, type Engine, type Feeds, type HostTensor, type Outputs, type Program } from './engine.ts'
import { encodeModel } from './onnx-format.ts'
import { lower, type Lowered } from './onnx-lowering.ts'
import { openHostStates, type NextValue, type OnnxStates } from './onnx-states.ts'
import { openWebgpuStates } from './webgpu-states.ts'

export interface OnnxOptions {
  device?: Device
  /** Threads inside one operation; all cores by default. */
  threads?: number
}

/** Throws where this machine has no such device, and says what it lacks. */
export async function openOnnx(options: OnnxOptions = {}): Promise<Engine> {
  const device = options.device ?? 'cpu'
  if (device === 'cuda') expectCuda()
  const settings = sessionOptions(device, options.threads ?? availableParallelism())
  const states = device === 'webgpu' ? await openWebgpuStates(settings) : openHostStates()
  const sessions = new Set<ort.InferenceSession>()
  const inTurn = openQueue()
  return {
    name: `onnxruntime ${device}`,
    device,
    states,
    async compile(graph) {
      const lowered = lower(graph, device)
      const session = await ort.InferenceSession.create(encodeModel(lowered.onnx), settings)
      sessions.add(session)
      const release = async () => {
        if (sessions.delete(session)) await session.release()
      }
      return openProgram({ graph, lowered, session, states, release, inTurn, rename: name => name })
    },
    async close() {
      await Promise.all([...sessions].map(session => session.release()))
      sessions.clear()
      for (const name of states.names()) states.delete(name)
      await states.close()
    },
  }
}

function sessionOptions(device: Device, threads: number): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    enableCpuMemArena: true,
    // A planned block would stand beside what the first run took from the arena: half as much memory again.
    enableMemPattern: false,
    extra: { session: { ...sharedCores, ...device === 'webgpu' ? wholeOnDevice : {} } },
  }
}

/**
 * A worker thread that spins for its next piece of work takes a core from the servers beside the
 * trainer, and from the thread it waits for: with both cores busy, sampling took 2.5 times as long.
 */
const sharedCores = { 'intra_op.spin_duration_us': '50', force_spinning_stop: '1' }
/** An operation that the device lacks is an error, not a silent detour over the host. */
const wholeOnDevice = { disable_cpu_ep_fallback: '1' }

/** The provider is a library of its own, which npm's package does not bring. */
function expectCuda(): void {
  const bin = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..', 'bin')
  const library = 'libonnxruntime_providers_cuda.so'
  if (readdirSync(bin, { recursive: true }).some(file => String(file).endsWith(library))) return
  throw new Error(`onnx: there is no ${library} beside onnxruntime-node's library. "node node_modules/onnxruntime-node/script/install.js" downloads it; it needs CUDA 12 and cuDNN 9`)
}

interface Parts {
  graph: Graph
  lowered: Lowered
  session: ort.InferenceSession
  states: OnnxStates
  rename: (name: string) => string
  release: () => Promise<void>
  inTurn: Queue
}

function openProgram(parts: Parts): Program {
  const { graph, lowered, session, states, rename, inTurn } = parts
  const inputs = leavesOf(graph, 'input')
  const stateTensors = leavesOf(graph, 'state')
  const inPlace = writtenInPlace(graph)
  return {
    run: feeds => inTurn(() => run(feeds)),
    withStates: next => openProgram({ ...parts, rename: name => next(rename(name)) }),
    dispose: parts.release,
  }

  async function run(feeds: Feeds): Promise<Outputs> {
    const bound: Record<string, ort.Tensor> = {}
    const fetches: Record<string, ort.Tensor | null> = {}
    for (const [name, data] of checkFeeds(inputs, feeds)) bound[valueOf(lowered.inputs, name)] = hostTensor(tensorOf(inputs, name), data)
    for (const [name, { shape }] of stateTensors) await states.settle(rename(name), shape, inPlace.has(name) ? 'write' : 'read')
    for (const [name, { shape }] of graph.updates) if (!inPlace.has(name)) await states.settle(rename(name), shape, 'replace')
    for (const name of stateTensors.keys()) bound[valueOf(lowered.states, name)] = states.current(rename(name))
    for (const value of lowered.outputs.values()) fetches[value] = null
    const next: NextValue[] = []
    for (const [name, value] of lowered.updates) {
      if (inPlace.has(name)) fetches[value] = states.current(rename(name))
      else {
        const update = states.next(rename(name))
        fetches[value] = update.tensor
        next.push(update)
      }
    }
    const results = await session.run(bound, fetches)
    for (const update of next) update.commit()
    const outputs = new Map<string, HostTensor>()
    for (const [name, tensor] of graph.outputs) {
      const result = results[valueOf(lowered.outputs, name)]
      if (!result) throw new Error(`run: no output ${name} came back`)
      outputs.set(name, { dtype: tensor.dtype, shape: tensor.shape, data: hostData(result) })
    }
    return outputsOf(outputs)
  }
}

type Queue = <T>(job: () => Promise<T>) => Promise<T>

/** Runs jobs one after another: a run reads what the run before it wrote, whoever asked for it. */
function openQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve()
  return job => {
    const result = last.then(job)
    last = result.catch(() => {}) // a failure is its caller's; the next job runs all the same
    return result
  }
}

/**
 * States whose update only writes rows into them and whose old value nothing else reads: the
 * run's result may share their buffer, and ScatterND, given one buffer twice, copies nothing.
 */
function writtenInPlace(graph: Graph): Set<string> {
  const readers = new Map<Tensor, number>()
  for (const node of graph.nodes()) for (const read of node.inputs) readers.set(read, (readers.get(read) ?? 0) + 1)
  return new Set([...graph.updates].flatMap(([name, node]) => {
    const [target] = node.inputs
    const alone = node.op === 'writeRows' && target?.op === 'state' && 'name' in target.attributes && target.attributes.name === name && readers.get(target) === 1
    return alone ? [name] : []
  }))
}

function hostTensor({ dtype, shape }: Tensor, data: HostTensor['data']): ort.Tensor {
  if (data instanceof Float32Array) return new ort.Tensor('float32', data, shape)
  if (data instanceof Int32Array) return new ort.Tensor('int32', data, shape)
  if (dtype === 'bool') return new ort.Tensor('bool', data, shape)
  throw new Error(`${dtype} [${sizeOf(shape)}] cannot be fed from a ${data.constructor.name}`)
}

function hostData({ data }: ort.Tensor): HostTensor['data'] {
  if (data instanceof Float32Array || data instanceof Int32Array || data instanceof Uint8Array) return data
  throw new Error(`run: an output came back as ${data.constructor.name}`)
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
