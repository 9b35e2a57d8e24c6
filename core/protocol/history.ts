/** The steps that a run keeps, and the ways back to them: rollbacks and branches. */
import { z } from 'zod'
import { SessionId } from './pieces.ts'
import { EvaluationConfig, LiveConfig, PPOConfig, RewardModelConfig, TrainingConfig } from './configuration.ts'
import { TrainingMetrics } from './sessions.ts'
import { limits } from './limits.ts'

/** A committed step whose weights are on disk: a run can be taken back to it, and another branch from it. */
export const KeptStep = z.object({
  step: z.int(),
  policyVersion: z.int(),
  metrics: TrainingMetrics,
  /** Its evaluation, if there was one after it. */
  evaluation: TrainingMetrics.nullable(),
  /**
   * Which of `checkpoints` keep it, `gate` that its weights answer while later ones are
   * held back, `rollback` that the run was taken back to it. None:
   * it will be deleted with the next step.
   */
  keptBy: z.array(z.enum(['last', 'every', 'best', 'gate', 'rollback'])),
  bytes: z.int(),
  /** The run was taken back to before it. */
  setAside: z.boolean(),
  /** The run continues from it. */
  current: z.boolean(),
  timestamp: z.iso.datetime(),
})
export type KeptStep = z.infer<typeof KeptStep>

export const RunHistory = z.object({
  /** Newest first. */
  kept: z.array(KeptStep),
  /** Oldest first. */
  rollbacks: z.array(z.object({ atStep: z.int(), toStep: z.int(), by: z.string(), timestamp: z.iso.datetime() })),
  /** Where the run branched from; `sessionId` null if that run is gone. */
  origin: z
    .object({ sessionId: SessionId.nullable(), step: z.int(), by: z.string(), timestamp: z.iso.datetime() })
    .nullable(),
})
export type RunHistory = z.infer<typeof RunHistory>

/** To a kept step. */
export const Rollback = z.object({
  step: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
})

/** A setting as a branch may change it: without its default, since what is absent stays as it is in the origin. */
const changed = <T extends z.ZodType>(setting: { unwrap: () => T }): z.ZodOptional<T> => setting.unwrap().optional()

const { shape: run } = TrainingConfig
const { shape: reward } = RewardModelConfig
const { shape: constraints } = reward.ethicalConstraints.unwrap()
const { shape: update } = PPOConfig
const { shape: live } = LiveConfig
const { shape: evaluation } = EvaluationConfig

/**
 * What a branch may change: settings that the weights, the optimizer's state, the reward model and the reference's
 * outputs in a checkpoint do not depend on. The others (model, algorithm, adapters, seed, categories, sampling, prompts)
 * would make it another run.
 */
export const BranchSettings = z.object({
  learningRate: changed(run.learningRate),
  learningRateSchedule: changed(run.learningRateSchedule),
  warmupSteps: changed(run.warmupSteps),
  epochs: changed(run.epochs),
  rewardModel: z
    .object({
      compassionWeight: changed(reward.compassionWeight),
      shrinkage: changed(reward.shrinkage),
      lengthBonus: changed(reward.lengthBonus),
      ethicalConstraints: z
        .object({
          maxHarmScore: changed(constraints.maxHarmScore),
          minCompassionScore: changed(constraints.minCompassionScore),
          prohibitedTopics: changed(constraints.prohibitedTopics),
        })
        .optional(),
    })
    .optional(),
  ppoConfig: z
    .object({
      clipRatio: changed(update.clipRatio),
      valueClipRatio: changed(update.valueClipRatio),
      entropyCoefficient: changed(update.entropyCoefficient),
      valueCoefficient: changed(update.valueCoefficient),
      maxGradNorm: changed(update.maxGradNorm),
      ppoEpochs: changed(update.ppoEpochs),
      targetKL: changed(update.targetKL),
    })
    .optional(),
  live: z
    .object({
      shownPerStep: changed(live.shownPerStep),
      votingWindowSeconds: changed(live.votingWindowSeconds),
      minVotes: changed(live.minVotes),
      minVotesPerStep: changed(live.minVotesPerStep),
      klCoefficient: live.klCoefficient,
      adaptiveKl: changed(live.adaptiveKl),
      freeTexts: changed(live.freeTexts),
      secondsPerAnswer: changed(live.secondsPerAnswer),
      tags: changed(live.tags),
    })
    .optional(),
  evaluation: z
    .object({
      every: changed(evaluation.every),
      gate: changed(evaluation.gate),
      tolerance: changed(evaluation.tolerance),
    })
    .optional(),
})
export type BranchSettings = z.output<typeof BranchSettings>

export const Branch = z.object({
  step: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
  title: z.string().trim().min(1).max(limits.titleChars).optional(),
  overrides: BranchSettings.optional(),
})
export type Branch = z.output<typeof Branch>
