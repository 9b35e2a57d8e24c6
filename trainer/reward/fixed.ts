import type { RewardModelConfig } from './model.ts'

/** The reward model's settings that a run does not choose. Chosen with `scripts/study/offline.ts` on the demo model. */
export const FIXED = {
  members: 6,
  ridge: 1,
  priorDeviation: 0.5,
  pessimism: 0.5,
} as const satisfies Partial<RewardModelConfig>

/** Lower bound of the normalisation's scale, in the value's unit [0, 1]. */
export const MIN_DEVIATION = 0.05
