/**
 * Every setting of a run, and what it does (rule T6: a setting that does nothing is refused). One that is sent
 * with its default always passes: clients send whole configurations back. With another value it must have an
 * effect in this same run: most do, some only beside another setting, some never here.
 */
import { AttuneError } from '../../core/errors.ts'
import { type AlgorithmName, TrainingConfig, algorithmNames, factsOf } from '../../core/protocol/index.ts'
import { isMetric } from '../../trainer/loop/metric-catalogue.ts'

/** A setting has an effect: `by`, the file that reads it; `when`, in which runs; else `instead` says what to do. */
export interface Setting {
  by: string | null
  when: (run: TrainingConfig) => boolean
  instead: string
}

const read = (by: string): Setting => ({ by, when: () => true, instead: '' })
const readWhen = (by: string, when: Setting['when'], instead: string): Setting => ({ by, when, instead })
const unread = (instead: string): Setting => ({ by: null, when: () => false, instead })

const learner = 'trainer/loop/configuration.ts'
/** Whether the run's algorithm has something. */
const has =
  (fact: 'clips' | 'valueHead'): Setting['when'] =>
  ({ algorithm }) =>
    factsOf(algorithm)[fact]
/** Those that have it, as text for people. */
const those = (fact: 'clips' | 'valueHead'): string => labels(algorithmNames.filter((name) => factsOf(name)[fact]))
const labels = (names: readonly AlgorithmName[]): string => names.map((name) => factsOf(name).label).join(' and ')
const choose = (fact: 'clips' | 'valueHead'): string =>
  `leave this out, or choose algorithm ${algorithmNames.filter((name) => factsOf(name)[fact]).join(' or ')}`

/** An algorithm's own settings are read if it is the run's. */
const ofAlgorithms = Object.fromEntries(
  algorithmNames.flatMap((name) => {
    const { config, label } = factsOf(name)
    const instead = `only ${label} reads it: leave this out, or choose algorithm ${name}`
    return Object.keys(config?.shape ?? {}).map((key) => [
      `${name}Config.${key}`,
      readWhen(`trainer/rl/algorithms/${name}.ts`, ({ algorithm }) => algorithm === name, instead),
    ])
  }),
)

const adapted: Setting['when'] = ({ loraConfig }) => loraConfig.rank > 0
const scoresHarm: Setting['when'] = ({ live }) =>
  live.categories.some(({ name }) => name === 'harm' || name === 'safety')
const evaluated: Setting['when'] = ({ evaluation, validationSplit }) => evaluation.every > 0 && validationSplit > 0
const unevaluated = 'this run is not evaluated: set validationSplit and evaluation.every above 0, or leave this out'
const prompts = 'a run asks what its model’s prompts.jsonl holds: send prompts to POST /api/models/:modelId/prompts'
const tokenizer = 'a model is read by its own tokenizer.json: leave this out'

