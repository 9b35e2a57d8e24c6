/**
 * Every message that crosses the wire, as one zod schema each; the types come
 * from the schemas (rule P1). Imports zod and nothing else: the client, the
 * server, the trainer and the scripts all read this file.
 *
 * Field names are those of the seed system's API; units are in the names or
 * beside them. Scores are in [0, 1] unless a range is given.
 */
import { z } from 'zod'

// ---------------------------------------------------------------- limits

export const limits = {
  /** Largest socket message or JSON body, bytes. */
  messageBytes: 64 * 1024,
  /** Lists and objects within each other in what a client sends, at most so deep. */
  nesting: 32,
  /** Largest file of a model's prompts, bytes. */
  promptFileBytes: 16 * 1024 * 1024,
  /** Longest prompt a rater may ask, characters. */
  promptChars: 400,
  /** Longest comment, characters. */
  commentChars: 2_000,
  /** Longest reason for excluding a rater, characters. */
  reasonChars: 500,
  /** Longest text that a vote may carry (inputText, modelResponse), characters. */
  textChars: 8_000,
  /** Most categories, tags or concerns on one vote. */
  listItems: 16,
  /** A vote can be withdrawn for this long, milliseconds (rule V5). The trainer uses no younger vote. */
  withdrawMs: 10_000,
  /**
   * A vote begun while voting on its sample was open is on time if it is cast within this, milliseconds from its begin.
   */
  voteBegunMs: 120_000,
  /** A step's voting stays open for begun votes at most this much longer, milliseconds. */
  closingHoldMs: 10_000,
  /** Votes that one person may have begun in a session and not cast, within `voteBegunMs`. */
  votesBegun: 3,
  /** Who has left this many begun votes uncast within an hour holds no closing: others don't wait for them. */
  holdsLeft: 3,
  /** Socket events a connection may send: this many at once, refilled at this rate (events per second). */
  socketBurst: 60,
  socketPerSecond: 20,
  /** Socket events a person may send over all their connections, likewise. */
  personBurst: 120,
  personPerSecond: 40,
  /** REST requests from one address: this many at once, refilled at this rate (requests per second). */
  restBurst: 240,
  restPerSecond: 60,
  /** Requests for the page and its files from one address, likewise: a full classroom loads them at once. */
  pageBurst: 3_000,
  pagePerSecond: 50,
  /** Requests for /health from one address, likewise. */
  healthBurst: 120,
  healthPerSecond: 30,
  /**
   * Keys (addresses, people) whose requests are counted, at most; the one that was quiet longest is forgotten first.
   */
  countedKeys: 100_000,
  /** /health and the status page look at the parts no oftener than this, milliseconds. */
  healthMs: 1_000,
  /** A connection has this long to send a request's headers, milliseconds … */
  headersMs: 10_000,
  /** … and this long for the body. An upload may take longer: it has to bring so many bytes in each `uploadMs`. */
  bodyMs: 10_000,
  uploadMs: 30_000,
  uploadBytes: 4 * 1024,
  /** An answer of which nothing could be sent for so long is given up, milliseconds. */
  drainMs: 60_000,
  /** An idle connection is kept for the next request so long, milliseconds. */
  keepAliveMs: 5_000,
  /** A socket has this long to say who it is, milliseconds … */
  handshakeMs: 10_000,
  /** … and this long to send its first event. */
  silentMs: 300_000,
  /**
   * Messages that wait for a socket that reads too slowly, at most: it is then closed, and catches up when it comes
   * back.
   */
  unreadMessages: 2_000,
  /** A client whose socket was refused for there being too many is to wait so long, seconds. */
  refusedSeconds: 15,
  /** Samples or votes on one page of a listing, at most. */
  pageItems: 200,
  /** What a room's votes came to is told this often, milliseconds, however many there were. */
  tallyMs: 200,
  /** With more sockets than this at a server a room is full: what is being written is told once a tick, too. */
  fullRoom: 50,
  /** `sample-tokens` messages of one sample, at most this many a second. */
  tokenMessagesPerSecond: 20,
  /** What a room's snapshots have in common is read once in so long, milliseconds. */
  snapshotMs: 1_000,
  /** Steps of metrics in a snapshot, the latest ones. */
  snapshotSteps: 500,
  /** Samples in a snapshot, the latest ones. */
  snapshotSamples: 60,
  /** Warnings of a run in a snapshot, the latest ones. */
  snapshotWarnings: 20,
  /** What rating an answer may be said to take, seconds: at least, at most, and where a session says nothing else. */
  secondsPerAnswer: { least: 1, most: 60, usual: 6 },
} as const

// ---------------------------------------------------------------- pieces

const unit = z.number().min(0).max(1)
const text = z.string().max(limits.textChars)
const name = z.string().trim().min(1).max(64)
const list = z.array(z.string().trim().min(1).max(200)).max(limits.listItems)

export const SessionId = z.string().regex(/^[a-z0-9-]{1,64}$/, 'a session id is 1–64 characters of a–z, 0–9 and -')
export const Uuid = z.uuid()
/** A position in a session's event log: increasing, opaque, comparable only for equality by clients. */
export const Seq = z.string().regex(/^\d+-\d+$/)

