import { add, div, exp, mul, reduceSum, square, sub, type Tensor } from '../../../lm/graph/index.ts'
import type { AlgorithmConfig } from '../../../core/protocol/index.ts'
import { type AlgorithmModule, common, entropiesFor, towardsReference } from './algorithm.ts'
import { type GrpoLoss, type GrpoLossConfig, prepareGrpo } from './grpo.ts'
import { SURROGATE_AVERAGES, SURROGATE_METRICS, surrogateGraph } from './surrogate-graph.ts'

/** One micro-batch, padded: every tensor [B, R] unless it says otherwise, R response positions. */
export interface GrpoTensors {
  newLogprobs: Tensor
  oldLogprobs: Tensor
  referenceLogprobs: Tensor
  advantages: Tensor
  /** Of the policy at each position, nats. */
  entropies: Tensor
  /**
   * 1 for a real response token, 0 for padding; one real token or more a row. Padded entries of the others must be
   * finite.
   */
  mask: Tensor
  /** Scalars: real tokens and responses of the whole minibatch, of which this may be a part. */
  tokens: Tensor
  responses: Tensor
  /** Scalar: β. */
  klCoefficient: Tensor
}

/**
 * `grpoLoss` of grpo.ts in graph operations. Scalars; those of the parts of a minibatch add up to those of the whole.
 */
export function grpoLossGraph(batch: GrpoTensors, config: GrpoLossConfig): Record<keyof GrpoLoss, Tensor> {
  const { mask, tokens } = batch
  const mean = (x: Tensor): Tensor => div(reduceSum(mul(x, mask)), tokens)
  const share = shares(batch, config) // broadcasts to [B, R]
  const weighed = (x: Tensor): Tensor => reduceSum(mul(x, share))

  // Padded positions hold arbitrary numbers: they are masked before any exponential.
  const logRatio = mul(sub(batch.newLogprobs, batch.oldLogprobs), mask) // [B, R]
  const distance = mul(sub(batch.referenceLogprobs, batch.newLogprobs), mask)
  const { loss, ratio, clipped } = surrogateGraph(logRatio, batch.advantages, config.clipRatio)

  const policyLoss = weighed(loss)
  const klLoss = weighed(sub(sub(exp(distance), distance), 1))
  const entropy = mean(batch.entropies)
  return {
    policyLoss,
    klLoss,
    entropy,
    totalLoss: sub(add(policyLoss, mul(klLoss, batch.klCoefficient)), mul(entropy, config.entropyCoefficient)),
    approxKl: mul(mean(square(logRatio)), 0.5),
    clipFraction: mean(clipped),
    ratio: mean(ratio),
  }
}

/** The weight of a token's loss in the sum; 0 for padding: [B, R]. */
function shares({ mask, tokens, responses }: GrpoTensors, { lossType, maxNewTokens }: GrpoLossConfig): Tensor {
  switch (lossType) {
    case 'grpo':
      return div(mask, mul(reduceSum(mask, [1], true), responses))
    case 'dapo':
      return div(mask, tokens)
    case 'dr_grpo':
      return div(mask, mul(responses, maxNewTokens))
  }
}

export const grpo: AlgorithmModule<AlgorithmConfig<'grpo'>> = {
  open(config, own) {
    const settings = { ...config, ...own }
    return {
      prepare: (scored) => prepareGrpo(scored, settings),
      loss: (inputs) =>
        grpoLossGraph(
          {
            ...common(inputs),
            ...towardsReference(inputs),
            entropies: entropiesFor(inputs, config),
            advantages: inputs.column('advantages'),
          },
          settings,
        ),
    }
  },
  metrics: {
    ...SURROGATE_METRICS,
    'loss/kl_avg': 'mean over steps of the k3 estimate of the KL to the reference in the loss; nats per token',
    reward_std: 'mean over groups of the deviation of their scores; deviations of the reference’s scores',
    frac_reward_zero_std: 'share of groups whose answers all score the same; 0…1',
  },
  averages: { ...SURROGATE_AVERAGES, klLoss: 'loss/kl_avg' },
}
