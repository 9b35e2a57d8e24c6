/** Lowers a graph of the symbolic language to ONNX, one table entry per operation. */
import { type Graph, type Tensor } from '../graph/index.ts'
import type { Device } from './engine.ts'
import { bytesOf, type OnnxGraph } from './onnx-format.ts'
import { Emitter, type Table } from './onnx-emitter.ts'
import { cudaLowerings, sumRows, webgpuLowerings } from './onnx-lowering-gpu.ts'
import { biasedProducts, cpuProduct } from './onnx-matmul.ts'

export interface Lowered {
  onnx: OnnxGraph
  /** Graph input, state, output and update names, and the ONNX values that carry them. */
  inputs: Map<string, string>
  states: Map<string, string>
  outputs: Map<string, string>
  updates: Map<string, string>
}

/** The graph in operations that the device's provider supports. */
export function lower(graph: Graph, device: Device): Lowered {
  const table: Table = {
    ...lowerings,
    ...(device === 'webgpu' ? webgpuLowerings : device === 'cuda' ? cudaLowerings : {}),
  }
  const emitter = new Emitter()
  const lowered: Lowered = {
    onnx: emitter.graph,
    inputs: new Map(),
    states: new Map(),
    outputs: new Map(),
    updates: new Map(),
  }
  const biased = biasedProducts(graph)
  const folded = new Set<Tensor>(biased.values())
  for (const node of graph.nodes()) {
    if (folded.has(node)) continue
    const product = biased.get(node)
    if (product) emitter.lowerBiased(node, product, table)
    else emitter.lower(node, table)
    if (node.op !== 'input' && node.op !== 'state') continue
    if (!('name' in node.attributes)) throw new Error(`${node.op} without a name`)
    const value = emitter.nameOf(node)
    emitter.graph.inputs.push({ name: value, dtype: node.dtype, shape: node.shape })
    lowered[node.op === 'input' ? 'inputs' : 'states'].set(node.attributes.name, value)
  }
  const given = new Set<string>()
  for (const kind of ['outputs', 'updates'] as const) {
    for (const [name, node] of graph[kind]) {
      // ONNX requires every output to be computed by a node, under a unique name.
      const own = emitter.nameOf(node)
      const value = isLeaf(node) || given.has(own) ? emitter.emit('Identity', [own]) : own
      given.add(value)
      emitter.graph.outputs.push({ name: value, dtype: node.dtype, shape: node.shape })
      lowered[kind].set(name, value)
    }
  }
  return lowered
}

function isLeaf({ op }: Tensor): boolean {
  return op === 'input' || op === 'state' || op === 'constant'
}

/** An operation that maps to one ONNX operator. */
const same =
  (opType: string, domain = '') =>
  (e: Emitter, _: unknown, inputs: string[]): string =>
    e.emit(opType, inputs, {}, undefined, domain)
const leaf = (e: Emitter): string => e.fresh()
const reduction =
  (opType: string) =>
  (e: Emitter, { attributes }: Tensor<'reduceSum' | 'reduceMean' | 'reduceMax'>, [x = '']: string[]): string =>
    e.emit(opType, [x, e.longs(attributes.axes)], { keepdims: { i: attributes.keepDims ? 1 : 0 } })

/** Every (b, h), repeated `count` times, in row-major order: [B, H, n, 2]. */
function grid(batch: number, heads: number, count: number): BigInt64Array {
  return BigInt64Array.from({ length: 2 * batch * heads * count }, (_, i) => {
    const pair = Math.floor(i / 2 / count)
    return BigInt(i % 2 === 0 ? Math.floor(pair / heads) : pair % heads)
  })
}

/**
 * Up to this many table rows, a product with one-hot ids is faster than ONNX Runtime's scatter, which is
 * single-threaded.
 */
const fewRows = 512