export const Role = z.enum(['contributor', 'trainer', 'validator', 'admin'])
export type Role = z.infer<typeof Role>

export const CategoryScore = z.object({
  name,
  score: z.number().min(1).max(10),
  /** Counts only where the session allows free categories; clamped to [0, 2]. */
  weight: z.number().min(0).default(1),
})

export const CompassionSides = z.object({ agency: unit, capability: unit, suffering: unit })

// ---------------------------------------------------------------- votes

/**
 * What clients of the seed system send back with a vote, and nothing reads: whose vote it is says the token;
 * when it was cast, and whether it is on the chain, says the server.
 */
const unreadInVote = {
  userId: z.unknown().optional(),
  timestamp: z.unknown().optional(),
  verified: z.unknown().optional(),
  blockchainHash: z.unknown().optional(),
}

/** What a rater sends. `id` is minted by the client: the same id twice is one vote (rule V2). */
export const Vote = z
  .object({
    id: Uuid.optional(),
    sessionId: SessionId,
    sampleId: Uuid.optional(),
    inputText: text.default(''),
    modelResponse: text.default(''),
    humanRating: z.number().min(1).max(10),
    humanPreference: z.enum(['model_a', 'model_b', 'tie']).optional(),
    categories: z.array(CategoryScore).max(limits.listItems).default([]),
    comments: z.string().max(limits.commentChars).optional(),
    tags: list.default([]),
    ethicalConcerns: list.default([]),
    /**
     * Left out, like the three sides, where the rater says nothing of compassion: the vote then is its quality alone.
     */
    compassionRating: unit.optional(),
    /** All three or none. They stand for `compassionRating` where both are sent. */
    compassion: CompassionSides.optional(),
    ...unreadInVote,
  })
  .refine((vote) => vote.sampleId || vote.modelResponse, {
    path: ['sampleId'],
    message: 'send sampleId, or inputText and modelResponse',
  })
export type Vote = z.input<typeof Vote>
export type ParsedVote = z.output<typeof Vote>

/** A stored vote, as its own author reads it. */
export const HumanFeedback = z.object({
  id: Uuid,
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  userId: Uuid,
  timestamp: z.iso.datetime(),
  inputText: z.string(),
  modelResponse: z.string(),
  humanRating: z.number(),
  humanPreference: z.enum(['model_a', 'model_b', 'tie']).nullable(),
  categories: z.array(CategoryScore),
  comments: z.string().nullable(),
  tags: z.array(z.string()),
  ethicalConcerns: z.array(z.string()),
  /** Null where the rater gave none. */
  compassionRating: unit.nullable(),
  compassion: CompassionSides.nullable(),
  /** The vote value v, with the session's λ at the time. */
  value: unit,
  verified: z.boolean(),
  blockchainHash: z.string().nullable(),
  withdrawn: z.boolean(),
  /** Cast after voting on its sample had closed, and not begun in time. */
  late: z.boolean(),
})
export type HumanFeedback = z.infer<typeof HumanFeedback>

/** What came of a vote: the update that used it and how much it weighed there. */
export const Receipt = z.object({
  feedbackId: Uuid,
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  step: z.int(),
  /** The vote's share of its sample's crowd value; 0 where it trained the reward model only. */
  weight: unit,
  /** The rater's reliability ρ at that step. */
  reliability: unit,
  /** The crowd value h of the sample; null where it trained the reward model only. */
  crowd: unit.nullable(),
  /** Mean advantage of the sample in that update, in standard deviations: above 0 the answer became likelier. */
  advantage: z.number().nullable(),
  /** From "stored" to "the weights have changed", milliseconds. */
  latencyMs: z.int(),
  /** Votes of its author, so far, that somebody else's vote could be compared with. */
  comparable: z.int(),
  /** False: the step's update left every weight as it was, so the vote changed nothing. */
  updated: z.boolean(),
})
export type Receipt = z.infer<typeof Receipt>

// ---------------------------------------------------------------- samples

/** A sample's votes taken together; null until the reader has voted or voting has closed (rule V3). */
export const CrowdValue = z.object({
  /** Mean vote value; null with no votes. What the update makes of it, reliabilities and all, is in the receipt. */
  value: unit.nullable(),
  /** Mean compassion of those votes that rated it; null where none did. */
  compassion: unit.nullable(),
  votes: z.int(),
})
export type CrowdValue = z.infer<typeof CrowdValue>

export const SampleStatus = z.enum(['queued', 'streaming', 'open', 'closed', 'failed'])
export type SampleStatus = z.infer<typeof SampleStatus>

/** A reader's own standing vote on a sample. */
export const MyVote = z.object({ feedbackId: Uuid, humanRating: z.number(), compassionRating: unit.nullable() })
export type MyVote = z.infer<typeof MyVote>

