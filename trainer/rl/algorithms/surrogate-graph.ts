import { cast, clip, exp, greater, maximum, mul, type Tensor } from '../../../lm/graph/index.ts'

/** `surrogate` of surrogate.ts in graph operations: every tensor [B, R]. */
export function surrogateGraph(
  logRatio: Tensor,
  advantages: Tensor,
  clipRatio: number,
): { loss: Tensor; ratio: Tensor; clipped: Tensor } {
  const ratio = exp(logRatio)
  const gain = mul(advantages, -1)
  const unclipped = mul(gain, ratio)
  const clipped = mul(gain, clip(ratio, 1 - clipRatio, 1 + clipRatio))
  return { loss: maximum(unclipped, clipped), ratio, clipped: cast(greater(clipped, unclipped), 'float32') }
}

/** The metrics of those that clip a surrogate. */
export const SURROGATE_METRICS = {
  'policy/clipfrac_avg': 'mean over steps of the share of tokens whose policy loss was clipped; 0…1',
  'policy/entropy_avg': 'mean over steps of the entropy in the loss; nats per token, 0 where there is no bonus',
  'val/ratio': 'mean over steps of the mean of π / π_old, 1 at the start of an update; no unit',
  'val/ratio_var': 'variance over steps of the mean of π / π_old; no unit',
} as const

export const SURROGATE_AVERAGES = {
  entropy: 'policy/entropy_avg',
  clipFraction: 'policy/clipfrac_avg',
  ratio: 'val/ratio',
} as const
