import type { RewardModelConfig } from './model.ts'

/**
 * Settings of the reward model that the API does not expose. Chosen with `scripts/study/offline.ts` on the demo model.
 */
export const REWARD_DEFAULTS: Omit<RewardModelConfig, 'categories' | 'compassionWeight'> = {
  members: 6,
  ridge: 1,
  priorDeviation: 0.5,
  pessimism: 0.5,
}

/** Lower bound of the normalisation's scale, in the value's unit [0, 1]. */
export const MIN_DEVIATION = 0.05
