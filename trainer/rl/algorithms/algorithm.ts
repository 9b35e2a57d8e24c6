/**
 * What differs between PPO, GRPO and DPO. Everything else (sampling, the reference, minibatches and epochs,
 * accumulation, clipping, AdamW, the learning rate and the KL controller) is the learner's.
 */
import { constant, exactDiv, type Tensor } from '../../../lm/graph/index.ts'
import {
  dpoBatchConfig,
  grpoBatchConfig,
  grpoLossConfig,
  ppoBatchConfig,
  ppoLossConfig,
  type LearnerConfig,
} from '../config.ts'
import { prepareDpo } from './dpo.ts'
import { dpoLossGraph } from './dpo-graph.ts'
import type { Prepared, Scored } from '../experience.ts'
import { prepareGrpo } from './grpo.ts'
import { grpoLossGraph } from './grpo-graph.ts'
import { preparePpo } from './ppo-batch.ts'
import { ppoLossGraph } from './ppo-graph.ts'

export interface Algorithm {
  /** Whether a value head is trained beside the policy. */
  readonly valueHead: boolean
  /** Experiences that stay together in minibatches and their parts. */
  readonly rows: 1 | 2
  /** Pure: from a step's scored rollouts to the loss's inputs. */
  prepare(scored: readonly Scored[], klCoef: number): Prepared
  /**
   * The loss of a micro-batch, and statistics by their names in metrics.ts: scalars whose sum over a minibatch's parts
   * is the minibatch's.
   */
  loss(inputs: LossInputs): LossTensors
}

export interface LossTensors {
  totalLoss: Tensor
  /** `½ mean (log π - log π_old)²` over tokens: what the KL stop reads. */
  approxKl: Tensor
  [statistic: string]: Tensor
}

/**
 * What a loss may read of a micro-batch of B rollouts and R response positions; inputs that it doesn't use are neither
 * computed nor fed.
 */
export interface LossInputs {
  /** log π of each response token under the policy being trained: [B, R]. */
  newLogprobs: Tensor
  /** 1 for a real response token, 0 for padding: [B, R]. */
  mask: Tensor
  /** The value head's output at each response token: [B, R]. */
  newValues(): Tensor
  /** The policy's entropy at each response token, nats: [B, R]. */
  entropies(): Tensor
  /** `Experience.columns` by name, padded with 0: [B, R]. */
  column(name: string): Tensor
  /** `Experience.scalars` by name: [B]. */
  scalar(name: string): Tensor
  /** Of the whole minibatch: real response tokens, responses; and β. Scalars. */
  whole(name: 'tokens' | 'responses' | 'klCoef'): Tensor
}

/** @throws RangeError or Error where the group size does not suit the algorithm. */
export function algorithmOf(config: LearnerConfig): Algorithm {
  switch (config.algorithm) {
    case 'ppo':
      return {
        valueHead: true,
        rows: 1,
        prepare: (scored, klCoef) => preparePpo(scored, klCoef, ppoBatchConfig(config)),
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
            ppoLossConfig(config),
          ),
      }
    case 'grpo':
      if (config.groupSize < 2)
        throw new RangeError(`groupSize is ${config.groupSize}: GRPO compares 2 answers to a prompt or more`)
      return {
        valueHead: false,
        rows: 1,
        prepare: (scored) => prepareGrpo(scored, grpoBatchConfig(config)),
        loss: (inputs) =>
          grpoLossGraph(
            {
              ...common(inputs),
              ...towardsReference(inputs),
              entropies: entropiesFor(inputs, config),
              advantages: inputs.column('advantages'),
            },
            grpoLossConfig(config),
          ),
      }
    case 'dpo':
      exactDiv(config.groupSize, 2, 'the answers to a prompt (groupSize) by pairs')
      return {
        valueHead: false,
        rows: 2,
        prepare: (scored) => prepareDpo(scored, dpoBatchConfig(config)),
        loss: (inputs) =>
          dpoLossGraph({ ...common(inputs), ...towardsReference(inputs), labels: inputs.scalar('label') }),
      }
  }
}

const common = ({ newLogprobs, mask, column, whole }: LossInputs) => ({
  newLogprobs,
  mask,
  oldLogprobs: column('oldLogprobs'),
  tokens: whole('tokens'),
})

const towardsReference = ({ column, whole }: LossInputs) => ({
  referenceLogprobs: column('referenceLogprobs'),
  responses: whole('responses'),
  klCoef: whole('klCoef'),
})

/** Without a bonus the entropy has no gradient, and skipping it saves two arrays of the logits' size. */
function entropiesFor({ entropies, mask }: LossInputs, { entropyCoefficient }: LearnerConfig): Tensor {
  return entropyCoefficient === 0 ? constant(0, mask.shape) : entropies()
}