export const Sample = z.object({
  id: Uuid,
  sessionId: SessionId,
  step: z.int(),
  origin: z.enum(['rollout', 'ask']),
  prompt: z.string(),
  response: z.string(),
  policyVersion: z.int(),
  status: SampleStatus,
  crowd: CrowdValue.nullable(),
  /** The reader's own standing vote on it. */
  mine: MyVote.nullable(),
  timestamp: z.iso.datetime(),
})
export type Sample = z.infer<typeof Sample>

// ---------------------------------------------------------------- sessions

export const RewardModelConfig = z.object({
  type: z.enum(['human', 'ai', 'hybrid']).default('human'),
  modelPath: z.string().optional(),
  humanFeedbackWeight: z.number().min(0).default(1),
  aiRewardWeight: z.number().min(0).default(0),
  /** λ: how much of a vote is compassion. */
  compassionWeight: unit.default(0.7),
  /** κ: how many votes the reward model's prediction counts for. */
  shrinkage: z.number().min(0).default(1),
  /**
   * Added to the reward for each deviation by which an answer is longer than the reference's mean, in the unit of a
   * vote's value; below 0 it favours short ones.
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
  ppoEpochs: z.int().min(1).max(16).default(2),
  /** Answers in each update; a smaller batch is one update. It divides the batch. */
  miniBatchSize: z.int().min(1).max(512).default(32),
  /**
   * The mean KL to the reference policy that the run settles about, nats per response. β follows from it as 1 / √(2 ·
   * targetKL), unless `live.klCoefficient` gives β; `live.adaptiveKl` steers to it. Every algorithm reads it.
   */
  targetKL: z.number().gt(0).default(4),
})
/** GRPO's own settings; the rest it shares with PPO (`ppoConfig`). */
export const GRPOConfig = z.object({
  /** Answers to each prompt, which are compared with each other. */
  groupSize: z.int().min(2).max(64).default(4),
  /**
   * What an answer's difference from its group's mean is divided by: the group's deviation, the batch's, or nothing.
   */
  scaleRewards: z.enum(['group', 'batch', 'none']).default('batch'),
  /**
   * How the loss is averaged over tokens: by answer (grpo), over all tokens (dapo), or by the longest length (dr_grpo).
   */
  lossType: z.enum(['grpo', 'dapo', 'dr_grpo']).default('dapo'),
})
/** DPO's own settings; the rest it shares with PPO (`ppoConfig`). */
export const DPOConfig = z.object({
  /** Answers to each prompt, of which pairs are made: best with worst, and so on. Even. */
  groupSize: z.int().min(2).max(64).multipleOf(2).default(4),
  /** How sure a pair is: as sure as its rewards differ (soft), or wholly (hard). */
  labels: z.enum(['soft', 'hard']).default('soft'),
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
/** How a run meets its crowd: Attune's addition to the seed's configuration. */
export const LiveConfig = z.object({
  title: z.string().trim().min(1).max(120).optional(),
  /** Answers shown to the crowd in each step. */
  shownPerStep: z.int().min(1).max(256).default(16),
  /** Voting on a sample closes after this long, seconds … */
  votingWindowSeconds: z.number().min(1).max(3600).default(10),
  /** … or once every shown sample has this many votes. */
  minVotes: z.int().min(1).max(1000).default(3),
  /** A step waits for this many votes in all before it trains: with nobody there, nothing moves. */
  minVotesPerStep: z.int().min(0).default(1),
  maxNewTokens: z.int().min(1).max(1024).default(64),
  temperature: z.number().gt(0).max(2).default(0.7),
  /**
   * β, score per nat: how strongly the policy is held to the reference. Without it β follows from `ppoConfig.targetKL`.
   */
  klCoefficient: z.number().min(0).optional(),
  /**
   * Lets β move, by 1 % a step at most and within half and twice its start, so that the KL comes to
   * `ppoConfig.targetKL`.
   */
  adaptiveKl: z.boolean().default(false),
  /** Train on the last batch while people vote on this one. */
  overlap: z.boolean().default(true),
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
   * Nobody is paid for more answers than they could rate in the time, each taking this long: 3,600 by it in an hour,
   * over all sessions.
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
    /** Evidence at which crowd and researcher are warned, deviations summed over steps … */
    warnAt: z.number().gt(0).max(100).default(5),
    /** … and at which the run pauses. */
    pauseAt: z.number().gt(0).max(100).default(8),
    /** The reward's mean may pass that of people's votes by this much, in the unit of a vote's value. */
    allowedGap: unit.default(0.1),
    /** The mean length may differ from the reference's by this much, deviations of the reference's lengths. */
    allowedLengthDrift: z.number().min(0).max(100).default(2),
    /** The share of repeated trigrams may pass the reference's by this much. */
    allowedRepetition: unit.default(0.1),
    /** Votes that the reward model has learnt from before its scores are held against people's. */
    minVotes: z.int().min(0).max(100_000).default(40),
  })
  .refine(({ warnAt, pauseAt }) => pauseAt >= warnAt, {
    path: ['pauseAt'],
    message: 'a run is not paused before anybody is warned: pauseAt is at least warnAt',
  })
/** Which checkpoints of a run stay on disk, besides the last one. What is named by several rules is one file. */
export const CheckpointConfig = z.object({
  /** Those of the latest steps: this many. The newest being damaged, the run goes on from the one before. */
  keepLast: z.int().min(1).max(1_000).default(3),
  /** One every so many steps; 0 for none. */
  keepEvery: z.int().min(0).max(1_000_000).default(0),
  /** This many of the steps whose `bestMetric` is highest; 0 for none. */
  keepBest: z.int().min(0).max(100).default(1),
  /** A metric by its name in docs/METRICS.md. */
  bestMetric: z.string().trim().min(1).max(100).default('humanRating'),
})
export type CheckpointConfig = z.output<typeof CheckpointConfig>
export const TrainingConfig = z
  .object({
    algorithm: z.enum(['ppo', 'grpo', 'dpo']).default('ppo'),
    /** Rollouts in each step, shown or not. */
    batchSize: z.int().min(1).max(1024).default(128),
    learningRate: z.number().gt(0).max(1).default(1e-4),
    learningRateSchedule: z.enum(['constant', 'linear', 'cosine']).default('constant'),
    /** Steps of the run over which the learning rate rises to its full value. */
    warmupSteps: z.int().min(0).max(1_000_000).default(0),
    /** Parts into which a minibatch is cut to fit into memory; the result is the same. */
    gradientAccumulationSteps: z.int().min(1).max(512).default(1),
    /** Steps of the run. */
    epochs: z.int().min(1).max(1_000_000).default(1_000),
    validationSplit: unit.default(0),
    rewardModel: RewardModelConfig.prefault({}),
    ppoConfig: PPOConfig.prefault({}),
    grpoConfig: GRPOConfig.prefault({}),
    dpoConfig: DPOConfig.prefault({}),
    loraConfig: LoRAConfig.prefault({}),
    datasetConfig: DatasetConfig.prefault({}),
    distributedConfig: z.record(z.string(), z.unknown()).optional(),
    live: LiveConfig.prefault({}),
    checkpoints: CheckpointConfig.prefault({}),
    rewardHacking: RewardHackingConfig.prefault({}),
  })
  .superRefine((config, { addIssue }) => {
    for (const { path, message } of indivisible(config)) addIssue({ code: 'custom', path, message })
    if (config.algorithm === 'dpo' && config.live.klCoefficient === 0)
      addIssue({
        code: 'custom',
        path: ['live', 'klCoefficient'],
        message: 'DPO needs a KL coefficient above 0: its rewards are multiples of it',
      })
  })

/** Sizes that must divide, and do not. */
function indivisible(config: {
  algorithm: 'ppo' | 'grpo' | 'dpo'
  batchSize: number
  gradientAccumulationSteps: number
  ppoConfig: { miniBatchSize: number }
  grpoConfig: { groupSize: number }
  dpoConfig: { groupSize: number }
}): { path: string[]; message: string }[] {
  const { algorithm, batchSize, gradientAccumulationSteps: parts } = config
  // A batch smaller than a minibatch is one update.
  const miniBatch = Math.min(batchSize, config.ppoConfig.miniBatchSize)
  const group = algorithm === 'ppo' ? 1 : config[`${algorithm}Config`].groupSize
  const rows = algorithm === 'dpo' ? 2 : 1
  return [
    ...(batchSize % miniBatch === 0
      ? []
      : [
          {
            path: ['ppoConfig', 'miniBatchSize'],
            message: `minibatches of ${miniBatch} do not divide a batch of ${batchSize}`,
          },
        ]),
    ...(batchSize % group === 0
      ? []
      : [
          {
            path: [`${algorithm}Config`, 'groupSize'],
            message: `groups of ${group} answers do not divide a batch of ${batchSize}`,
          },
        ]),
    ...(miniBatch % (parts * rows) === 0
      ? []
      : [
          {
            path: ['gradientAccumulationSteps'],
            message: `${parts} parts do not divide a minibatch of ${miniBatch}${rows === 2 ? ' into whole pairs' : ''}`,
          },
        ]),
  ]
}
export type TrainingConfig = z.output<typeof TrainingConfig>
export type TrainingConfigInput = z.input<typeof TrainingConfig>

/** An amount of a token, in its smallest unit. */
export const Amount = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,28})$/, 'an amount is a whole number, in the smallest unit of its token')
export const Address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an address is 0x and 40 hex digits')
export const Hash = z.string().regex(/^0x[0-9a-f]{64}$/, 'a hash is 0x and 64 hex digits in lower case')

