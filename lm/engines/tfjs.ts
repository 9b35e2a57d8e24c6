/**
 * Interprets a graph operation by operation with TensorFlow.js: on its native backends where one of
 * them is installed, else on its plain CPU backend; parity tests compare the default engine with
 * it.
 */
import { createRequire } from 'node:module'
import * as tf from '@tensorflow/tfjs-core'
import { hostType, sizeOf, type Graph, type OpName, type Tensor } from '../graph/index.ts'
import {
  arrayFor,
  checkFeeds,
  leavesOf,
  outputsOf,
  type Device,
  type Engine,
  type HostTensor,
  type Program,
  type StateStore,
} from './engine.ts'
import { interpreters, type Interpreter } from './tfjs-ops.ts'

interface Backend {
  name: string
  device: Device
  package: string
}

/** In the order in which they are tried. Only the last is a dependency: the others are optional installs. */
const backends: readonly Backend[] = [
  { name: 'tensorflow', device: 'cuda', package: '@tensorflow/tfjs-node-gpu' },
  { name: 'tensorflow', device: 'cpu', package: '@tensorflow/tfjs-node' },
  { name: 'cpu', device: 'cpu', package: '@tensorflow/tfjs-backend-cpu' },
]

export interface TfjsOptions {
  device?: Device | 'auto'
  /** This backend and no other, e.g. `wasm` of the package `@tensorflow/tfjs-backend-wasm`. */
  backend?: { name: string; package: string }
}

/** Throws if no backend for the device is installed. */
export async function openTfjs({ device = 'auto', backend }: TfjsOptions = {}): Promise<Engine> {
  const wanted = backend
    ? [{ ...backend, device: 'cpu' as const }]
    : backends.filter((found) => device === 'auto' || found.device === device)
  const tried: string[] = []
  for (const { name, device, package: from } of wanted) {
    if (!isInstalled(from)) {
      tried.push(`${from}: not installed`)
      continue
    }
    try {
      await import(from)
    } catch (error) {
      tried.push(`${from}: ${String(error)}`)
      continue
    }
    if (await tf.setBackend(name)) return engineOn(device)
    tried.push(`${from}: its backend does not start`)
  }
  throw new Error(`tfjs: nothing runs on ${device} (${tried.join('; ') || 'TensorFlow.js has no such device in Node'})`)
}

/** Resolved rather than imported: a bundler may put a stub in the place of an optional peer that is not installed. */
function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return false
    throw error
  }
}

function engineOn(device: Device): Engine {
  const held = new Map<string, tf.Tensor>()
  const states = openStates(held)
  return {
    name: `tfjs ${tf.getBackend()}`,
    device,
    precision: 'float32',
    states,
    compile: async (graph) => openProgram(graph, held, (name) => name),
    async close() {
      for (const name of states.names()) states.delete(name)
    },
  }
}

function openProgram(graph: Graph, held: Map<string, tf.Tensor>, rename: (name: string) => string): Program {
  const nodes = graph.nodes()
  const inputs = leavesOf(graph, 'input')
  return {
    async run(feeds, into = {}) {
      const fed = checkFeeds(inputs, feeds)
      const outputs = new Map<string, HostTensor>()
      const updates = new Map<string, tf.Tensor>()
      tf.tidy(() => {
        const values = new Map<Tensor, tf.Tensor>()
        const valueOf = (node: Tensor): tf.Tensor => {
          const value = values.get(node)
          if (!value) throw new Error(`${node.op} is read before it is computed`)
          return value
        }
        for (const node of nodes) values.set(node, leafValue(node, fed) ?? interpret(node, node.inputs.map(valueOf)))
        for (const [name, node] of graph.outputs) {
          const output = { dtype: hostType(node), shape: node.shape }
          const data = arrayFor(name, output, into)
          data.set(valueOf(node).dataSync())
          outputs.set(name, { ...output, data })
        }
        for (const [name, node] of graph.updates) updates.set(rename(name), tf.keep(valueOf(node).clone()))
      })
      for (const [name, value] of updates) {
        held.get(name)?.dispose()
        held.set(name, value)
      }
      return outputsOf(outputs)
    },
    withStates: (next) => openProgram(graph, held, (name) => next(rename(name))),
    dispose: async () => {},
  }

  function leafValue(node: Tensor, fed: ReturnType<typeof checkFeeds>): tf.Tensor | undefined {
    if (!('name' in node.attributes)) return undefined
    const { name } = node.attributes
    if (node.op === 'input') {
      const data = fed.get(name)
      return data && tf.tensor(data, [...node.shape], hostType(node))
    }
    const state = held.get(rename(name))
    if (!state) throw new Error(`no state ${rename(name)} has been set`)
    return state.clone()
  }
}

function interpret<K extends OpName>(node: Tensor<K>, inputs: tf.Tensor[]): tf.Tensor {
  const interpreter: Interpreter<K> = interpreters[node.op]
  return interpreter(node, inputs)
}

function openStates(held: Map<string, tf.Tensor>): StateStore {
  const find = (name: string): tf.Tensor => {
    const found = held.get(name)
    if (!found) throw new Error(`no state ${name} has been set`)
    return found
  }
  const hold = (name: string, value: tf.Tensor): void => {
    held.get(name)?.dispose()
    held.set(name, value)
  }
  return {
    set(name, shape, data) {
      if (data.length !== sizeOf(shape)) throw new Error(`state ${name} [${shape}] was given ${data.length} values`)
      hold(name, tf.tensor(data.slice(), [...shape], 'float32'))
    },
    zero: (name, shape) => hold(name, tf.zeros([...shape])),
    get: async (name) => Float32Array.from(await find(name).data()),
    shape: (name) => find(name).shape,
    has: (name) => held.has(name),
    names: (prefix = '') => [...held.keys()].filter((name) => name.startsWith(prefix)).sort(),
    copy: (from, to) => hold(to, find(from).clone()),
    delete(name) {
      find(name).dispose()
      held.delete(name)
    },
    get bytes() {
      return [...held.values()].reduce((total, value) => total + value.size * 4, 0)
    },
  }
}
