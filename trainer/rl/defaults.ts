import type { LearnerConfig } from './config.ts'

/** Chosen with `scripts/study/offline.ts` on the demo model. */
export const LEARNER_DEFAULTS: LearnerConfig = {
  temperature: 1,
  maxNewTokens: 56,
  learningRate: 1e-4,
  learningRateSchedule: 'constant',
  totalSteps: 1000,
  ppoEpochs: 3,
  miniBatchSize: 16,
  gradientAccumulationSteps: 1,
  clipRatio: 0.2,
  valueClipRatio: 5,
  valueCoefficient: 0.1,
  entropyCoefficient: 0,
  maxGradNorm: 1,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.95,
  adamEpsilon: 1e-5,
  gamma: 1,
  gaeLambda: 0.9,
  whitenRewards: false,
  whitenAdvantages: true,
  missingEosPenalty: 1,
  klCoefficient: 0.03,
  klControl: 'fixed',
  targetKL: 10,
  klHorizon: 1000,
  stopKL: 0.03,
}

/** How a run meets its crowd. */
export const LIVE_DEFAULTS = {
  /** Rollouts a step. */
  rollouts: 64,
  /** Of which the crowd sees so many. */
  shown: 16,
  /** λ */
  compassionWeight: 0.6,
}