/** One sponsor's pot for one session, in one token: what the session's votes earn. */
export const Bounty = z.object({
  id: Hash,
  sessionId: SessionId,
  sponsor: Address,
  /** The zero address: the chain's own coin. */
  token: Address,
  symbol: z.string(),
  decimals: z.int(),
  /** Paid in, less what was returned. */
  funded: Amount,
  /** What nobody has earned yet. */
  left: Amount,
  /** What one credit earns; a vote that a step uses is 100. */
  perCredit: Amount,
  /**
   * empty: not enough for one more vote, until it is filled up; unpriced: credits earn nothing, by its sponsor's
   * choice.
   */
  state: z.enum(['paying', 'empty', 'unpriced', 'closed']),
  closedAt: z.iso.datetime().nullable(),
})
export type Bounty = z.infer<typeof Bounty>

export const SessionStatus = z.enum(['pending', 'active', 'paused', 'completed', 'failed'])
export type SessionStatus = z.infer<typeof SessionStatus>

/** Metric name → value; docs/METRICS.md has each one's meaning and unit (rule T4). */
export const TrainingMetrics = z.record(z.string(), z.number())
export type TrainingMetrics = z.infer<typeof TrainingMetrics>

export const TrainingSession = z.object({
  id: SessionId,
  title: z.string(),
  modelId: z.string(),
  userId: Uuid,
  status: SessionStatus,
  startTime: z.iso.datetime(),
  endTime: z.iso.datetime().nullable(),
  totalSteps: z.int(),
  currentStep: z.int(),
  policyVersion: z.int(),
  metrics: TrainingMetrics,
  configuration: TrainingConfig,
  error: z.string().nullable(),
  /** Why the run paused by itself; null where it is not paused, or a person paused it. */
  pauseReason: z.string().nullable(),
  /** It waits for a trainer's place, as the n-th of those that do (1: next); null: it has one, or needs none. */
  queue: z.object({ position: z.int() }).nullable().default(null),
  /** Contributions of this session that are on the chain. */
  blockchain: z.object({ recorded: z.int(), lastEpoch: z.int().nullable() }),
})
export type TrainingSession = z.infer<typeof TrainingSession>

