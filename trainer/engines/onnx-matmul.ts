/** Products of matrices in ONNX, as each provider has them. */
import type { Tensor } from '../graph/index.ts'
import type { Emitter, Lowering } from './onnx-lowering.ts'

type Product = Lowering<'matmul'>

/**
 * The CPU multiplies no float16: its halves are widened, and the product is rounded once. ONNX Runtime would do so
 * by itself, but then takes its own casts away together with the graph's, and all rounding with them.
 */
export const cpuProduct: Product = (e, node, inputs) =>
  node.dtype === 'float16' ? e.cast(fused(e, node, inputs.map(half => e.cast(half, 'float32'))), 'float16') : fused(e, node, inputs)

/** CUDA's sums of float16 products are in float32 (cuBLAS, by ONNX Runtime's default). */
export const cudaProduct: Product = fused

function fused(e: Emitter, node: Tensor<'matmul'>, inputs: string[]): string {
  const { transposeA, transposeB, alpha } = node.attributes
  if (!transposeA && !transposeB && alpha === 1) return e.emit('MatMul', inputs)
  const flags = { transA: { i: transposeA ? 1 : 0 }, transB: { i: transposeB ? 1 : 0 }, alpha: { f: alpha } }
  return node.shape.length === 2 ? e.emit('Gemm', inputs, flags) : e.emit('FusedMatMul', inputs, flags, undefined, 'com.microsoft')
}

/**
 * ONNX Runtime's WebGPU kernels of MatMul and Gemm add float16 products up in float16 (its option
 * `enableMatmulFp32Accumulation` is for MatMulNBits alone): 2,048 and further ones stay 2,048. So a long sum is made
 * of parts, themselves added in float32 (chunk-based accumulation, Wang et al. 2018).
 */
export const webgpuProduct: Product = (e, node, inputs) => {
  const inner = innerSize(node)
  if (node.dtype !== 'float16' || inner <= longestHalfSum) return transposedFirst(e, node, inputs)
  const parts = Array.from({ length: Math.ceil(inner / longestHalfSum) }, (_, i) => {
    const [start, end] = [i * longestHalfSum, Math.min(inner, (i + 1) * longestHalfSum)]
    return e.cast(transposedFirst(e, node, inputs.map((input, side) => e.emit('Slice', [input, e.longs([start]), e.longs([end]), e.longs([innerAxis(node, side)])]))), 'float32')
  })
  return e.cast(parts.reduce((sum, part) => e.emit('Add', [sum, part])), 'float16')
}

/** Products. Rounding is off by about 2⁻¹² √512, half a per cent, of such a sum. */
const longestHalfSum = 512

/** Without FusedMatMul. */
function transposedFirst(e: Emitter, node: Tensor<'matmul'>, inputs: string[]): string {
  const { transposeA, transposeB, alpha } = node.attributes
  if (node.shape.length === 2) return e.emit('Gemm', inputs, { transA: { i: transposeA ? 1 : 0 }, transB: { i: transposeB ? 1 : 0 }, alpha: { f: alpha } })
  const [a, b] = [transposeA, transposeB].map((transposed, i) => transposed ? exchanged(e, inputs[i] ?? '', node.shape.length) : inputs[i] ?? '')
  const product = e.emit('MatMul', [a ?? '', b ?? ''])
  return alpha === 1 ? product : e.emit('Mul', [product, e.float(alpha)])
}

/** Its last two axes exchanged. */
function exchanged(e: Emitter, name: string, rank: number): string {
  const axes = Array.from({ length: rank }, (_, i) => i < rank - 2 ? i : 2 * rank - 3 - i)
  return e.emit('Transpose', [name], { perm: { ints: axes } })
}

/** The axis of a side along which is summed. */
function innerAxis({ shape, attributes: { transposeA, transposeB } }: Tensor<'matmul'>, side: number): number {
  return shape.length - (side === 0 ? transposeA ? 2 : 1 : transposeB ? 1 : 2)
}

function innerSize(node: Tensor<'matmul'>): number {
  const size = node.inputs[0]?.shape[innerAxis(node, 0)]
  if (size === undefined) throw new Error('a product has two sides')
  return size
}
