import type { RewardModelConfig } from './model.ts'

/** The reward model's settings that a run does not choose. Chosen with `scripts/study/offline.ts` on the demo model. */
export const FIXED = {
  ridge: 1,
  // People's votes on one answer differ by 0.14 or so in value, three times that as a logit, and a linear model
  // misses by about as much.
  noiseVariance: 0.5,
  noiseAnswers: 10,
  pessimism: 0.5,
} as const satisfies Partial<RewardModelConfig>

/** The latest votes that the reward model is fitted to: with more, what a fit costs would grow with the run. */
export const VOTES_KEPT = 1_500

/** Lower bound of the normalisation's scale, in the value's unit [0, 1]. */
export const MIN_DEVIATION = 0.05
