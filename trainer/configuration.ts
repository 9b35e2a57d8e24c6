import type { TrainingConfig } from '../server/protocol.ts'
import { REWARD_DEFAULTS } from './reward/defaults.ts'
import type { RewardModelConfig } from './reward/model.ts'
import type { LearnerConfig } from './rl/config.ts'
import { LEARNER_DEFAULTS } from './rl/defaults.ts'

/** What a session's configuration says to PPO; what the API does not name keeps its default. */
export function learnerConfig({ batchSize, learningRate, epochs, ppoConfig, live }: TrainingConfig): LearnerConfig {
  return {
    ...LEARNER_DEFAULTS,
    learningRate,
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
    klCoefficient: live.klCoefficient,
    klControl: live.adaptiveKl ? 'adaptive' : 'fixed',
    // The controller swings about its target; half of the configured ceiling keeps the swings under it.
    targetKL: ppoConfig.targetKL / 2,
    // The brake sees each update one step late: what is left is for that step.
    klCeiling: 0.8 * ppoConfig.targetKL,
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
