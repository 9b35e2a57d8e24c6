import type { AlgorithmName } from '../../core/protocol/index.ts'
import type { AdamWOptions } from '../../lm/graph/index.ts'
import type { LoraConfig } from '../../lm/architectures/lora.ts'
import type { PpoBatchConfig } from './algorithms/ppo-batch.ts'
import type { PpoLossConfig } from './algorithms/ppo.ts'
import type { KlControl } from './kl.ts'
import type { RatePlan } from './schedule.ts'

/**
 * Everything that learning is set by. A setting has one name from the API to the loss. Those that a run chooses have
 * their defaults in core/protocol (trainer/loop/configuration.ts reads them), the others their values in fixed.ts.
 */
export interface LearnerConfig extends RatePlan, KlControl, PpoLossConfig, PpoBatchConfig {
  algorithm: AlgorithmName
  /** The algorithm's own settings, by its schema in core/protocol/algorithms.ts; what is absent has its default. */
  own: object
  /** Adapters to train in place of the whole model; null trains the model. */
  lora: LoraConfig | null
  /** Divides the logits when sampling and wherever a log-probability is taken. Above 0. */
  temperature: number
  /** Longest response, tokens. */
  maxNewTokens: number
  /** Passes over each batch. */
  ppoEpochs: number
  /** Rollouts per optimizer step; divides the rollouts of an update. */
  miniBatchSize: number
  /** Parts of a minibatch; divides `miniBatchSize`, into even parts for DPO. */
  gradientAccumulationSteps: number
  /** α: the share of the way to the base's weights that each update goes back, 0…1 (anchor.ts). */
  anchor: number
  /** Global norm; 0 does not clip. */
  maxGradNorm: number
  weightDecay: number
  adamBeta1: number
  adamBeta2: number
  adamEpsilon: number
  /** Approximate KL per token to the sampling policy at which an update's epochs stop early, nats; 0 disables this. */
  stopKL: number
}

/** The optimizer's settings by its own names. */
export function optimizerConfig(c: LearnerConfig): AdamWOptions {
  return {
    beta1: c.adamBeta1,
    beta2: c.adamBeta2,
    epsilon: c.adamEpsilon,
    weightDecay: c.weightDecay,
    maxGradientNorm: c.maxGradNorm,
  }
}