export const StepMetrics = z.object({ step: z.int(), metrics: TrainingMetrics, timestamp: z.iso.datetime() })
export type StepMetrics = z.infer<typeof StepMetrics>

/** What a run warns of: its crowd and its researcher see it, and who comes later finds it in the snapshot. */
export const RunWarning = z.object({
  sessionId: SessionId,
  step: z.int(),
  kind: z.enum([
    'checkpoint-lost',
    'step-remade',
    'reward-level',
    'reward-order',
    'length',
    'repetition',
    'regulars',
    'no-update',
  ]),
  /** A sentence for people. */
  message: z.string(),
  timestamp: z.iso.datetime(),
})
export type RunWarning = z.infer<typeof RunWarning>

/** Somebody who votes in a session, as its owner sees them. */
export const Rater = z.object({
  userId: Uuid,
  username: z.string(),
  guest: z.boolean(),
  /** Standing ones. */
  votes: z.int(),
  lastVoteAt: z.iso.datetime(),
  /** ρ and n, as the next step would have them. */
  reliability: unit,
  comparable: z.int(),
  /** n ≥ 8 and ρ ≥ 0.3: no stranger to the session. */
  known: z.boolean(),
  /** Of all that votes weigh in what the reward model learns from. */
  share: unit,
  /** null: not excluded. */
  excluded: z.object({ reason: z.string(), by: z.string(), at: z.iso.datetime() }).nullable(),
})
export type Rater = z.infer<typeof Rater>
export const Exclude = z.strictObject({
  reason: z.string().trim().min(1, 'say why: the person is told').max(limits.reasonChars),
})

// ---------------------------------------------------------------- room events

const Piece = z.object({ sampleId: Uuid, offset: z.int(), text: z.string() })

/** A sample's standing votes. `crowd` only reaches those who have voted on the sample (rule V3). */
const Tally = z.object({ sampleId: Uuid, votes: z.int(), crowd: CrowdValue.optional() })
export type Tally = z.infer<typeof Tally>
/**
 * The sample whose votes changed last (null: a text of the rater's own), and the others whose votes changed in the same
 * tick; absent without any.
 */
const VotesCounted = Tally.extend({
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  others: z.array(Tally).optional(),
})

/**
 * What happens in a session, in the order of its log. Each reaches a client
 * as `(payload)` with `seq` in it; each is idempotent (rule P3).
 */
