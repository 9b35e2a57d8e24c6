/** The settings of a run that the console offers, each with what it does. The defaults are the schema's own. */
import {
  StartTraining,
  type TrainingConfig,
  type TrainingConfigInput,
  Audience,
  algorithmNames,
  algorithms,
} from '../../../../core/protocol/index.ts'
import { audiences } from '../people/audience.ts'

export interface Setting {
  /** Its path in the configuration. */
  path: readonly string[]
  label: string
  explain: string
  kind: 'number' | 'switch' | 'list' | 'text' | 'choice'
  /** Of a choice: the values, each with its label. */
  options?: readonly (readonly [value: string, label: string])[]
  /** What leaving the field empty means, if that is allowed. */
  empty?: string
}

export interface SettingGroup {
  title: string
  settings: Setting[]
}

const number = (path: string, label: string, explain: string): Setting => ({
  path: path.split('.'),
  label,
  explain,
  kind: 'number',
})
/** May be left empty, which means `empty`. */
const optional = (path: string, label: string, explain: string, empty: string): Setting => ({
  ...number(path, label, explain),
  empty,
})
const toggle = (path: string, label: string, explain: string): Setting => ({
  path: path.split('.'),
  label,
  explain,
  kind: 'switch',
})
const list = (path: string, label: string, explain: string): Setting => ({
  path: path.split('.'),
  label,
  explain,
  kind: 'list',
})
const text = (path: string, label: string, explain: string): Setting => ({
  path: path.split('.'),
  label,
  explain,
  kind: 'text',
})
const choice = (path: string, label: string, explain: string, options: Setting['options']): Setting => ({
  path: path.split('.'),
  label,
  explain,
  kind: 'choice',
  options,
})

