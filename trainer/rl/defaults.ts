import type { LearnerConfig } from './config.ts'

/**
 * PPO's settings, chosen with `scripts/study/offline.ts` on the demo model with a simulated crowd.
 * With twelve steps to learn in, noise is what has to be kept out: a sequence of 30 tokens carries
 * one score, and what of a step is not signal is KL spent for nothing.
 */
export const LEARNER_DEFAULTS: LearnerConfig = {
  temperature: 0.7,
  maxNewTokens: 56,
  // 3e-4 moves a 1.5 M-parameter model past the KL stop within two optimizer steps.
  learningRate: 1.5e-4,
  learningRateSchedule: 'constant',
  totalSteps: 1000,
  // With 64 rollouts: twelve optimizer steps an update, fewer where the KL stop comes first.
  ppoEpochs: 3,
  miniBatchSize: 16,
  gradientAccumulationSteps: 1,
  clipRatio: 0.2,
  // In deviations of the reference's rewards. lm-human-preferences' 0.2 would let the value head
  // cover one deviation in five updates; a run of twelve has not got them.
  valueClipRatio: 5,
  valueCoefficient: 0.1,
  entropyCoefficient: 0,
  maxGradNorm: 1,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.95,
  adamEpsilon: 1e-5,
  gamma: 1,
  // Below 1, because potentials (detail 27 of ppo.ts) bring credit to the tokens that earn it: after
  // ten tokens they already explain about half of the reward's variance.
  gaeLambda: 0.9,
  whitenRewards: false,
  whitenAdvantages: true,
  missingEosPenalty: 1,
  klCoefficient: 0.05,
  klControl: 'adaptive',
  targetKL: 6,
  // Acts within a few steps of 64 rollouts.
  klHorizon: 300,
  // Nats per token. An update of 30-token answers so spends about one nat at most.
  stopKL: 0.04,
}

/** How a run meets its crowd. */
export const LIVE_DEFAULTS = {
  /** Rollouts a step. */
  rollouts: 64,
  /** Of which the crowd sees so many. */
  shown: 16,
  /** λ */
  compassionWeight: 0.7,
}