export const roomEvents = {
  'training-started': z.object({ sessionId: SessionId, session: SessionId }),
  /** `reason`: where the run paused by itself. */
  'training-paused': z.object({ sessionId: SessionId, session: SessionId, reason: z.string().optional() }),
  'training-resumed': z.object({ sessionId: SessionId, session: SessionId }),
  'training-completed': z.object({ sessionId: SessionId, session: SessionId }),
  'training-failed': z.object({ sessionId: SessionId, session: SessionId, error: z.string() }),
  /** A step was committed: weights, receipts and checkpoint are stored. */
  'training-progress': z.object({
    sessionId: SessionId,
    session: SessionId,
    epoch: z.int(),
    step: z.int(),
    policyVersion: z.int(),
    metrics: TrainingMetrics,
    timestamp: z.iso.datetime(),
  }),
  'metrics-update': z.object({ sessionId: SessionId, step: z.int(), metrics: TrainingMetrics }),
  'checkpoint-saved': z.object({
    sessionId: SessionId,
    session: SessionId,
    epoch: z.int(),
    checkpointPath: z.string(),
    metrics: TrainingMetrics,
  }),
  'training-warning': RunWarning,
  /**
   * What the trainer is doing, for the room's status line. `until`: when the phase ends by itself, if known.
   * `position`: of a run that is queued, since every trainer is busy with others; 1 is next.
   */
  'training-phase': z.object({
    sessionId: SessionId,
    phase: z.enum(['queued', 'generating', 'voting', 'settling', 'learning', 'waiting-for-votes', 'restoring']),
    step: z.int(),
    until: z.iso.datetime().nullable(),
    position: z.int().optional(),
  }),
  'sample-started': z.object({
    sessionId: SessionId,
    sampleId: Uuid,
    prompt: z.string(),
    policyVersion: z.int(),
    step: z.int(),
    origin: z.enum(['rollout', 'ask']),
  }),
  /**
   * `text` stands at character `offset` of the response. `others`: in a full room, the pieces that came before it in
   * the same tick.
   */
  'sample-tokens': Piece.extend({ sessionId: SessionId, others: z.array(Piece).optional() }),
  /** The response is whole and open to votes. */
  'sample-ready': z.object({ sessionId: SessionId, sampleId: Uuid, response: z.string() }),
  'voting-closed': z.object({ sessionId: SessionId, sampleId: Uuid, crowd: CrowdValue }),
  /** Votes were stored: of each tick (`limits.tallyMs`) what they came to, however many there were. */
  'feedback-received': VotesCounted,
  /** Votes were withdrawn; counted likewise. */
  'feedback-withdrawn': VotesCounted,
  /** The step used this many votes. */
  'feedback-processed': z.object({ sessionId: SessionId, step: z.int(), votes: z.int() }),
  /** What the session's votes earn has changed: a pot was funded, priced or closed, or is empty. All of them. */
  'bounties-changed': z.object({ sessionId: SessionId, bounties: z.array(Bounty) }),
} as const
export type RoomEvents = { [E in keyof typeof roomEvents]: z.infer<(typeof roomEvents)[E]> }
export type RoomEventName = keyof RoomEvents
/** One entry of a session's log. */
export type RoomEvent = { [E in RoomEventName]: { event: E; payload: RoomEvents[E] } }[RoomEventName]

// ---------------------------------------------------------------- snapshot

export const SessionSnapshot = z.object({
  seq: Seq,
  session: TrainingSession,
  /** Oldest first. */
  samples: z.array(Sample),
  /** Oldest first. */
  steps: z.array(StepMetrics),
  /** The reader's latest receipts, newest first. */
  receipts: z.array(Receipt),
  /** The latest ones, newest first. */
  warnings: z.array(RunWarning),
  /** Why the reader may not vote here; null: they may. */
  exclusion: z.string().nullable(),
  /** Raters here now. */
  raters: z.int(),
  bounties: z.array(Bounty),
})
export type SessionSnapshot = z.infer<typeof SessionSnapshot>

// ---------------------------------------------------------------- socket

export const ErrorCode = z.enum([
  'invalid',
  'unauthenticated',
  'forbidden',
  'not-found',
  'conflict',
  'too-large',
  'too-frequent',
  'unavailable',
  'internal',
])
export type ErrorCode = z.infer<typeof ErrorCode>

/** How every client event is answered (rule P2). */
export type Ack<T = unknown> =
  | { ok: true; data: T }
  | {
      ok: false
      code: ErrorCode
      message: string
      /** The field that failed, where one did. */
      path?: string
    }

export const JoinSession = z.union([
  SessionId.transform((sessionId) => ({ sessionId, since: undefined as string | undefined })),
  /** `since`: the last seq seen; what was missed follows, or a snapshot where the log no longer reaches back. */
  z.object({ sessionId: SessionId, since: Seq.optional() }),
])
/** A socket's next access token, of the same person. */
export const Authenticate = z.object({ token: z.string().min(1).max(4_000) })
export const Ask = z.object({ sessionId: SessionId, prompt: z.string().trim().min(1).max(limits.promptChars) })

export const BeginVote = z.object({ sessionId: SessionId, sampleId: Uuid })

export const clientEvents = {
  'join-session': JoinSession,
  'leave-session': SessionId,
  /** The reader begins a vote on an open sample. */
  'begin-vote': BeginVote,
  'submit-feedback': Vote,
  'withdraw-feedback': Uuid,
  'subscribe-metrics': SessionId,
  'unsubscribe-metrics': SessionId,
  ask: Ask,
  authenticate: Authenticate,
} as const
export type ClientEventName = keyof typeof clientEvents

/** The data of each acknowledgement. */
export interface AckData {
  /** A `session-snapshot` event or the missed events precede the acknowledgement. */
  'join-session': { sessionId: string; seq: string; caughtUp: boolean }
  'leave-session': { sessionId: string }
  /**
   * For how long the vote counts as on time after voting has closed, milliseconds; null: it was not begun in time, or
   * others have to be cast first.
   */
  'begin-vote': { sampleId: string; countsForMs: number | null }
  /** `late`: voting on the sample had closed, and the vote was not begun in time. */
  'submit-feedback': {
    id: string
    sampleId: string | null
    value: number
    crowd: CrowdValue | null
    duplicate: boolean
    late?: true
  }
  'withdraw-feedback': { id: string }
  'subscribe-metrics': { sessionId: string }
  'unsubscribe-metrics': { sessionId: string }
  ask: { sampleId: string }
  /** Until when the socket is good for this person without another token. */
  authenticate: { userId: string; expiresAt: string }
}

