import { cast, clip, exp, greater, maximum, mul, type Tensor } from '../../../lm/graph/index.ts'

/** `surrogate` of surrogate.ts in graph operations: every tensor [B, R]. */
export function surrogateGraph(
  logRatio: Tensor,
  advantages: Tensor,
  clipRange: number,
): { loss: Tensor; ratio: Tensor; clipped: Tensor } {
  const ratio = exp(logRatio)
  const gain = mul(advantages, -1)
  const unclipped = mul(gain, ratio)
  const clipped = mul(gain, clip(ratio, 1 - clipRange, 1 + clipRange))
  return { loss: maximum(unclipped, clipped), ratio, clipped: cast(greater(clipped, unclipped), 'float32') }
}
