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
import type { AlgorithmConfig } from '../../../core/protocol/index.ts'
import { type AlgorithmModule, common, entropiesFor } from './algorithm.ts'
import type { PpoLoss, PpoLossConfig } from './ppo.ts'
import { preparePpo } from './ppo-batch.ts'
import { SURROGATE_AVERAGES, SURROGATE_METRICS, surrogateGraph } from './surrogate-graph.ts'

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
  const { loss, ratio, clipped } = surrogateGraph(logRatio, batch.advantages, config.clipRatio)

  const low = sub(batch.oldValues, config.valueClipRatio)
  const high = add(batch.oldValues, config.valueClipRatio)
  const error = square(sub(batch.newValues, batch.returns)) // [B, R]
  const clippedError = square(sub(minimum(maximum(batch.newValues, low), high), batch.returns))

  const policyLoss = mean(loss)
  const valueLoss = mul(mean(maximum(error, clippedError)), 0.5)
  const entropy = mean(batch.entropies)
  return {
    policyLoss,
    valueLoss,
    entropy,
    totalLoss: sub(add(policyLoss, mul(valueLoss, config.valueCoefficient)), mul(entropy, config.entropyCoefficient)),
    approxKl: mul(mean(square(logRatio)), 0.5),
    clipFraction: mean(clipped),
    valueClipFraction: mean(cast(greater(clippedError, error), 'float32')),
    ratio: mean(ratio),
  }
}

export const ppo: AlgorithmModule<AlgorithmConfig<'ppo'>> = {
  open: (config) => ({
    prepare: (scored, klCoefficient) => preparePpo(scored, klCoefficient, config),
    loss: (inputs) =>
      ppoLossGraph(
        {
          ...common(inputs),
          entropies: entropiesFor(inputs, config),
          newValues: inputs.newValues(),
          oldValues: inputs.column('oldValues'),
          advantages: inputs.column('advantages'),
          returns: inputs.column('returns'),
        },
        config,
      ),
  }),
  metrics: {
    ...SURROGATE_METRICS,
    'loss/value_avg': 'mean over steps of the clipped value loss; squared deviations',
    'val/clipfrac_avg': 'mean over steps of the share of tokens whose value loss was clipped; 0…1',
    'val/explained_variance':
      '1 - var(returns - values) / var(returns) before the update, 1 perfect and 0 useless; no unit, at most 1',
  },
  averages: { ...SURROGATE_AVERAGES, valueLoss: 'loss/value_avg', valueClipFraction: 'val/clipfrac_avg' },
}