export type ClientToServer = {
  [E in ClientEventName]: (body: z.input<(typeof clientEvents)[E]>, ack?: (answer: Ack<AckData[E]>) => void) => void
}
export type ServerToClient = {
  [E in RoomEventName]: (payload: RoomEvents[E] & { seq: string }) => void
} & {
  'session-snapshot': (snapshot: SessionSnapshot) => void
  presence: (payload: { sessionId: string; raters: number }) => void
  /** To the vote's author alone. */
  receipt: (receipt: Receipt) => void
  /**
   * To the vote's author alone, on every connection of theirs: their standing vote on a sample, null where they have
   * withdrawn it.
   */
  'own-vote': (payload: { sessionId: string; sampleId: string; mine: MyVote | null }) => void
  /** To the vote's author alone: its epoch is on the chain. */
  recorded: (payload: { feedbackId: string; epochId: number; txHash: string }) => void
  /** To the person alone: they may not vote in this session any more, or may again. */
  exclusion: (payload: { sessionId: string; excluded: boolean; reason: string | null }) => void
  'feedback-error': (payload: { error: string; code: ErrorCode; path?: string }) => void
}

// ---------------------------------------------------------------- REST

export const Credentials = {
  guest: z.object({ displayName: name.optional() }),
  register: z.object({ username: name, email: z.email().max(200).optional(), password: z.string().min(8).max(200) }),
  /** `email`: forms that sign in as they registered send it along; nobody reads it. */
  login: z.object({ username: name, password: z.string().min(1).max(200), email: z.unknown().optional() }),
  refresh: z.object({ refreshToken: z.string().min(1).max(200) }),
  walletVerify: z.object({
    message: z.string().max(4_000),
    signature: z
      .string()
      .max(2_000)
      .regex(/^0x([0-9a-f]{2})+$/i, 'a signature is 0x and pairs of hex digits'),
  }),
} as const

/** To an account, by its id or by its very name. */
export const SetRole = z
  .object({ userId: Uuid.optional(), username: name.optional(), role: Role })
  .refine(({ userId, username }) => (userId === undefined) !== (username === undefined), {
    path: ['username'],
    message: 'say whom: either username or userId',
  })

export const User = z.object({
  userId: Uuid,
  username: z.string(),
  email: z.string().nullable(),
  role: Role,
  guest: z.boolean(),
  permissions: z.array(z.string()),
  walletAddress: z.string().nullable(),
})
export type User = z.infer<typeof User>
export interface SignedIn {
  token: string
  refreshToken: string
  user: User
}

export const StartTraining = z.object({
  modelId: z.string().min(1).max(200),
  configuration: TrainingConfig.prefault({}),
})

/** Of a model's directory under MODELS_PATH, and its id. */
export const ModelName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, '1–64 characters of a–z, 0–9, ., _ and -, a letter or digit first')

export const StartImport = z.object({
  repo: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*$/, 'a repository of the hub: owner/name'),
  /** A branch, a tag or a commit. */
  revision: z
    .string()
    .max(200)
    .regex(/^(?!.*\.\.)\w[\w./-]*$/, 'a branch, a tag or a commit')
    .default('main'),
  /** Opens a private or gated repository; it is not stored. */
  token: z
    .string()
    .regex(/^hf_\w+$/, 'a token of the hub: hf_…')
    .max(200)
    .optional(),
  /** The model's id; the repository's name by default. */
  name: ModelName.optional(),
})
export type StartImport = z.infer<typeof StartImport>

/** A model on its way in from the hub; when it is done, there is a model whose id is its name. */
export const ModelImport = z.object({
  id: Uuid,
  name: z.string(),
  repo: z.string(),
  revision: z.string(),
  status: z.enum(['running', 'done', 'failed', 'stopped']),
  /** The one that is arriving. */
  file: z.string().nullable(),
  bytes: z.int(),
  /** 0 until it is known. */
  totalBytes: z.int(),
  /** Why it failed. */
  error: z.string().nullable(),
  createdAt: z.iso.datetime(),
})
export type ModelImport = z.infer<typeof ModelImport>

/** A size of a tensor, as wide as its column (int4). */
const axis = z
  .int()
  .min(-1)
  .max(2 ** 31 - 1)

