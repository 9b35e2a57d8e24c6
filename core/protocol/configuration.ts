/** The configuration of a run. Defaults are defined here and nowhere else. */
import { z } from 'zod'
import { list, name, unit } from './pieces.ts'
import { Audience } from './invites.ts'
import { type AlgorithmName, algorithmConfigs, algorithmNames, factsOf, groupSizeOf, ownConfig } from './algorithms.ts'
import { limits } from './limits.ts'

export const RewardModelConfig = z.object({
  type: z.enum(['human', 'ai', 'hybrid']).default('human'),
  modelPath: z.string().optional(),
  humanFeedbackWeight: z.number().min(0).default(1),
  aiRewardWeight: z.number().min(0).default(0),
  /** λ: how much of a vote is compassion. */
  compassionWeight: unit.default(0.7),
  /** κ: how many votes the reward model's prediction counts for at most, where it is certain. */
  shrinkage: z.number().min(0).default(1),
  /** A vote counts half in what the reward model learns from once this many others have come, votes. */
  voteHalfLife: z.number().min(1).max(1_000_000).default(300),
  /**
   * What trains where people's tastes differ: the largest taste; each by its people; or for every answer what the taste
   * gives that likes it least.
   */
  tastes: z.enum(['majority', 'proportional', 'worst-off']).default('majority'),
  /**
   * Whether a taste that only opposes the largest counts like any other. Votes can't tell an enemy from an opposite, so
   * until the researcher accepts it, it weighs nothing.
   */
  acceptOpposition: z.boolean().default(false),
  /** Whether no head of the reward model may fall below the reference policy's own level while others rise. */
  floors: z.boolean().default(true),
  /**
   * Added to the reward per standard deviation by which an answer is longer than the reference's mean, in the unit
   * of a vote's value; negative values favour short ones.
   */
  lengthBonus: z.number().min(-1).max(1).default(0),
  ethicalConstraints: z
    .object({
      maxHarmScore: unit.default(1),
      minCompassionScore: unit.default(0),
      biasThresholds: z.record(z.string(), z.number()).default({}),
      prohibitedTopics: list.default([]),
      requiredDisclosures: list.default([]),
    })
    .prefault({}),
})

export const PPOConfig = z.object({
  clipRatio: z.number().gt(0).max(1).default(0.2),
  valueClipRatio: z.number().gt(0).max(100).default(5),
  entropyCoefficient: z.number().min(0).default(0),
  valueCoefficient: z.number().min(0).default(0.1),
  maxGradNorm: z.number().gt(0).default(1),
  anchor: unit
    .default(0.01)
    .describe(
      'The share of the way back to the base model’s weights that each update goes, whatever the algorithm: it keeps what the run does not ask about, such as how readable answers to other prompts are. 0 leaves the weights where the optimizer put them.',
    ),
  ppoEpochs: z.int().min(1).max(16).default(2),
  /** Answers in each update; a smaller batch is one update. It divides the batch. */
  miniBatchSize: z.int().min(1).max(512).default(32),
  targetKL: z
    .number()
    .gt(0)
    .default(4)
    .describe(
      'The mean KL to the reference policy that the run settles about, nats per response, whatever its algorithm. The KL coefficient follows from it as 1 / √(2 · targetKL), unless live.klCoefficient gives one. Beside that it is what live.adaptiveKl steers to; with adaptiveKl false the given coefficient stands, and this is stored and not read.',
    ),
})

/** Low-rank adapters, trained in place of the whole model. */
export const LoRAConfig = z.object({
  /** 0 trains every parameter. */
  rank: z.int().min(0).max(1_024).default(0),
  /** The adapters' output is multiplied by alpha / rank … */
  alpha: z.number().gt(0).max(4_096).default(32),
  /** … or, rank-stabilised, by alpha / √rank. */
  rankStabilised: z.boolean().default(false),
  /** Ends of the names of the projections that get one, such as `q_proj`; `all-linear` for all of them. */
  targets: z.array(name).min(1).max(64).default(['all-linear']),
})

