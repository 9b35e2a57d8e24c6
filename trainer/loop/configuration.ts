import { type TrainingConfig, ownConfig } from '../../core/protocol/index.ts'
import { FIXED as REWARD } from '../reward/fixed.ts'
import type { RewardModelConfig } from '../reward/model.ts'
import type { LearnerConfig } from '../rl/config.ts'
import { FIXED } from '../rl/fixed.ts'
import { klCoefficientFor } from '../rl/kl.ts'

/** The learner's part of a session's configuration: all that a run chooses, defaults included, comes from it. */
export function learnerConfig(config: TrainingConfig): LearnerConfig {
  const { batchSize, epochs, ppoConfig, live } = config
  return {
    ...FIXED,
    algorithm: config.algorithm,
    own: ownConfig(config),
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
    anchor: ppoConfig.anchor,
    maxGradNorm: ppoConfig.maxGradNorm,
    klCoefficient: live.klCoefficient ?? klCoefficientFor(ppoConfig.targetKL),
    adaptiveKl: live.adaptiveKl,
    targetKL: ppoConfig.targetKL,
  }
}

/** … and to the reward model. */
export function rewardModelConfig({ rewardModel, live }: TrainingConfig): RewardModelConfig {
  return {
    ...REWARD,
    categories: Object.fromEntries(live.categories.map(({ name, weight }) => [name, weight])),
    compassionWeight: rewardModel.compassionWeight,
  }
}