export const ModelConfig = z.object({
  /** The seed's clients send one; the server chooses its own, which is in the answer. */
  id: z.unknown().optional(),
  name: z.string().trim().min(1).max(200),
  type: z.enum(['nlp', 'vision', 'audio', 'multimodal', 'full-oni']),
  architecture: z.string().trim().min(1).max(200),
  parameters: z.int().min(0).default(0),
  inputShape: z.array(axis).max(8).default([]),
  outputShape: z.array(axis).max(8).default([]),
  hyperparameters: z.record(z.string().max(200), z.unknown()).default({}),
  checkpointPath: z.string().max(500).optional(),
  huggingfaceRepo: z.string().max(200).optional(),
})
/** … as it is registered. */
export const Model = ModelConfig.extend({ id: z.string(), createdAt: z.iso.datetime() })
export type ModelConfig = z.infer<typeof Model>

/** A model as one archive, a tar of a Hugging Face directory. */
export const DownloadRequest = z.object({
  format: z
    .enum(['huggingface', 'pytorch', 'tensorflow', 'onnx', 'gguf'])
    .default('huggingface')
    .refine(
      (format) => format === 'huggingface',
      'models are packed as huggingface, which the other formats’ own tools read',
    ),
  precision: z
    .enum(['fp32', 'fp16', 'int8', 'int4'])
    .default('fp32')
    .refine(
      (precision): precision is 'fp32' | 'fp16' => precision === 'fp32' || precision === 'fp16',
      'fp32 or fp16: quantise the archive with a tool of your choice',
    ),
  compression: z.enum(['none', 'gzip', 'brotli']).default('none'),
  includeOptimizer: z.literal(false, 'a model has no optimizer state: its run’s checkpoint has').default(false),
  includeScheduler: z.literal(false, 'a model has no scheduler state: its run’s checkpoint has').default(false),
  purpose: z.string().max(2_000).optional(),
})
export type DownloadRequest = Pick<z.infer<typeof DownloadRequest>, 'precision' | 'compression'>

export const Download = z.object({
  downloadId: z.string(),
  status: z.enum(['preparing', 'ready', 'failed']),
  /** Seconds until it may be ready. */
  estimatedTime: z.int(),
  /** Where the archive is, once it is ready; the token is needed there, too. */
  url: z.string().nullable(),
  sha256: z.string().nullable(),
  bytes: z.int().nullable(),
  /** Why it failed. */
  error: z.string().nullable(),
})
export type Download = z.infer<typeof Download>

/** A file of a model, as it can be fetched. */
export const ModelFile = z.object({ name: z.string(), bytes: z.int() })
export type ModelFile = z.infer<typeof ModelFile>

/** What a model is asked when it is trained. */
export const ModelPrompts = z.object({
  modelId: z.string(),
  /** How many there are. */
  prompts: z.int(),
  /** The first few. */
  examples: z.array(z.string()),
})
export type ModelPrompts = z.infer<typeof ModelPrompts>

export const LeafFields = z.object({
  chainId: z.string(),
  ledger: z.string(),
  epochId: z.string(),
  index: z.string(),
  session: z.string(),
  contributor: z.string(),
  kind: z.int(),
  credit: z.string(),
  recordHash: z.string(),
})
export const MerkleProof = z.object({
  epochId: z.int(),
  leaf: z.string(),
  leafFields: LeafFields,
  proof: z.array(z.string()),
  root: z.string(),
  contract: z.string(),
  chainId: z.int(),
  txHash: z.string(),
})
export type MerkleProof = z.infer<typeof MerkleProof>

/**
 * Why a vote earned nothing (contracts/ledger/epoch/credit.ts): on a text that the session never produced; cast after
 * voting on its answer had closed; used by no update; of weight or reliability 0; in an update that changed
 * nothing; more than a person can rate in the time.
 */
export const NoCredit = z.enum(['text', 'closed', 'unused', 'no-weight', 'no-change', 'pace'])
export type NoCredit = z.infer<typeof NoCredit>

export const ProofOfContribute = z.object({
  contributorId: Uuid,
  contributionType: z.enum(['training', 'feedback', 'validation', 'compute', 'data']),
  computeHours: z.number(),
  dataContributed: z.number(),
  feedbackProvided: z.number(),
  qualityScore: z.number(),
  /** Credit points of this contribution. */
  rewardTokens: z.number(),
  /** Why they are none; null where there are some, where that is not decided yet, and for what is no vote. */
  noCredit: NoCredit.nullable(),
  /** They are paid once ten votes of the contributor in the session could be compared with others'. */
  held: z.boolean(),
  timestamp: z.iso.datetime(),
  verified: z.boolean(),
  /** The vote's id, or another contribution's. */
  recordId: Uuid,
  /** The vote that it is or, by an upheld appeal, corrects; null where it is about none. */
  feedbackId: Uuid.nullable(),
  sessionId: SessionId,
  merkleProof: MerkleProof.nullable(),
})
export type ProofOfContribute = z.infer<typeof ProofOfContribute>
export const VerifyContribution = z.object({ proof: MerkleProof })

/** The envelope of every REST answer but /health (rule P5). */
export type Envelope<T> =
  | { success: true; data: T; message?: string; timestamp: string; requestId: string }
  | {
      success: false
      error: ErrorCode
      message: string
      /** The field that failed, where one did. */
      path?: string
      /** Seconds. */
      retryAfter?: number
      timestamp: string
      requestId: string
    }