export const DatasetConfig = z.object({
  type: z.enum(['conversation', 'instruction', 'preference', 'multimodal']).default('conversation'),
  sources: z.array(z.string()).default([]),
  preprocessing: z
    .object({
      tokenizer: z.string().default('model'),
      maxLength: z.int().min(8).max(4096).default(128),
      padding: z.boolean().default(true),
      truncation: z.boolean().default(true),
      specialTokens: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
  augmentation: z.record(z.string(), z.unknown()).optional(),
})

/** How a run interacts with its crowd: Attune's addition to the seed's configuration. */
export const LiveConfig = z.object({
  title: z.string().trim().min(1).max(limits.titleChars).optional(),
  /** Who may see the session, and who may vote. Its owner can change it later. */
  audience: Audience.default('public'),
  /** Answers that the crowd has before it at any time. */
  shownPerStep: z.int().min(1).max(256).default(16),
  candidates: z
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe(
      'Answers that are sampled for each one that is shown: people see the one that may be the best, by what the reward model believes and how sure it is of it. Fewer votes teach the same so; but what is shown is better than what the model says on average. 1 shows what was sampled.',
    ),
  /** Voting on an answer closes once it has this many votes … */
  minVotes: z.int().min(1).max(1000).default(3),
  /** … or after this long, seconds, if people have voted on others since. */
  votingWindowSeconds: z.number().min(1).max(3600).default(60),
  /** A step waits for this many new votes: with nobody there, the run does not advance. */
  minVotesPerStep: z.int().min(0).default(1),
  maxNewTokens: z.int().min(1).max(1024).default(64),
  temperature: z.number().gt(0).max(2).default(0.7),
  klCoefficient: z
    .number()
    .min(0)
    .optional()
    .describe(
      'β, score per nat: how strongly the policy is held to the reference. Without it β follows from ppoConfig.targetKL; with it, β is this, or begins at it where adaptiveKl is true.',
    ),
  adaptiveKl: z
    .boolean()
    .default(false)
    .describe(
      'Lets β move, by 1 % a step at most and within half and twice its start, so that the KL comes to ppoConfig.targetKL.',
    ),
  seed: z.int().min(0).default(1),
  /** What raters score, besides the rating itself. */
  categories: z
    .array(z.object({ name, weight: z.number().min(0).max(2).default(1) }))
    .max(limits.listItems)
    .default([{ name: 'helpfulness', weight: 1 }]),
  freeCategories: z.boolean().default(false),
  /**
   * Whether people may vote on texts that the session never produced. Such votes teach the reward model, within a
   * bounded share.
   */
  freeTexts: z.boolean().default(true),
  /**
   * Nobody is paid for more answers than they could rate in the time, each taking this long: 3,600 divided by it per
   * hour, over all sessions.
   */
  secondsPerAnswer: z
    .int()
    .min(limits.secondsPerAnswer.least)
    .max(limits.secondsPerAnswer.most)
    .default(limits.secondsPerAnswer.usual),
  tags: list.default(['kind', 'useful', 'clear', 'cold', 'vague', 'off topic']),
})

/**
 * The watch for reward hacking: reward against people, length, repetition. What counts as evidence is in
 * docs/METRICS.md.
 */
export const RewardHackingConfig = z
  .object({
    /** The run pauses by itself at `pauseAt`; a person resumes it. */
    pause: z.boolean().default(false),
    /** Evidence at which crowd and researcher are warned, standard deviations summed over steps … */
    warnAt: z.number().gt(0).max(100).default(5),
    /** … and at which the run pauses. */
    pauseAt: z.number().gt(0).max(100).default(8),
    /** The reward's mean may exceed that of people's votes by this much, in the unit of a vote's value. */
    allowedGap: unit.default(0.1),
    /** The mean length may differ from the reference's by this much, standard deviations of the reference's lengths. */
    allowedLengthDrift: z.number().min(0).max(100).default(2),
    /** The share of repeated trigrams may exceed the reference's by this much. */
    allowedRepetition: unit.default(0.1),
    /** Votes that the reward model must have learnt from before its scores are compared with people's. */
    minVotes: z.int().min(0).max(100_000).default(40),
  })
  .refine(({ warnAt, pauseAt }) => pauseAt >= warnAt, {
    path: ['pauseAt'],
    message: 'a run is not paused before anybody is warned: pauseAt is at least warnAt',
  })

/** Which checkpoints of a run stay on disk, besides the last one. One kept by several rules is stored once. */
export const CheckpointConfig = z.object({
  /** This many of the latest steps. If the newest is damaged, the run continues from the previous one. */
  keepLast: z.int().min(1).max(1_000).default(3),
  /** One every this many steps; 0 for none. */
  keepEvery: z.int().min(0).max(1_000_000).default(0),
  /** This many of the steps whose `bestMetric` is highest; 0 for none. */
  keepBest: z.int().min(0).max(100).default(1),
  /** A metric by its name in docs/METRICS.md. */
  bestMetric: z.string().trim().min(1).max(100).default('humanRating'),
})
export type CheckpointConfig = z.output<typeof CheckpointConfig>

/** How a run is evaluated: its answers to prompts that it never trains on (`validationSplit`). */
export const EvaluationConfig = z.object({
  /** Evaluates the first weights, and then after every this many steps; 0: never. */
  every: z.int().min(0).max(1_000_000).default(20),
  /** Prompts in each evaluation, the same ones every time; all that are held out if there are fewer. */
  prompts: z.int().min(2).max(limits.evaluationPrompts).default(32),
  gate: z
    .boolean()
    .default(false)
    .describe(
      'Weights that an evaluation finds worse than the best so far are not shown: the last good ones answer until an evaluation is good again, and the run says so.',
    ),
  tolerance: unit
    .default(0.02)
    .describe(
      'The mean value of the answers may be this much below the best evaluation’s, beyond chance, in the unit of a vote’s value.',
    ),
})
export type EvaluationConfig = z.output<typeof EvaluationConfig>

export const TrainingConfig = z
  .object({
    algorithm: z.enum(algorithmNames).default('ppo'),
    /** Answers in each step: those that were just voted on, at most half, and the current policy's. */
    batchSize: z.int().min(1).max(1024).default(32),
    learningRate: z.number().gt(0).max(1).default(1e-4),
    learningRateSchedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
    /** Steps of the run over which the learning rate rises to its full value. */
    warmupSteps: z.int().min(0).max(1_000_000).default(0),
    /** Parts into which a minibatch is cut to fit into memory; the result is the same. */
    gradientAccumulationSteps: z.int().min(1).max(512).default(1),
    /** Steps of the run. */
    epochs: z.int().min(1).max(10_000_000).default(1_000_000),
    validationSplit: unit
      .default(0.1)
      .describe(
        'The share of the model’s prompts that the run never trains on, rounded down: evaluations ask them. Which they are depends on the prompts alone, so runs of one model are compared on the same ones. 0 holds none out, and the run is not evaluated.',
      ),
    rewardModel: RewardModelConfig.prefault({}),
    ppoConfig: PPOConfig.prefault({}),
    ...algorithmConfigs,
    loraConfig: LoRAConfig.prefault({}),
    datasetConfig: DatasetConfig.prefault({}),
    distributedConfig: z.record(z.string(), z.unknown()).optional(),
    live: LiveConfig.prefault({}),
    checkpoints: CheckpointConfig.prefault({}),
    rewardHacking: RewardHackingConfig.prefault({}),
    evaluation: EvaluationConfig.prefault({}),
  })
  .superRefine((config, { addIssue }) => {
    for (const { path, message } of indivisible(config)) addIssue({ code: 'custom', path, message })
    const { needsKl } = factsOf(config.algorithm)
    if (needsKl !== null && config.live.klCoefficient === 0)
      addIssue({ code: 'custom', path: ['live', 'klCoefficient'], message: needsKl })
  })

/** Sizes that must divide each other, and do not. */
function indivisible(config: {
  algorithm: AlgorithmName
  batchSize: number
  gradientAccumulationSteps: number
  ppoConfig: { miniBatchSize: number }
}): { path: string[]; message: string }[] {
  const { algorithm, batchSize, gradientAccumulationSteps: parts } = config
  // A batch smaller than a minibatch is one update.
  const miniBatch = Math.min(batchSize, config.ppoConfig.miniBatchSize)
  const group = groupSizeOf(algorithm, ownConfig(config))
  const { rows } = factsOf(algorithm)
  return [
    {
      divides: batchSize % miniBatch === 0,
      path: ['ppoConfig', 'miniBatchSize'],
      message: `minibatches of ${miniBatch} do not divide a batch of ${batchSize}`,
    },
    {
      divides: batchSize % group === 0,
      path: [`${algorithm}Config`, 'groupSize'],
      message: `groups of ${group} answers do not divide a batch of ${batchSize}`,
    },
    {
      divides: miniBatch % (parts * rows) === 0,
      path: ['gradientAccumulationSteps'],
      message: `${parts} parts do not divide a minibatch of ${miniBatch}${rows === 2 ? ' into whole pairs' : ''}`,
    },
  ].filter(({ divides }) => !divides)
}
export type TrainingConfig = z.output<typeof TrainingConfig>
export type TrainingConfigInput = z.input<typeof TrainingConfig>