export const groups: SettingGroup[] = [
  {
    title: 'The crowd',
    settings: [
      choice(
        'live.audience',
        'The session is for',
        'Who sees the session, and who votes in it. Invited people come by links that you make once it has started; all this can be changed later.',
        Audience.options.map((audience) => [audience, audiences[audience]]),
      ),
      number(
        'live.shownPerStep',
        'Answers open at a time',
        'How many answers the crowd has before it. More gives everyone something to rate; fewer collects more votes on each.',
      ),
      number(
        'live.candidates',
        'Answers sampled for each shown',
        'People see the one of them that may be the best, so that fewer votes teach the same. 1 shows what the model says on average.',
      ),
      number(
        'live.votingWindowSeconds',
        'Longest voting, seconds',
        'Voting on an answer closes after this long, even with fewer votes, if people have voted on others since.',
      ),
      number(
        'live.minVotes',
        'Votes that close voting',
        'Voting on an answer closes once it has this many votes, and another answer takes its place.',
      ),
      number(
        'live.minVotesPerStep',
        'Minimum votes per step',
        'A step waits for this many new votes. With 1 the model learns from each vote at once.',
      ),
      number(
        'live.secondsPerAnswer',
        'Seconds per answer',
        'How long a person needs to rate an answer. Where votes are paid, this caps how many are paid for.',
      ),
      list('live.tags', 'Quick tags', 'What raters can mark with one click, separated by commas.'),
      list(
        'live.categories',
        'Categories',
        'What raters score besides the rating itself, separated by commas. Each counts as much as the rating.',
      ),
      toggle(
        'live.freeTexts',
        'Votes on own texts',
        'Whether people may also vote on texts that this run never produced, through the API. They train the reward model, up to a bounded share.',
      ),
    ],
  },
  {
    title: 'The reward',
    settings: [
      number(
        'rewardModel.compassionWeight',
        'Compassion weight λ',
        'How much of a vote is compassion: 0 looks at quality only, 1 at compassion only.',
      ),
      number(
        'rewardModel.shrinkage',
        'Shrinkage κ',
        'How many votes the reward model’s own prediction counts for at most, where it is certain. 0 uses the votes alone.',
      ),
      toggle(
        'rewardModel.floors',
        'Hold every score at its floor',
        'No score, such as usefulness, may fall below the untrained model’s own level while another one rises.',
      ),
      number(
        'ppoConfig.targetKL',
        'Target KL, nats per answer',
        'How far from the reference model training should settle. It sets the KL coefficient β, as 1 / √(2 · target), and few votes allow only a share of it; rewards saturate, so a run often settles closer.',
      ),
      optional(
        'live.klCoefficient',
        'KL coefficient β',
        'How strongly the model is kept close to the reference model. If it is too low, the model finds empty phrases that score well.',
        'from the target KL',
      ),
      toggle(
        'live.adaptiveKl',
        'Adapt the KL coefficient',
        'Adjusts β by up to 1 % per step, between half and twice its initial value, to reach the target.',
      ),
      number(
        'rewardModel.lengthBonus',
        'Length bonus',
        'Added to the reward per standard deviation above the usual length; below 0 it favours short answers. A reward that length alone can raise is easily hacked.',
      ),
    ],
  },
  {
    title: 'Learning',
    settings: [
      choice(
        'algorithm',
        'Algorithm',
        algorithmNames.map((name) => `${algorithms[name].label} learns ${algorithms[name].explain}`).join('; ') + '.',
        algorithmNames.map((name) => [name, algorithms[name].label]),
      ),
      number(
        'loraConfig.rank',
        'Adapter rank',
        'Trains low-rank adapters (LoRA) of this rank, which need a fraction of the memory and a learning rate about ten times higher. 0 trains the whole model.',
      ),
      number(
        'ppoConfig.anchor',
        'Anchor to the base',
        'Each update goes back by this share of the way to the base model’s weights. It keeps what the run does not ask about; 0 turns it off.',
      ),
      number('epochs', 'Steps', 'The run ends after this many steps.'),
      number(
        'batchSize',
        'Answers per step',
        'How many answers the model learns from in each step: at most half are those just voted on, the rest are its own new ones, scored by the reward model.',
      ),
      number(
        'learningRate',
        'Learning rate',
        'Step size of the optimizer. Too high and the model forgets the language, too low and nothing changes.',
      ),
      choice(
        'learningRateSchedule',
        'Learning rate schedule',
        'Whether the learning rate is constant or decays to a small value by the last step.',
        [
          ['constant', 'constant'],
          ['linear', 'linear decay'],
          ['cosine', 'cosine decay'],
        ],
      ),
      number('warmupSteps', 'Warm-up, steps', 'The learning rate rises to its full value over this many steps.'),
      number('ppoConfig.ppoEpochs', 'Epochs per update', 'How many passes are made over each batch.'),
      number('ppoConfig.miniBatchSize', 'Minibatch', 'Answers in each update; it must divide the answers per step.'),
      number('ppoConfig.clipRatio', 'Clip ratio ε', 'How far one batch may move the probability of a token.'),
      number('ppoConfig.entropyCoefficient', 'Entropy bonus', 'Rewards variety. 0 leaves variety to the KL penalty.'),
    ],
  },
  {
    title: 'Reward hacking',
    settings: [
      toggle(
        'rewardHacking.pause',
        'Pause automatically',
        'The run pauses when the evidence is beyond chance: the reward diverges from people’s votes, or answers become longer or repetitive.',
      ),
      number(
        'rewardHacking.warnAt',
        'Warn at',
        'Evidence, in standard deviations, at which everyone is warned. A lower value warns sooner and raises more false alarms.',
      ),
      number('rewardHacking.pauseAt', 'Pause at', 'Evidence at which the run pauses; not below the warning level.'),
      number(
        'rewardHacking.allowedGap',
        'Allowed gap',
        'How far the predicted reward may exceed people’s ratings, on a scale of 0 to 1.',
      ),
      number(
        'rewardHacking.allowedLengthDrift',
        'Allowed length drift',
        'In standard deviations of the lengths before training.',
      ),
      number(
        'rewardHacking.allowedRepetition',
        'Allowed repetition',
        'How much the share of repeated trigrams may rise, 0 to 1.',
      ),
      number(
        'rewardHacking.minVotes',
        'Votes before the check starts',
        'The reward is compared with people’s votes once the reward model has learned from this many.',
      ),
    ],
  },
  {
    title: 'Evaluation',
    settings: [
      number(
        'validationSplit',
        'Held-out prompts, share',
        'This share of the model’s prompts is never trained on; evaluations ask them. 0 holds none out.',
      ),
      number(
        'evaluation.every',
        'Evaluate every N steps',
        'The model answers the held-out prompts before training and after every N steps. 0 never evaluates.',
      ),
      number('evaluation.prompts', 'Prompts per evaluation', 'The same ones every time. More give smaller errors.'),
      toggle(
        'evaluation.gate',
        'Hold back weights that regress',
        'If an evaluation is worse than the best one beyond chance, the last good weights answer until one is good again.',
      ),
      number(
        'evaluation.tolerance',
        'Tolerance',
        'How much below the best evaluation the mean value may be, beyond chance, on a scale of 0 to 1.',
      ),
    ],
  },
  {
    title: 'Checkpoints',
    settings: [
      number(
        'checkpoints.keepLast',
        'Latest checkpoints kept',
        'The checkpoints of this many steps stay on disk. If the newest is damaged, the run resumes from the one before.',
      ),
      number(
        'checkpoints.keepEvery',
        'Also keep every N steps',
        'Steps that a run can go back to, or another one branch from. 0 keeps none.',
      ),
      number(
        'checkpoints.keepBest',
        'Also keep the best',
        'This many checkpoints with the highest value of the metric below. 0 keeps none.',
      ),
      text(
        'checkpoints.bestMetric',
        'Best by this metric',
        'The name of a metric, such as humanRating or rewardScore.',
      ),
    ],
  },
  {
    title: 'Sampling',
    settings: [
      number('live.maxNewTokens', 'Maximum answer length, tokens', 'Longer answers are cut off.'),
      number('live.temperature', 'Temperature', 'Sampling temperature: lower is safer, higher is more varied.'),
      number('live.seed', 'Seed', 'The same seed and the same votes give the same weights.'),
    ],
  },
]

