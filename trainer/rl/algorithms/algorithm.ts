/**
 * What algorithms differ in, and nothing else: sampling, the reference, minibatches and epochs,
 * accumulation, clipping, AdamW, the learning rate and the KL's controller are the learner's.
 */
import { constant, type Tensor } from '../../../lm/graph/index.ts'
import type { LearnerConfig } from '../config.ts'
import type { Prepared, Scored } from '../experience.ts'

/** An algorithm as the registry has it. */
export interface AlgorithmModule<Own> {
  /** Reads what it needs of the shared settings and its own. @throws RangeError or Error where they don't fit */
  open(config: LearnerConfig, own: Own): Steps
  /** What each metric that not every algorithm has means, and after the last semicolon its unit. */
  metrics: Readonly<Record<string, string>>
  /** The metrics that are the mean of a loss's statistic over an update's steps, by the statistic. */
  averages: Readonly<Record<string, string>>
}

/** An algorithm for one configuration. */
export interface Algorithm extends Steps {
  /** Whether a value head is trained beside the policy. */
  readonly valueHead: boolean
  /** Experiences that stay together in minibatches and their parts. */
  readonly rows: 1 | 2
}

export interface Steps {
  /** Pure: from a step's scored rollouts to the loss's inputs. */
  prepare(scored: readonly Scored[], klCoefficient: number): Prepared
  /** The loss of a micro-batch, and its statistics: scalars whose sum over a minibatch's parts is the minibatch's. */
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
  whole(name: 'tokens' | 'responses' | 'klCoefficient'): Tensor
}

/** What every loss reads. */
export const common = ({ newLogprobs, mask, column, whole }: LossInputs) => ({
  newLogprobs,
  mask,
  oldLogprobs: column('oldLogprobs'),
  tokens: whole('tokens'),
})

/** What a loss reads that holds the policy to its reference by itself, and not by the reward. */
export const towardsReference = ({ column, whole }: LossInputs) => ({
  referenceLogprobs: column('referenceLogprobs'),
  responses: whole('responses'),
  klCoefficient: whole('klCoefficient'),
})

/** Without a bonus the entropy has no gradient, and skipping it saves two arrays of the logits' size. */
export function entropiesFor({ entropies, mask }: LossInputs, { entropyCoefficient }: LearnerConfig): Tensor {
  return entropyCoefficient === 0 ? constant(0, mask.shape) : entropies()
}