/** By the setting's path. A setting that has no entry here is a bug (test/server/settings.test.ts). */
export const settings: Readonly<Record<string, Setting>> = {
  algorithm: read(learner),
  batchSize: read(learner),
  learningRate: read(learner),
  learningRateSchedule: read(learner),
  warmupSteps: read(learner),
  gradientAccumulationSteps: read(learner),
  epochs: read(learner),
  validationSplit: read('trainer/loop/run-state.ts'),
  'rewardModel.type': read('server/sessions/training.ts'),
  'rewardModel.modelPath': unread(
    'the reward model is learnt from the run’s own votes, and none is loaded: leave this out',
  ),
  'rewardModel.humanFeedbackWeight': unread(
    'it weighs people against an AI scorer, and there is none here: the reward is people’s alone; leave this out',
  ),
  'rewardModel.aiRewardWeight': unread('it weighs an AI scorer, and there is none here: leave this out'),
  'rewardModel.compassionWeight': read(learner),
  'rewardModel.shrinkage': read('trainer/reward/reward.ts'),
  'rewardModel.voteHalfLife': read('trainer/loop/crowd.ts'),
  'rewardModel.tastes': read('trainer/loop/crowd.ts'),
  'rewardModel.acceptOpposition': read('trainer/loop/crowd.ts'),
  'rewardModel.floors': read('trainer/reward/floors.ts'),
  'rewardModel.lengthBonus': read('trainer/reward/reward.ts'),
  'rewardModel.ethicalConstraints.maxHarmScore': readWhen(
    'core/votes/reward.ts',
    scoresHarm,
    'nobody scores harm in this run: add harm or safety to live.categories, or leave this out',
  ),
  'rewardModel.ethicalConstraints.minCompassionScore': read('core/votes/reward.ts'),
  'rewardModel.ethicalConstraints.biasThresholds': unread('no bias is measured here: leave this out'),
  'rewardModel.ethicalConstraints.prohibitedTopics': read('core/votes/reward.ts'),
  'rewardModel.ethicalConstraints.requiredDisclosures': unread(
    'no disclosure is looked for in answers: leave this out',
  ),
  'ppoConfig.clipRatio': readWhen(learner, has('clips'), `only ${those('clips')} clip the ratio: ${choose('clips')}`),
  'ppoConfig.valueClipRatio': readWhen(
    learner,
    has('valueHead'),
    `only ${those('valueHead')} has a value head: ${choose('valueHead')}`,
  ),
  'ppoConfig.entropyCoefficient': readWhen(
    learner,
    has('clips'),
    `only ${those('clips')} have an entropy bonus: ${choose('clips')}`,
  ),
  'ppoConfig.valueCoefficient': readWhen(
    learner,
    has('valueHead'),
    `only ${those('valueHead')} has a value head: ${choose('valueHead')}`,
  ),
  'ppoConfig.maxGradNorm': read(learner),
  'ppoConfig.anchor': read(learner),
  'ppoConfig.ppoEpochs': read(learner),
  'ppoConfig.miniBatchSize': read(learner),
  // Beside a fixed live.klCoefficient it is stored and not read, and yet not refused: older clients always send one.
  'ppoConfig.targetKL': read(learner),
  ...ofAlgorithms,
  'loraConfig.rank': read(learner),
  'loraConfig.alpha': readWhen(
    'lm/architectures/lora.ts',
    adapted,
    'without adapters it does nothing: set loraConfig.rank above 0, or leave this out',
  ),
  'loraConfig.rankStabilised': readWhen(
    'lm/architectures/lora.ts',
    adapted,
    'without adapters it does nothing: set loraConfig.rank above 0, or leave this out',
  ),
  'loraConfig.targets': readWhen(
    'lm/architectures/lora.ts',
    adapted,
    'without adapters it does nothing: set loraConfig.rank above 0, or leave this out',
  ),
  'datasetConfig.type': unread(prompts),
  'datasetConfig.sources': unread(prompts),
  'datasetConfig.preprocessing.tokenizer': unread(tokenizer),
  'datasetConfig.preprocessing.maxLength': unread('answers end at live.maxNewTokens tokens: set that'),
  'datasetConfig.preprocessing.padding': unread('batches are padded as they need: leave this out'),
  'datasetConfig.preprocessing.truncation': unread('answers end at live.maxNewTokens tokens: set that'),
  'datasetConfig.preprocessing.specialTokens': unread(tokenizer),
  'datasetConfig.augmentation': unread('nothing is made up beside the model’s prompts: leave this out'),
  distributedConfig: unread('a run is trained by one process: leave this out'),
  'live.title': read('server/sessions/training.ts'),
  'live.audience': read('core/db/audience.ts'),
  'live.shownPerStep': read('trainer/loop/pool.ts'),
  'live.candidates': read('trainer/loop/rollouts.ts'),
  'live.votingWindowSeconds': read('trainer/loop/pool.ts'),
  'live.minVotes': read('trainer/loop/pool.ts'),
  'live.minVotesPerStep': read('trainer/loop/live-loop.ts'),
  'live.maxNewTokens': read(learner),
  'live.temperature': read(learner),
  'live.klCoefficient': read(learner),
  'live.adaptiveKl': read(learner),
  'live.seed': read('trainer/loop/rollouts.ts'),
  'live.categories': read('server/sessions/votes.ts'),
  'live.freeCategories': read('server/sessions/votes.ts'),
  'live.freeTexts': read('server/sessions/votes.ts'),
  'live.secondsPerAnswer': read('core/db/settled.ts'),
  'live.tags': read('client/src/pages/Room.svelte'),
  'checkpoints.keepLast': read('core/db/steps.ts'),
  'checkpoints.keepEvery': read('core/db/steps.ts'),
  'checkpoints.keepBest': read('core/db/steps.ts'),
  'checkpoints.bestMetric': readWhen(
    'core/db/steps.ts',
    ({ checkpoints }) => checkpoints.keepBest > 0,
    'no best steps are kept: set checkpoints.keepBest above 0, or leave this out',
  ),
  'rewardHacking.pause': read('trainer/reward/evidence.ts'),
  'rewardHacking.warnAt': read('trainer/reward/evidence.ts'),
  'rewardHacking.pauseAt': read('trainer/reward/evidence.ts'),
  'rewardHacking.allowedGap': read('trainer/reward/evidence.ts'),
  'rewardHacking.allowedLengthDrift': read('trainer/reward/evidence.ts'),
  'rewardHacking.allowedRepetition': read('trainer/reward/evidence.ts'),
  'rewardHacking.minVotes': read('trainer/loop/reward-hacking-watch.ts'),
  'evaluation.every': readWhen(
    'trainer/evaluation/evaluate.ts',
    ({ validationSplit }) => validationSplit > 0,
    'no prompts are held out to evaluate on: set validationSplit above 0, or leave this out',
  ),
  'evaluation.prompts': readWhen('trainer/evaluation/evaluate.ts', evaluated, unevaluated),
  'evaluation.gate': readWhen('trainer/evaluation/gate.ts', evaluated, unevaluated),
  'evaluation.tolerance': readWhen('trainer/evaluation/gate.ts', evaluated, unevaluated),
}

