/** Scaled dot-product attention as one operation to differentiate. */
import { add, mul, sub } from './elementwise.ts'
import { matmul } from './linear.ts'
import { softmax } from './normalise.ts'
import { reduceSum } from './reduce.ts'
import { reshape, transpose } from './shape.ts'
import { exactDiv, tensor, type Tensor } from './tensor.ts'

/**
 * softmax(q kᵀ / √D + bias) v: q [B, H, T, D], k and v [B, K, S, D], bias broadcast to [B, H, T, S] and without
 * a gradient -> [B, H, T, D]. The H / K query heads that share a key head are batched as rows of one product, so no
 * key is repeated (Ainslie et al. 2023).
 *
 * The gradients of k and v are computed transposed: a product that transposes the narrow matrix is faster than one that
 * transposes the softmax, and the transpose merges with that of the heads.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor): Tensor {
  const [batch = 0, heads = 0, length = 0, depth = 0] = q.shape
  const [, shared = 0, span = 0] = k.shape
  const rows = exactDiv(heads, shared, 'query heads by key heads') * length
  const scale = 1 / Math.sqrt(depth)
  const grouped = (x: Tensor, width: number): Tensor => reshape(x, [batch, shared, rows, width])
  const spread = (x: Tensor): Tensor => reshape(x, [batch, heads, length, span])
  const exchanged = (x: Tensor): Tensor => transpose(x, [0, 1, 3, 2])

  // Not folded into the product as alpha: ONNX Runtime has no fast path for a single row, such as one token, with it.
  const queries = grouped(mul(q, scale), depth)
  const scores = matmul(queries, k, { transposeB: true }) // [B, K, H/K·T, S]
  const weights = softmax(add(spread(scores), bias)) // [B, H, T, S]
  const y = reshape(matmul(grouped(weights, span), v), q.shape)
  return tensor({
    op: 'identity',
    inputs: [y, q, k, v],
    attributes: {},
    shape: q.shape,
    backward: (dy) => {
      const slope = grouped(dy, depth)
      const weighted = mul(weights, spread(matmul(slope, v, { transposeB: true })))
      const dScores = grouped(sub(weighted, mul(weights, reduceSum(weighted, [-1], true))), span)
      return [
        null,
        reshape(matmul(dScores, k, { alpha: scale }), q.shape),
        exchanged(matmul(queries, dScores, { transposeA: true })), // [B, K, D, S] -> [B, K, S, D]
        exchanged(matmul(slope, grouped(weights, span), { transposeA: true })),
      ]
    },
  })
}
