/**
 * An engine is three things: it compiles a graph; it runs it on named inputs;
 * it holds named state (weights, optimizer moments, caches) on the device
 * between runs. It knows nothing of models.
 */
import {
  hostType,
  sizeOf,
  type Graph,
  type HostType,
  type Shape,
  type Tensor,
  type TensorData,
} from '../graph/index.ts'

export type Device = 'cpu' | 'webgpu' | 'cuda'
/** The precision of matrix products; everything else is float32. */
export type Precision = 'float32' | 'float16'

/** Values by input name; a number is a scalar, a plain array is converted to the input's type. */
export type Feeds = Readonly<Record<string, TensorData | readonly number[] | number>>

/** Arrays for float32 outputs, by name, so that a loop which reads each result once allocates none. */
export type Into = Readonly<Record<string, Float32Array>>

export interface Engine {
  /** What runs the graphs, e.g. `onnxruntime cpu` or `onnxruntime webgpu float16`. */
  readonly name: string
  readonly device: Device
  readonly precision: Precision
  /** State shared by every program of this engine, by name. */
  readonly states: StateStore
  /** In the engine's precision, or in float32 where the caller insists on it. */
  compile(graph: Graph, precision?: 'float32'): Promise<Program>
  /** Frees every program and every state. */
  close(): Promise<void>
}

export interface Program {
  /**
   * Runs once. A missing, unknown or wrongly sized feed throws with its name, and so does a
   * state that was never set. State updates take effect together when the run ends. An output
   * that `into` names is written there; the caller reads it before the next run overwrites it.
   */
  run(feeds: Feeds, into?: Into): Promise<Outputs>
  /**
   * The same compiled graph on other states: `rename` maps each state name of the graph to
   * the name it is held under, e.g. `name => 'reference/' + name`.
   */
  withStates(rename: (name: string) => string): Program
  /** Frees the compiled graph (for every renamed view of it too). */
  dispose(): Promise<void>
}

/** A run's results by output name; asking for an unknown name or another type throws. */
export interface Outputs {
  readonly names: readonly string[]
  float32(name: string): Float32Array
  int32(name: string): Int32Array
  scalar(name: string): number
  shape(name: string): Shape
}

export interface StateStore {
  /** Creates or replaces a state; the data are copied. */
  set(name: string, shape: Shape, data: Float32Array): void
  /** Creates or replaces a state with zeros. */
  zero(name: string, shape: Shape): void
  /** A copy of a state's values. */
  get(name: string): Promise<Float32Array>
  shape(name: string): Shape
  has(name: string): boolean
  /** Names that begin with `prefix`, sorted. */
  names(prefix?: string): string[]
  /** Copies the values of one state into another, creating it. */
  copy(from: string, to: string): void
  /** Frees a state; unknown names throw. */
  delete(name: string): void
  /** Bytes that all states hold, working copies included. */
  readonly bytes: number
}

/** What serialising a model needs. */
export type StateReader = Pick<StateStore, 'get'>

export interface HostTensor {
  readonly dtype: HostType
  readonly shape: Shape
  readonly data: TensorData
}

/** Every input, checked against the graph's and in its type. */
export function checkFeeds(inputs: ReadonlyMap<string, Tensor>, feeds: Feeds): Map<string, TensorData> {
  for (const name of Object.keys(feeds)) if (!inputs.has(name)) throw new Error(`run: the graph has no input ${name}`)
  return new Map(
    [...inputs].map(([name, tensor]) => {
      const [dtype, shape] = [hostType(tensor), tensor.shape]
      const feed = feeds[name]
      if (feed === undefined) throw new Error(`run: input ${name} is missing`)
      const values = typeof feed === 'number' ? [feed] : feed
      if (values.length !== sizeOf(shape))
        throw new Error(`run: input ${name} [${shape}] was fed ${values.length} values`)
      const type = arrayType(dtype)
      if (values instanceof type) return [name, values]
      if (Array.isArray(values)) return [name, type.from(values)]
      throw new Error(`run: input ${name} is ${dtype}, and was fed a ${values.constructor.name}`)
    }),
  )
}

/** The array that an output goes to: the one in `into`, checked, or a new one. */
export function arrayFor(name: string, { dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>, into: Into): TensorData {
  const given = into[name]
  if (!given) return new (arrayType(dtype))(sizeOf(shape))
  if (dtype !== 'float32' || given.length !== sizeOf(shape))
    throw new Error(`run: output ${name} is ${dtype} [${shape}], and was given ${given.length} float32 places`)
  return given
}

export function arrayType(dtype: HostType): Float32ArrayConstructor | Int32ArrayConstructor | Uint8ArrayConstructor {
  return dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array
}

/** Results on the host as `Outputs`. */
export function outputsOf(results: ReadonlyMap<string, HostTensor>): Outputs {
  const result = (name: string): HostTensor => {
    const found = results.get(name)
    if (!found) throw new Error(`the graph has no output ${name}`)
    return found
  }
  const float32 = (name: string): Float32Array => {
    const { data, dtype } = result(name)
    if (data instanceof Float32Array) return data
    throw new Error(`output ${name} is ${dtype}, not float32`)
  }
  return {
    names: [...results.keys()],
    float32,
    int32(name) {
      const { data, dtype } = result(name)
      if (data instanceof Int32Array) return data
      throw new Error(`output ${name} is ${dtype}, not int32`)
    },
    scalar(name) {
      const [value, ...rest] = result(name).data
      if (value === undefined || rest.length > 0)
        throw new Error(`output ${name} [${result(name).shape}] is not a scalar`)
      return value
    },
    shape: (name) => result(name).shape,
  }
}

/** The graph's leaves of one kind, by name. */
export function leavesOf(graph: Graph, kind: 'input' | 'state'): Map<string, Tensor> {
  const found = new Map<string, Tensor>()
  for (const node of graph.nodes()) {
    if (node.op === kind && 'name' in node.attributes) found.set(node.attributes.name, node)
  }
  return found
}
