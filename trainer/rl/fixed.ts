import type { LearnerConfig } from './config.ts'

/**
 * What a run does not choose. With a dozen steps to learn in, noise is what has to be kept out: a sequence of 30 tokens
 * carries one score, and what of a step is not signal is KL spent for nothing. Like the defaults of what a run does
 * choose (core/protocol/configuration.ts) these were chosen with `scripts/study/offline.ts` on the demo model with a
 * simulated crowd.
 */
export const FIXED = {
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.95,
  adamEpsilon: 1e-5,
  gamma: 1,
  // An answer's tone is decided by its first words: a smaller λ keeps the score from reaching them.
  // The potentials (detail 27 of ppo.ts) are then a baseline that reduces variance.
  gaeLambda: 1,
  whitenRewards: false,
  whitenAdvantages: true,
  missingEosPenalty: 1,
  // With errors clipped at 0.2 β moves by 1 % a step at most, so that it follows the run and not a step's noise.
  klGain: 0.05,
  // Nats per token. An update of 30-token answers so spends about one nat at most.
  stopKL: 0.02,
} as const satisfies Partial<LearnerConfig>
