/** Matrix products in ONNX, in the form that suits each provider. */
import { sameShape, type Graph, type Tensor } from '../graph/index.ts'
import type { Emitter, Lowering } from './onnx-emitter.ts'

/** Its inputs are the two matrices and, where one was found (`biasedProducts`), the bias of its columns. */
type Product = Lowering<'matmul'>

/**
 * Sums of a product [rows, columns] that nothing else reads and a bias [columns]: one operation in ONNX. By the sum.
 */
export function biasedProducts(graph: Graph): Map<Tensor, Tensor<'matmul'>> {
  const readers = graph.readers()
  const found = new Map<Tensor, Tensor<'matmul'>>()
  for (const node of graph.nodes()) {
    const [product, bias] = node.inputs
    if (node.op !== 'add' || !product || !bias || !isProduct(product) || readers.get(product) !== 1) continue
    if (product.shape.length === 2 && sameShape(bias.shape, product.shape.slice(1))) found.set(node, product)
  }
  return found
}

const isProduct = (node: Tensor): node is Tensor<'matmul'> => node.op === 'matmul'

/**
 * The CPU has no float16 product: operands are widened, and the result is rounded once. ONNX Runtime would do so
 * by itself, but then removes its own casts together with the graph's, and all rounding with them.
 */
export const cpuProduct: Product = (e, node, inputs) => {
  if (node.dtype === 'float16')
    return e.cast(
      fused(
        e,
        node,
        inputs.map((half) => e.cast(half, 'float32')),
      ),
      'float16',
    )
  return isBetterTransposed(node, inputs.length === 3) ? transposed(e, node, inputs) : fused(e, node, inputs)
}

/** CUDA's sums of float16 products are in float32 (cuBLAS, by ONNX Runtime's default). */
export const cudaProduct: Product = fused

function fused(e: Emitter, node: Tensor<'matmul'>, inputs: string[]): string {
  const { transposeA, transposeB, alpha } = node.attributes
  const plain = !transposeA && !transposeB && alpha === 1
  if (plain && inputs.length === 2) return e.emit('MatMul', inputs)
  return node.shape.length === 2
    ? e.emit('Gemm', inputs, flagsOf(node))
    : e.emit('FusedMatMul', inputs, flagsOf(node), undefined, 'com.microsoft')
}

const flagsOf = ({ attributes: { transposeA, transposeB, alpha } }: Tensor<'matmul'>) => ({
  transA: { i: transposeA ? 1 : 0 },
  transB: { i: transposeB ? 1 : 0 },
  alpha: { f: alpha },
})

/**
 * x wᵀ as the transpose of w xᵀ. ONNX Runtime reads a product's first matrix in place and packs the second one into
 * panels first: a token's few rows should be the second, and a large weight, or a cache, the first.
 */
function transposed(e: Emitter, node: Tensor<'matmul'>, [x = '', weight = '', bias]: string[]): string {
  if (node.shape.at(-2) === 1) {
    // a row and a column have the same memory layout
    const column = e.emit('Reshape', [x, e.longs([...node.shape.slice(0, -2), innerSize(node), 1])])
    return e.emit('Reshape', [e.emit('MatMul', [weight, column]), e.longs(node.shape)])
  }
  const column = bias === undefined ? [] : [e.emit('Unsqueeze', [bias, e.longs([1])])] // [columns] -> [columns, 1]
  const product = e.emit('Gemm', [weight, x, ...column], flagsOf(node)) // [columns, rows]
  return e.emit('Transpose', [product], { perm: { ints: [1, 0] } })
}

/**
 * What counts as few rows. For two or three, transposing the result costs what it saves; for one, adding a bias
 * separately does.
 */
const [fewest, most] = [4, 64]

function isBetterTransposed(
  { shape, attributes: { transposeA, transposeB, alpha } }: Tensor<'matmul'>,
  biased: boolean,
): boolean {
  const [rows = 0, columns = 0] = shape.slice(-2)
  if (transposeA || !transposeB || columns < 4 * rows) return false
  return rows === 1 ? alpha === 1 && !biased : shape.length === 2 && rows >= fewest && rows <= most
}

/**
 * ONNX Runtime's WebGPU kernels of MatMul and Gemm accumulate float16 products in float16 (its option
 * `enableMatmulFp32Accumulation` is for MatMulNBits alone): 2,048 and further ones stay 2,048. So a long sum is split
 * into chunks, which are added in float32 (chunk-based accumulation, Wang et al. 2018).
 */
export const webgpuProduct: Product = (e, node, inputs) => {
  const inner = innerSize(node)
  if (node.dtype !== 'float16' || inner <= longestHalfSum) return transposedFirst(e, node, inputs)
  const parts = Array.from({ length: Math.ceil(inner / longestHalfSum) }, (_, i) => {
    const [start, end] = [i * longestHalfSum, Math.min(inner, (i + 1) * longestHalfSum)]
    return e.cast(
      transposedFirst(
        e,
        node,
        inputs.map((input, side) =>
          e.emit('Slice', [input, e.longs([start]), e.longs([end]), e.longs([innerAxis(node, side)])]),
        ),
      ),
      'float32',
    )
  })
  return e.cast(
    parts.reduce((sum, part) => e.emit('Add', [sum, part])),
    'float16',
  )
}

/** Products per chunk. The rounding error of such a sum is about 2⁻¹² √512, half a per cent. */
const longestHalfSum = 512

/** Without FusedMatMul. */
function transposedFirst(e: Emitter, node: Tensor<'matmul'>, inputs: string[]): string {
  const { transposeA, transposeB, alpha } = node.attributes
  if (node.shape.length === 2) return e.emit('Gemm', inputs, flagsOf(node))
  const [a, b] = [transposeA, transposeB].map((transposed, i) =>
    transposed ? exchanged(e, inputs[i] ?? '', node.shape.length) : (inputs[i] ?? ''),
  )
  const product = e.emit('MatMul', [a ?? '', b ?? ''])
  return alpha === 1 ? product : e.emit('Mul', [product, e.float(alpha)])
}

/** Its last two axes exchanged. */
function exchanged(e: Emitter, name: string, rank: number): string {
  const axes = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i))
  return e.emit('Transpose', [name], { perm: { ints: axes } })
}

/** The contracted axis of an operand. */
function innerAxis({ shape, attributes: { transposeA, transposeB } }: Tensor<'matmul'>, side: number): number {
  return shape.length - (side === 0 ? (transposeA ? 2 : 1) : transposeB ? 1 : 2)
}

function innerSize(node: Tensor<'matmul'>): number {
  const size = node.inputs[0]?.shape[innerAxis(node, 0)]
  if (size === undefined) throw new Error('a product has two operands')
  return size
}