type Tree = { [key: string]: unknown }
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The schema's defaults, as the text that a form shows. */
export const defaults = (): Record<string, string> => valuesOf(StartTraining.parse({ modelId: 'any' }).configuration)

/** A configuration's settings, as the text that a form shows. */
export const valuesOf = (configuration: unknown): Record<string, string> =>
  Object.fromEntries(groups.flatMap((g) => g.settings).map((s) => [s.path.join('.'), textOf(configuration, s)]))

/** A setting's value in a configuration, as text. */
export const textOf = (configuration: unknown, setting: Setting): string => shown(at(configuration, setting.path) ?? '')

function at(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isTree(value) ? value[key] : undefined), tree)
}

function shown(value: unknown): string {
  if (!Array.isArray(value)) return String(value)
  return value.map((item: unknown) => (isTree(item) ? String(item.name) : String(item))).join(', ')
}

export type Checked =
  | { ok: true; modelId: string; configuration: TrainingConfigInput }
  /** Messages by the setting's path. */
  | { ok: false; errors: Record<string, string> }

/**
 * The form's problems, found by the schema that the server will use. @param from a configuration whose other settings
 * are kept: those that the form does not show, or shows in short and nobody has changed
 */
export function check(
  modelId: string,
  title: string,
  values: Readonly<Record<string, string>>,
  from: TrainingConfig | null = null,
): Checked {
  const configuration: Tree = structuredClone(from) ?? {}
  for (const setting of groups.flatMap((g) => g.settings)) {
    const { path, kind, empty } = setting
    const text = values[path.join('.')] ?? ''
    if (from !== null && text === textOf(from, setting)) continue
    if (empty === undefined || text.trim() !== '') put(configuration, path, parsed(path, kind, text))
    else if (from !== null) put(configuration, path, undefined)
  }
  if (title.trim()) put(configuration, ['live', 'title'], title)
  else if (from !== null) put(configuration, ['live', 'title'], undefined)
  const result = StartTraining.safeParse({ modelId, configuration })
  if (result.success) return { ok: true, modelId, configuration: result.data.configuration }
  const issues = result.error.issues.map((issue) => {
    const [first, ...rest] = issue.path
    return [
      first === 'configuration' ? rest.filter((key) => typeof key === 'string').join('.') : String(first),
      issue.message,
    ] as const
  })
  return { ok: false, errors: Object.fromEntries(issues) }
}

function parsed(path: readonly string[], kind: Setting['kind'], text: string): unknown {
  if (kind === 'switch') return text === 'true'
  if (kind === 'choice') return text
  if (kind === 'number') return text.trim() === '' ? Number.NaN : Number(text)
  if (kind === 'text') return text
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
  return path.at(-1) === 'categories' ? items.map((name) => ({ name })) : items
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path
  if (key === undefined) return
  if (rest.length === 0) {
    tree[key] = value
    return
  }
  const branch = tree[key]
  const next: Tree = isTree(branch) ? branch : {}
  tree[key] = next
  put(next, rest, value)
}