/**
 * Refuses what a run can't be trained by, although each setting by itself is in its range. @param under the path of
 * the configuration in the request. @throws AttuneError invalid with the path and what to do
 */
export function demandSound(run: TrainingConfig, under = 'configuration'): void {
  const refuse = (path: string, message: string): never => {
    throw new AttuneError('invalid', message, { path: `${under}.${path}` })
  }
  const { type, humanFeedbackWeight, aiRewardWeight } = run.rewardModel
  if (type !== 'human')
    refuse('rewardModel.type', `a reward of type ${type} needs an AI scorer, and this server has none: use human`)
  if (humanFeedbackWeight + aiRewardWeight === 0)
    refuse(
      'rewardModel.humanFeedbackWeight',
      'the weights of people and of an AI scorer sum to 0, so there would be no reward: leave both out',
    )
  refuseIneffective(run, under)
  const { keepBest, bestMetric } = run.checkpoints
  if (keepBest > 0 && !isMetric(bestMetric))
    refuse('checkpoints.bestMetric', `no run reports a metric ${bestMetric}: docs/METRICS.md has the names`)
  const { adaptiveKl, klCoefficient } = run.live
  if (adaptiveKl && klCoefficient === 0)
    refuse(
      'live.adaptiveKl',
      'a KL coefficient of 0 stays 0 however it is adapted: give one above 0, or set adaptiveKl to false',
    )
}

/** @throws AttuneError invalid for a setting that would do nothing in this run, with its path and what to do */
export function refuseIneffective(run: TrainingConfig, under = 'configuration'): void {
  const defaults: unknown = TrainingConfig.parse({})
  for (const [path, { when, instead }] of Object.entries(settings)) {
    const value = at(run, path)
    if (isNeutral(value) || same(value, at(defaults, path)) || when(run)) continue
    throw new AttuneError('invalid', `this setting would do nothing: ${instead}`, { path: `${under}.${path}` })
  }
}

/** An absent value, or an empty object or list, requests nothing. */
const isNeutral = (value: unknown): boolean =>
  value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

function at(tree: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      tree,
    )
}
