/** Operations that are lowered differently on a GPU. */
import { sameShape, type OpName, type Tensor } from '../graph/index.ts'
import { bytesOf } from './onnx-format.ts'
import type { Emitter, Lowering } from './onnx-emitter.ts'
import { cudaProduct, webgpuProduct } from './onnx-matmul.ts'

type Forms = { [K in OpName]?: Lowering<K> }

/** What ONNX Runtime's WebGPU provider lacks, expressed in operations that it has, so that no run falls back to the CPU. */
export const webgpuLowerings: Forms = {
  // WGSL guarantees 2⁻¹¹ within ±π and nothing beyond, and rotary angles go far beyond.
  sin: (e, _, [x = '']) => cosine(e, x, Math.PI / 2),
  cos: (e, _, [x = '']) => cosine(e, x, 0),
  and: (e, node, inputs) => e.emit('And', alike(e, node, inputs)),
  or: (e, node, inputs) =>
    e.emit('Not', [
      e.emit(
        'And',
        alike(e, node, inputs).map((x) => e.emit('Not', [x])),
      ),
    ]),
  // Only ArgMax's int64 is missing: computed as the smallest column that holds the maximum.
  argMax: (e, node, [x = '']) => {
    const width = node.inputs[0]?.shape.at(-1) ?? 0
    const most = e.emit('ReduceMax', [x, e.longs([-1])], { keepdims: { i: 1 } })
    const columns = e.emit('Where', [
      e.emit('Equal', [x, most]),
      range(e, width),
      e.constant('int32', [], bytesOf(Int32Array.of(width))),
    ])
    return e.emit('ReduceMin', [columns, e.longs([-1])], { keepdims: { i: 0 } })
  },
  matmul: webgpuProduct,
  // Slice takes float32 alone.
  slice: (e, node, [x = '']) => {
    const { starts, ends } = node.attributes
    if (node.dtype === 'float32') return e.emit('Slice', [x, e.longs(starts), e.longs(ends)])
    return starts.reduce((from, start, axis) => {
      const [whole, kept] = [node.inputs[0]?.shape[axis], (ends[axis] ?? 0) - start]
      return kept === whole ? from : e.emit('Gather', [from, range(e, kept, start)], { axis: { i: axis } })
    }, x)
  },
  scatterAddRows: sumRows,
  // ScatterND is sequential over its rows here.
  writeRows: (e, node, [cache = '', rows = '', positions = '']) => {
    const [, , count = 0] = node.inputs[1]?.shape ?? []
    const at = e.emit('Add', [
      e.emit('Unsqueeze', [positions, e.longs([1, 2, 3])]),
      e.emit('Unsqueeze', [range(e, count), e.longs([0, 1, 3])]),
    ]) // [B, 1, n, 1]
    const indices = e.emit('Expand', [at, e.longs(node.inputs[1]?.shape ?? [])]) // -> [B, H, n, D]
    return e.emit('ScatterElements', [cache, indices, rows], { axis: { i: 2 } })
  },
  logSoftmax: (e, _, [x = '']) => {
    const over = { keepdims: { i: 1 } }
    const lowered = e.emit('Sub', [x, e.emit('ReduceMax', [x, e.longs([-1])], over)])
    return e.emit('Sub', [
      lowered,
      e.emit('Log', [e.emit('ReduceSum', [e.emit('Exp', [lowered]), e.longs([-1])], over)]),
    ])
  },
}

export const cudaLowerings: Forms = { scatterAddRows: sumRows, matmul: cudaProduct }

/** The sum of rows as a product with their one-hot form: additions without atomics, so always in one order. */
export function sumRows(e: Emitter, node: Tensor<'scatterAddRows'>, [ids = '', values = '']: string[]): string {
  const chosen = e.emit('Equal', [
    e.emit('Unsqueeze', [ids, e.longs([1])]),
    e.emit('Unsqueeze', [range(e, node.attributes.rows), e.longs([0])]),
  ])
  return e.emit('Gemm', [e.cast(chosen, 'float32'), values], { transA: { i: 1 } }) // [N, rows]ᵀ [N, C] -> [rows, C]
}

/**
 * cos(x - behind) for |x| up to 2¹⁴, to 1e-6: argument reduction in three parts, then 1 - 2 sin²(h) of half of what
 * is left, with Taylor's series.
 */
function cosine(e: Emitter, x: string, behind: number): string {
  const by =
    (opType: 'Add' | 'Mul' | 'Sub') =>
    (a: string, b: string | number): string =>
      e.emit(opType, [a, typeof b === 'number' ? e.float(b) : b])
  const [add, mul, sub] = [by('Add'), by('Mul'), by('Sub')]
  const turns = e.emit('Floor', [add(mul(x, 1 / (2 * Math.PI)), 0.5 - behind / (2 * Math.PI))])
  // The first two have few enough bits for their products with whole numbers to be exact (Cody & Waite 1980).
  const [coarse, fine] = [6.28125, 4_059 / 2 ** 21]
  const left = [coarse, fine, 2 * Math.PI - coarse - fine].reduce((rest, part) => sub(rest, mul(turns, part)), x)
  const half = mul(behind === 0 ? left : sub(left, behind), 0.5) // within a quarter turn
  const square = mul(half, half)
  const ratio = [1 / 362_880, -1 / 5_040, 1 / 120, -1 / 6, 1].reduce(
    (sum, term) => add(mul(square, sum), term),
    e.float(-1 / 39_916_800),
  )
  const sine = mul(half, ratio)
  return add(mul(mul(sine, sine), -2), 1)
}

/** Both in the result's shape: And broadcasts the one side by a shader that was cached for the other. */
function alike(e: Emitter, { inputs, shape }: Tensor, names: string[]): string[] {
  return names.map((name, i) =>
    sameShape(inputs[i]?.shape ?? [], shape) ? name : e.emit('Expand', [name, e.longs(shape)]),
  )
}

function range(e: Emitter, size: number, start = 0): string {
  return e.constant('int32', [size], bytesOf(Int32Array.from({ length: size }, (_, i) => start + i)))
}
