import type { TrainingConfig } from '../../core/protocol/index.ts'
import { REWARD_DEFAULTS } from '../reward/defaults.ts'
import type { RewardModelConfig } from '../reward/model.ts'
import type { LearnerConfig } from '../rl/config.ts'
import { LEARNER_DEFAULTS } from '../rl/defaults.ts'
import { klCoefficientFor } from '../rl/kl.ts'

/** What a session's configuration says to the learner; what the API does not name keeps its default. */
export function learnerConfig(config: TrainingConfig): LearnerConfig {
  const { batchSize, epochs, ppoConfig, grpoConfig, dpoConfig, live } = config
  return {
    ...LEARNER_DEFAULTS,
    algorithm: config.algorithm,
    groupSize: groupSize(config),
    scaleRewards: grpoConfig.scaleRewards,
    lossType: grpoConfig.lossType,
    labels: dpoConfig.labels,
    lora: config.loraConfig.rank > 0 ? config.loraConfig : null,
    learningRate: config.learningRate,
    learningRateSchedule: config.learningRateSchedule,
    warmupSteps: config.warmupSteps,
    gradientAccumulationSteps: config.gradientAccumulationSteps,
    totalSteps: epochs,
    temperature: live.temperature,
    maxNewTokens: live.maxNewTokens,
    ppoEpochs: ppoConfig.ppoEpochs,
    miniBatchSize: Math.min(batchSize, ppoConfig.miniBatchSize),
    clipRatio: ppoConfig.clipRatio,
    valueClipRatio: ppoConfig.valueClipRatio,
    valueCoefficient: ppoConfig.valueCoefficient,
    entropyCoefficient: ppoConfig.entropyCoefficient,
    maxGradNorm: ppoConfig.maxGradNorm,
    klCoefficient: live.klCoefficient ?? klCoefficientFor(ppoConfig.targetKL),
    klControl: live.adaptiveKl ? 'adaptive' : 'fixed',
    targetKL: ppoConfig.targetKL,
  }
}

/** Answers to each prompt of a step. */
export function groupSize({ algorithm, grpoConfig, dpoConfig }: TrainingConfig): number {
  switch (algorithm) {
    case 'ppo':
      return 1
    case 'grpo':
      return grpoConfig.groupSize
    case 'dpo':
      return dpoConfig.groupSize
  }
}

/** … and to the reward model. */
export function rewardModelConfig({ rewardModel, live }: TrainingConfig): RewardModelConfig {
  return {
    ...REWARD_DEFAULTS,
    categories: Object.fromEntries(live.categories.map(({ name, weight }) => [name, weight])),
    compassionWeight: rewardModel.compassionWeight,
  }
}
