import {
  add,
  cast,
  div,
  exactDiv,
  greater,
  mul,
  neg,
  reduceSum,
  reshape,
  slice,
  softplus,
  square,
  sub,
  type Tensor,
} from '../../../lm/graph/index.ts'
import type { AlgorithmConfig } from '../../../core/protocol/index.ts'
import { type AlgorithmModule, common, towardsReference } from './algorithm.ts'
import { type DpoLoss, prepareDpo } from './dpo.ts'

/**
 * One micro-batch of whole pairs, padded: every tensor [B, R] unless it says otherwise; rows 2i and 2i + 1 are pair i's
 * chosen and rejected answer.
 */
export interface DpoTensors {
  newLogprobs: Tensor
  oldLogprobs: Tensor
  referenceLogprobs: Tensor
  /** Of each row's pair: the probability that the chosen answer is better, [B]. */
  labels: Tensor
  /** Of each row's pair: how much it counts in the loss, [B]. */
  weights: Tensor
  /** 1 for a real response token, 0 for padding. Padded entries of the others must be finite. */
  mask: Tensor
  /** Scalars: real tokens and responses of the whole minibatch, of which this may be a part. */
  tokens: Tensor
  responses: Tensor
  /** Scalar: β. */
  klCoefficient: Tensor
}

/** `dpoLoss` of dpo.ts in graph operations. Scalars; those of the parts of a minibatch add up to those of the whole. */
export function dpoLossGraph(batch: DpoTensors): Record<keyof DpoLoss, Tensor> {
  const { newLogprobs, oldLogprobs, referenceLogprobs, mask, klCoefficient } = batch
  const [rows = 0] = mask.shape
  const pairs = exactDiv(rows, 2, 'responses by pairs')
  const mean = (x: Tensor): Tensor => div(reduceSum(x), mul(batch.responses, 0.5))
  const side = (x: Tensor, k: 0 | 1): Tensor => slice(reshape(x, [pairs, 2]), 1, k, k + 1) // [B] -> [B/2, 1]

  const implied = mul(reduceSum(mul(sub(newLogprobs, referenceLogprobs), mask), [1]), klCoefficient) // [B, R] -> [B]
  const label = side(batch.labels, 0)
  const margin = sub(side(implied, 0), side(implied, 1)) // [B/2, 1]
  // -p log σ(m) - (1 - p) log σ(-m) = log(1 + e^-m) + (1 - p) m
  const policyLoss = mean(mul(side(batch.weights, 0), add(softplus(neg(margin)), mul(sub(1, label), margin))))
  return {
    policyLoss,
    totalLoss: div(policyLoss, klCoefficient),
    chosenReward: mean(side(implied, 0)),
    rejectedReward: mean(side(implied, 1)),
    margin: mean(margin),
    accuracy: mean(cast(greater(margin, 0), 'float32')),
    approxKl: mul(div(reduceSum(mul(square(sub(newLogprobs, oldLogprobs)), mask)), batch.tokens), 0.5),
  }
}

export const dpo: AlgorithmModule<AlgorithmConfig<'dpo'>> = {
  open: ({ missingEosPenalty }, own) => ({
    prepare: (scored) => prepareDpo(scored, { ...own, missingEosPenalty }),
    loss: (inputs) =>
      dpoLossGraph({
        ...common(inputs),
        ...towardsReference(inputs),
        labels: inputs.scalar('label'),
        weights: inputs.scalar('weight'),
      }),
  }),
  metrics: {
    'rewards/chosen':
      'mean over steps of the reward that the policy implies for the better answers, β Σ_t (log π - log π_ref); same unit as the score',
    'rewards/rejected': 'the same for the worse answers; same unit as the score',
    'rewards/margins': 'mean over steps of rewards/chosen - rewards/rejected; same unit as the score',
    'rewards/accuracies': 'mean over steps of the share of pairs with a positive difference; 0…1',
    'rewards/label': 'mean probability with which the better answer of a pair is held to be better; ½…1',
  },
  averages: {
    chosenReward: 'rewards/chosen',
    rejectedReward: 'rewards/rejected',
    margin: 'rewards/margins',
    accuracy: 'rewards/accuracies',
  },
}
