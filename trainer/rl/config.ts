import type { AdamWOptions } from '../../lm/graph/index.ts'
import type { LoraConfig } from '../../lm/architectures/lora.ts'
import type { DpoBatchConfig, PreferenceLabels } from './algorithms/dpo.ts'
import type { GrpoBatchConfig, GrpoLossConfig, GrpoLossType, RewardScale } from './algorithms/grpo.ts'
import type { KlControl } from './kl.ts'
import type { PpoLossConfig } from './algorithms/ppo.ts'
import type { PpoBatchConfig } from './algorithms/ppo-batch.ts'
import type { RatePlan, RateSchedule } from './schedule.ts'

/** All hyperparameters of the learner. Names are the API's where the API has one; defaults are in defaults.ts. */
export interface LearnerConfig {
  algorithm: 'ppo' | 'grpo' | 'dpo'
  /** Answers to each prompt: 1 for PPO, 2 or more for GRPO, an even number for DPO. */
  groupSize: number
  /** GRPO: the divisor of a difference from the group's mean. */
  scaleRewards: RewardScale
  /** GRPO: how a loss is averaged over tokens. */
  lossType: GrpoLossType
  /** DPO: soft or hard preference labels. */
  labels: PreferenceLabels
  /** Adapters to train in place of the whole model; null trains the model. */
  lora: LoraConfig | null
  /** Divides the logits when sampling and wherever a log-probability is taken. Above 0. */
  temperature: number
  /** Longest response, tokens. */
  maxNewTokens: number
  learningRate: number
  learningRateSchedule: RateSchedule
  /** Warm-up: updates over which the learning rate rises to its full value; 0 for none. */
  warmupSteps: number
  /** Updates over which a schedule decays; ignored by a constant one. */
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
   * Target for the mean sequence KL to the reference, nats: β follows from it (kl.ts), and the adaptive controller
   * steers towards it.
   */
  targetKL: number
  /** Gain of the adaptive controller: the change of log β per step and unit of error. */
  klGain: number
  /** Approximate KL per token to the sampling policy at which an update's epochs stop early, nats; 0 disables this. */
  stopKL: number
}

export function ppoLossConfig(c: LearnerConfig): PpoLossConfig {
  return {
    clipRange: c.clipRatio,
    valueClipRange: c.valueClipRatio,
    valueCoef: c.valueCoefficient,
    entropyCoef: c.entropyCoefficient,
  }
}

export function ppoBatchConfig(c: LearnerConfig): PpoBatchConfig {
  const { gamma, gaeLambda: lambda, whitenRewards, whitenAdvantages, missingEosPenalty } = c
  return { gamma, lambda, whitenRewards, whitenAdvantages, missingEosPenalty }
}

export function grpoLossConfig(c: LearnerConfig): GrpoLossConfig {
  return { clipRange: c.clipRatio, entropyCoef: c.entropyCoefficient, lossType: c.lossType, maxLength: c.maxNewTokens }
}

export function grpoBatchConfig({ groupSize, scaleRewards, missingEosPenalty }: LearnerConfig): GrpoBatchConfig {
  return { groupSize, scaleRewards, missingEosPenalty }
}

export function dpoBatchConfig({ groupSize, labels, missingEosPenalty }: LearnerConfig): DpoBatchConfig {
  return { groupSize, labels, missingEosPenalty }
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
