import type { LearnerConfig } from './config.ts'
import { klCoefficientFor } from './kl.ts'

/**
 * PPO's settings, chosen with `scripts/study/offline.ts` on the demo model with a simulated crowd.
 * With a dozen steps to learn in, noise is what has to be kept out: a sequence of 30 tokens carries
 * one score, and what of a step is not signal is KL spent for nothing. What the API names has the
 * same default there (core/protocol/index.ts); a test holds the two together.
 */
export const LEARNER_DEFAULTS: LearnerConfig = {
  algorithm: 'ppo',
  own: {},
  lora: null,
  // The demo model reads 93 % whole and on topic at 0.7, 82 % at 1.
  temperature: 0.7,
  maxNewTokens: 64,
  learningRate: 1e-4,
  learningRateSchedule: 'constant',
  warmupSteps: 0,
  totalSteps: 1000,
  // With 128 rollouts: eight optimizer steps an update, fewer where the KL stop comes first.
  ppoEpochs: 2,
  miniBatchSize: 32,
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
  // An answer's tone is decided by its first words: a smaller λ keeps the score from reaching them.
  // The potentials (detail 27 of ppo.ts) are then a baseline that takes variance out.
  gaeLambda: 1,
  whitenRewards: false,
  whitenAdvantages: true,
  missingEosPenalty: 1,
  klCoefficient: klCoefficientFor(4),
  klControl: 'fixed',
  targetKL: 4,
  // With errors clipped at 0.2 β moves by 1 % a step at most, so that it follows the run and not a step's noise.
  klGain: 0.05,
  // Nats per token. An update of 30-token answers so spends about one nat at most.
  stopKL: 0.02,
}

/** How a run meets its crowd. */
export const LIVE_DEFAULTS = {
  /** Rollouts a step. */
  rollouts: 128,
  /** Of which the crowd sees so many. */
  shown: 16,
  /** λ */
  compassionWeight: 0.7,
}
