import { add, clip, cast, div, exp, greater, maximum, minimum, mul, reduceSum, square, sub, type Tensor } from '../graph/index.ts'
import type { PpoLossConfig } from './ppo.ts'

/** One micro-batch, padded: every tensor [B, R], R response positions. */
export interface PpoTensors {
  newLogprobs: Tensor
  oldLogprobs: Tensor
  newValues: Tensor
  oldValues: Tensor
  advantages: Tensor
  returns: Tensor
  /** Of the policy at each position, nats. */
  entropies: Tensor
  /** 1 for a real response token, 0 for padding. Padded entries of the others must be finite. */
  mask: Tensor
  /** Scalar: real tokens of the whole minibatch, of which this may be a part. */
  tokens: Tensor
}

/** Scalars, as in `PpoLoss`; those of the parts of a minibatch add up to those of the whole. */
export interface PpoLossTensors {
  policyLoss: Tensor
  valueLoss: Tensor
  entropy: Tensor
  totalLoss: Tensor
  approxKl: Tensor
  clipFraction: Tensor
  valueClipFraction: Tensor
  ratio: Tensor
}

/** `ppoLoss` of ppo.ts in graph operations. */
export function ppoLossGraph(batch: PpoTensors, config: PpoLossConfig): PpoLossTensors {
  const mean = (x: Tensor): Tensor => div(reduceSum(mul(x, batch.mask)), batch.tokens)
  const share = (holds: Tensor): Tensor => mean(cast(holds, 'float32'))

  // A padded position's ratio would be of two arbitrary numbers: it is masked before the exponential, too.
  const logRatio = mul(sub(batch.newLogprobs, batch.oldLogprobs), batch.mask) // [B, R]
  const ratio = exp(logRatio)
  const gain = mul(batch.advantages, -1)
  const unclipped = mul(gain, ratio)
  const clipped = mul(gain, clip(ratio, 1 - config.clipRange, 1 + config.clipRange))

  const low = sub(batch.oldValues, config.valueClipRange)
  const high = add(batch.oldValues, config.valueClipRange)
  const error = square(sub(batch.newValues, batch.returns)) // [B, R]
  const clippedError = square(sub(minimum(maximum(batch.newValues, low), high), batch.returns))

  const policyLoss = mean(maximum(unclipped, clipped))
  const valueLoss = mul(mean(maximum(error, clippedError)), 0.5)
  const entropy = mean(batch.entropies)
  return {
    policyLoss,
    valueLoss,
    entropy,
    totalLoss: sub(add(policyLoss, mul(valueLoss, config.valueCoef)), mul(entropy, config.entropyCoef)),
    approxKl: mul(mean(square(logRatio)), 0.5),
    clipFraction: share(greater(clipped, unclipped)),
    valueClipFraction: share(greater(clippedError, error)),
    ratio: mean(ratio),
  }
}
