/** Matrix products. */
import { broadcastShapes, sameShape, tensor, type Shape, type Tensor } from './tensor.ts'
import { add } from './elementwise.ts'
import { broadcastTo, reshape } from './shape.ts'

export interface MatmulOptions {
  /** Transposes a (or b) over its last two axes, at no cost. */
  transposeA?: boolean
  transposeB?: boolean
  /** A factor on the product. */
  alpha?: number
}

/**
 * `alpha · a b` over the last two axes. Leading axes are batch axes and broadcast;
 * a two-axis `b` is one matrix for every row of `a`. Of two float16 matrices it is float16.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, alpha = 1 } = options
  if (a.dtype !== b.dtype) throw new Error(`matmul: ${a.dtype} and ${b.dtype} do not mix; cast one of them`)
  if (a.shape.length > 2 && b.shape.length === 2 && !transposeA) {
    const flat = reshape(a, [-1, last(a.shape, 1)]) // [..., K] -> [rows, K]
    const product = matmul(flat, b, options)
    return reshape(product, [...a.shape.slice(0, -1), last(product.shape, 1)])
  }
  const batch = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2))
  const x = broadcastTo(a, [...batch, ...a.shape.slice(-2)])
  const y = broadcastTo(b, [...batch, ...b.shape.slice(-2)])
  const [rows, inner] = transposeA ? [last(x.shape, 1), last(x.shape, 2)] : [last(x.shape, 2), last(x.shape, 1)]
  const [depth, columns] = transposeB ? [last(y.shape, 1), last(y.shape, 2)] : [last(y.shape, 2), last(y.shape, 1)]
  if (inner !== depth)
    throw new Error(
      `matmul: [${a.shape}]${transposeA ? 'ᵀ' : ''} and [${b.shape}]${transposeB ? 'ᵀ' : ''} do not multiply`,
    )
  return tensor({
    op: 'matmul',
    inputs: [x, y],
    attributes: { transposeA, transposeB, alpha },
    shape: [...batch, rows, columns],
    dtype: a.dtype,
    backward: (dy) => [
      transposeA
        ? matmul(y, dy, { transposeA: transposeB, transposeB: true, alpha })
        : matmul(dy, y, { transposeB: !transposeB, alpha }),
      transposeB
        ? matmul(dy, x, { transposeA: true, transposeB: transposeA, alpha })
        : matmul(x, dy, { transposeA: !transposeA, alpha }),
    ],
  })
}

/** `x w + b`: x [..., in], w [in, out] (or, `transposed`, [out, in]), b [out] or none. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null, { transposed = false } = {}): Tensor {
  const width = last(weight.shape, transposed ? 2 : 1)
  if (bias && !sameShape(bias.shape, [width]))
    throw new Error(`linear: bias [${bias.shape}] does not fit weight [${weight.shape}]`)
  const flat = reshape(x, [-1, last(x.shape, 1)]) // [..., in] -> [rows, in]
  const product = matmul(flat, weight, { transposeB: transposed })
  return reshape(bias ? add(product, bias) : product, [...x.shape.slice(0, -1), width])
}

function last(shape: Shape, back: number): number {
  const size = shape[shape.length - back]
  if (size === undefined) throw new Error(`matmul: [${shape}] is not a matrix`)
  return size
}
