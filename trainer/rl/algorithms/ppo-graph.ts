import {
  add,
  cast,
  div,
  greater,
  maximum,
  minimum,
  mul,
  reduceSum,
  square,
  sub,
  type Tensor,
} from '../../../lm/graph/index.ts'
import type { PpoLoss, PpoLossConfig } from './ppo.ts'
import { surrogateGraph } from './surrogate-graph.ts'

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

/** `ppoLoss` of ppo.ts in graph operations. Scalars; those of the parts of a minibatch add up to those of the whole. */
export function ppoLossGraph(batch: PpoTensors, config: PpoLossConfig): Record<keyof PpoLoss, Tensor> {
  const mean = (x: Tensor): Tensor => div(reduceSum(mul(x, batch.mask)), batch.tokens)

  // A padded position's ratio would be of two arbitrary numbers: it is masked before the exponential, too.
  const logRatio = mul(sub(batch.newLogprobs, batch.oldLogprobs), batch.mask) // [B, R]
  const { loss, ratio, clipped } = surrogateGraph(logRatio, batch.advantages, config.clipRange)

  const low = sub(batch.oldValues, config.valueClipRange)
  const high = add(batch.oldValues, config.valueClipRange)
  const error = square(sub(batch.newValues, batch.returns)) // [B, R]
  const clippedError = square(sub(minimum(maximum(batch.newValues, low), high), batch.returns))

  const policyLoss = mean(loss)
  const valueLoss = mul(mean(maximum(error, clippedError)), 0.5)
  const entropy = mean(batch.entropies)
  return {
    policyLoss,
    valueLoss,
    entropy,
    totalLoss: sub(add(policyLoss, mul(valueLoss, config.valueCoef)), mul(entropy, config.entropyCoef)),
    approxKl: mul(mean(square(logRatio)), 0.5),
    clipFraction: mean(clipped),
    valueClipFraction: mean(cast(greater(clippedError, error), 'float32')),
    ratio: mean(ratio),
  }
}