const lowerings: Table = {
  input: leaf,
  state: leaf,
  constant: (e, node) => e.constant(node.dtype, node.shape, bytesOf(node.attributes.data)),
  neg: same('Neg'),
  exp: same('Exp'),
  log: same('Log'),
  sqrt: same('Sqrt'),
  reciprocal: same('Reciprocal'),
  abs: same('Abs'),
  tanh: same('Tanh'),
  sigmoid: same('Sigmoid'),
  relu: same('Relu'),
  softplus: same('Softplus'),
  sin: same('Sin'),
  cos: same('Cos'),
  gelu: (e, node, [x = '']) => {
    if (node.shape.length > 0) return e.emit('FastGelu', [x], {}, undefined, 'com.microsoft')
    // FastGelu takes no scalar.
    return e.emit('Squeeze', [
      e.emit('FastGelu', [e.emit('Unsqueeze', [x, e.longs([0])])], {}, undefined, 'com.microsoft'),
    ])
  },
  add: same('Add'),
  sub: same('Sub'),
  mul: same('Mul'),
  div: same('Div'),
  minimum: same('Min'),
  maximum: same('Max'),
  less: same('Less'),
  greater: same('Greater'),
  equal: same('Equal'),
  and: same('And'),
  or: same('Or'),
  not: same('Not'),
  where: same('Where'),
  cast: (e, node, [x = '']) => e.cast(x, node.dtype),
  clip: (e, { attributes }, [x = '']) => e.emit('Clip', [x, e.float(attributes.min), e.float(attributes.max)]),
  identity: (e, _, [x = '']) => e.emit('Identity', [x]),
  reshape: (e, node, [x = '']) => e.emit('Reshape', [x, e.longs(node.shape)], { allowzero: { i: 1 } }),
  broadcastTo: (e, node, [x = '']) => e.emit('Expand', [x, e.longs(node.shape)]),
  transpose: (e, { attributes }, [x = '']) => e.emit('Transpose', [x], { perm: { ints: attributes.permutation } }),
  concat: (e, { attributes }, inputs) => e.emit('Concat', inputs, { axis: { i: attributes.axis } }),
  slice: (e, { attributes }, [x = '']) => e.emit('Slice', [x, e.longs(attributes.starts), e.longs(attributes.ends)]),
  pad: (e, { attributes }, [x = '']) => e.emit('Pad', [x, e.longs([...attributes.before, ...attributes.after])]),
  reduceSum: reduction('ReduceSum'),
  reduceMean: reduction('ReduceMean'),
  reduceMax: reduction('ReduceMax'),
  argMax: (e, _, [x = '']) => e.cast(e.emit('ArgMax', [x], { axis: { i: -1 }, keepdims: { i: 0 } }), 'int32'),
  matmul: cpuProduct,
  gather: same('Gather'),
  scatterAddRows: (e, node, [ids = '', values = '']) => {
    if (node.attributes.rows <= fewRows) return sumRows(e, node, [ids, values])
    // Not ScatterND: with more than one thread ONNX Runtime's adds to one row race, and sums are lost.
    const rows = e.emit('Expand', [e.emit('Unsqueeze', [ids, e.longs([1])]), e.longs(node.inputs[1]?.shape ?? [])]) // [N] -> [N, C]
    return e.emit('ScatterElements', [e.zeros('float32', node.shape), rows, values], {
      axis: { i: 0 },
      reduction: { s: 'add' },
    })
  },
  takeAlong: (e, _, [x = '', ids = '']) => {
    const columns = e.emit('Unsqueeze', [ids, e.longs([-1])]) // [...] -> [..., 1]
    return e.emit('Squeeze', [e.emit('GatherElements', [x, columns], { axis: { i: -1 } }), e.longs([-1])])
  },
  addAlong: (e, _, [x = '', values = '', ids = '']) => {
    const [columns = '', entries = ''] = [ids, values].map((name) => e.emit('Unsqueeze', [name, e.longs([-1])])) // [...] -> [..., 1]
    return e.emit('ScatterElements', [x, columns, entries], { axis: { i: -1 }, reduction: { s: 'add' } })
  },
  writeRows: (e, node, [cache = '', rows = '', positions = '']) => {
    const [batch = 0, heads = 0, count = 0] = node.inputs[1]?.shape ?? []
    // A model writes to many caches at the same positions.
    const indices = e.once(`rows ${batch}x${heads}x${count} at ${positions}`, () => {
      const outer = e.constant('int64', [batch, heads, count, 2], bytesOf(grid(batch, heads, count)))
      const offsets = e.longs(
        Array.from({ length: count }, (_, n) => n),
        [1, 1, count, 1],
      )
      const start = e.emit('Reshape', [e.cast(positions, 'int64'), e.longs([batch, 1, 1, 1])]) // [B] -> [B, 1, 1, 1]
      const rowsOfAll = e.emit('Expand', [e.emit('Add', [offsets, start]), e.longs([batch, heads, count, 1])])
      return e.emit('Concat', [outer, rowsOfAll], { axis: { i: -1 } }) // [B, H, n, 3]
    })
    return e.emit('ScatterND', [cache, indices, rows])
  },
  softmax: (e, _, inputs) => e.emit('Softmax', inputs, { axis: { i: -1 } }),
  logSoftmax: (e, _, inputs) => e.emit('LogSoftmax', inputs, { axis: { i: -1 } }),
  layerNorm: (e, { attributes }, inputs) => {
    const y = e.fresh()
    return e.emitMany('LayerNormalization', inputs, { axis: { i: -1 }, epsilon: { f: attributes.epsilon } }, [
      y,
      `${y}.mean`,
      `${y}.inverseDeviation`,
    ])
  },
  layerNormMoment: (_, { attributes }, [y = '']) => `${y}.${attributes.moment}`,
}
