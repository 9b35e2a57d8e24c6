import type { AlgorithmName } from '../../core/protocol/index.ts'
import type { AdamWOptions } from '../../lm/graph/index.ts'
import type { LoraConfig } from '../../lm/architectures/lora.ts'
import type { KlControl } from './kl.ts'
import type { RatePlan, RateSchedule } from './schedule.ts'

/** Everything that learning is set by. Names are the API's where the API has one; defaults are in defaults.ts. */
export interface LearnerConfig {
  algorithm: AlgorithmName
  /** The algorithm's own settings, by its schema in core/protocol/algorithms.ts; what is absent has its default. */
  own: object
  /** Adapters to train in place of the whole model; null trains the model. */
  lora: LoraConfig | null
  /** Divides the logits when sampling and wherever a log-probability is taken. Above 0. */
  temperature: number
  /** Longest response, tokens. */
  maxNewTokens: number
  learningRate: number
  learningRateSchedule: RateSchedule
  /** Updates over which the learning rate rises to its full value; 0 begins with it. */
  warmupSteps: number
  /** Updates by which a falling schedule has fallen; ignored by a constant one. */
  totalSteps: number
  /** Passes over each batch. */
  ppoEpochs: number
  /** Rollouts per optimizer step; divides the rollouts of an update. */
  miniBatchSize: number
  /** Parts of a minibatch; divides `miniBatchSize`, into even parts for DPO. */
  gradientAccumulationSteps: number
  /** ε */
  clipRatio: number
  /** ε_v */
  valueClipRatio: number
  valueCoefficient: number
  entropyCoefficient: number
  /** Global norm; 0 does not clip. */
  maxGradNorm: number
  weightDecay: number
  adamBeta1: number
  adamBeta2: number
  adamEpsilon: number
  /** γ */
  gamma: number
  /** λ of GAE. */
  gaeLambda: number
  whitenRewards: boolean
  whitenAdvantages: boolean
  /** In deviations of the normalised score. */
  missingEosPenalty: number
  /** β at the start of the run. */
  klCoefficient: number
  klControl: 'fixed' | 'adaptive'
  /**
   * Mean sequence KL to the reference that the run is to settle about, nats: β follows from it (kl.ts), and the
   * adaptive controller steers to it.
   */
  targetKL: number
  /** How much of its error the adaptive controller makes good in a step, in logarithms of β. */
  klGain: number
  /** Approximate KL per token to the sampling policy at which an update's epochs end, nats; 0 never ends them. */
  stopKL: number
}

export function optimizerConfig(c: LearnerConfig): AdamWOptions {
  return {
    beta1: c.adamBeta1,
    beta2: c.adamBeta2,
    epsilon: c.adamEpsilon,
    weightDecay: c.weightDecay,
    maxGradientNorm: c.maxGradNorm,
  }
}

export function ratePlan({
  learningRate: rate,
  learningRateSchedule: schedule,
  warmupSteps,
  totalSteps,
}: LearnerConfig): RatePlan {
  return { rate, schedule, warmupSteps, totalSteps }
}

export function klControl(c: LearnerConfig): KlControl {
  return c.klControl === 'fixed'
    ? { kind: 'fixed', coef: c.klCoefficient }
    : { kind: 'adaptive', coef: c.klCoefficient, target: c.targetKL, gain: c.klGain }
}
