/** The settings of a run that the console offers, each with what it does. The defaults are the schema's own. */
import { StartTraining, type TrainingConfigInput, algorithmNames, algorithms } from '../../../core/protocol/index.ts'

export interface Setting {
  /** Where it stands in the configuration. */
  path: readonly string[]
  label: string
  explain: string
  kind: 'number' | 'switch' | 'list' | 'text' | 'choice'
  /** Of a choice: the values, each with its label. */
  options?: readonly (readonly [value: string, label: string])[]
  /** What leaving the field empty means, where it may be left so. */
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
      number(
        'live.shownPerStep',
        'Answers shown per step',
        'How many answers the crowd sees in each step. More gives everybody something to rate; fewer gathers more votes on each.',
      ),
      number(
        'live.votingWindowSeconds',
        'Voting window, seconds',
        'Voting on an answer closes after this long. Longer windows gather more votes and make each step slower.',
      ),
      number(
        'live.minVotes',
        'Votes that close an answer',
        'Voting closes early once every shown answer has this many votes.',
      ),
      number(
        'live.minVotesPerStep',
        'Votes that a step waits for',
        'With fewer votes than this in all, the model does not learn: with nobody there, nothing moves.',
      ),
      number(
        'live.secondsPerAnswer',
        'Seconds an answer',
        'How long a person needs to rate an answer. Where votes are paid, nobody is paid for more than they could do in the time.',
      ),
      list('live.tags', 'Quick tags', 'What raters can mark with one click, separated by commas.'),
      list(
        'live.categories',
        'Categories',
        'What raters score besides the rating itself, separated by commas. Each counts as much as the rating.',
      ),
      toggle(
        'live.freeTexts',
        'Votes on texts of one’s own',
        'Whether people may also vote on texts that this run never produced, through the API. They teach the reward model, within a bounded share.',
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
        'How many votes the reward model’s own prediction counts for. 0 believes the votes alone.',
      ),
      number(
        'ppoConfig.targetKL',
        'Target KL, nats per answer',
        'How far from its first self the model is to settle. The KL coefficient β follows from it, as 1 / √(2 · target); scores run out at their best, so a run often settles nearer.',
      ),
      optional(
        'live.klCoefficient',
        'KL coefficient β',
        'How strongly the model is held to how it spoke before training. Too low and it finds empty phrases that score well.',
        'from the target KL',
      ),
      toggle(
        'live.adaptiveKl',
        'Adapt the KL coefficient',
        'Moves β by up to 1 % a step, within half and twice its start, so that the distance comes to its target.',
      ),
      number(
        'rewardModel.lengthBonus',
        'Length bonus',
        'Added to the reward for each deviation by which an answer is longer than usual; below 0 it favours short answers. A reward that length alone can raise is easily cheated.',
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
        'Trains low-rank adapters (LoRA) of this rank, which take a fraction of the memory and a learning rate about ten times as high. 0 trains the whole model.',
      ),
      number('epochs', 'Steps', 'The run ends after this many.'),
      number(
        'batchSize',
        'Answers per step',
        'How many answers the model learns from in each step, shown or not. Those not shown are scored by the reward model.',
      ),
      number(
        'learningRate',
        'Learning rate',
        'How large a step is taken for the same reward. Too high forgets the language, too low shows nothing.',
      ),
      choice(
        'learningRateSchedule',
        'Learning rate over the run',
        'Whether the learning rate stays, or falls to a small rest by the last step.',
        [
          ['constant', 'stays'],
          ['linear', 'falls evenly'],
          ['cosine', 'falls by half a cosine'],
        ],
      ),
      number('warmupSteps', 'Warm-up, steps', 'The learning rate rises to its full value over so many steps.'),
      number('ppoConfig.ppoEpochs', 'Epochs of an update', 'How often each batch is gone through.'),
      number('ppoConfig.miniBatchSize', 'Minibatch', 'Answers in each update; the answers per step must divide by it.'),
      number('ppoConfig.clipRatio', 'Clip ratio ε', 'How far one batch may move the probability of a token.'),
      number('ppoConfig.entropyCoefficient', 'Entropy bonus', 'Rewards variety. 0 leaves variety to the KL penalty.'),
      toggle(
        'live.overlap',
        'Learn while people vote',
        'Trains on the last batch while this one is being voted on. Steps are faster; votes act one step later.',
      ),
    ],
  },
  {
    title: 'The watch for reward hacking',
    settings: [
      toggle(
        'rewardHacking.pause',
        'Pause by itself',
        'The run pauses once what it shows is beyond chance: a reward that parts from people’s votes, answers that grow or repeat themselves.',
      ),
      number(
        'rewardHacking.warnAt',
        'Warn at',
        'Evidence, in deviations, at which everybody is warned. Lower warns sooner, and more often for nothing.',
      ),
      number('rewardHacking.pauseAt', 'Pause at', 'Evidence at which the run pauses; not below the line above.'),
      number(
        'rewardHacking.allowedGap',
        'Allowed gap',
        'By how much the reward may promise more than people give, on the scale 0 to 1.',
      ),
      number(
        'rewardHacking.allowedLengthDrift',
        'Allowed change of length',
        'In deviations of the lengths before training.',
      ),
      number(
        'rewardHacking.allowedRepetition',
        'Allowed repetition',
        'By how much the share of repeated three-token runs may rise, 0 to 1.',
      ),
      number(
        'rewardHacking.minVotes',
        'Votes before it watches',
        'The reward is held against people once the reward model has learnt from this many votes.',
      ),
    ],
  },
  {
    title: 'Checkpoints',
    settings: [
      number(
        'checkpoints.keepLast',
        'Latest steps kept',
        'The checkpoints of this many steps stay on disk. Should the newest be damaged, the run goes on from the one before.',
      ),
      number('checkpoints.keepEvery', 'Also one every so many steps', 'To go back to by hand. 0 keeps none.'),
      number(
        'checkpoints.keepBest',
        'Also the best steps',
        'This many of the steps whose metric below was highest. 0 keeps none.',
      ),
      text(
        'checkpoints.bestMetric',
        'Best by this metric',
        'A metric by its name, such as humanRating or rewardScore.',
      ),
    ],
  },
  {
    title: 'Writing',
    settings: [
      number('live.maxNewTokens', 'Longest answer, tokens', 'An answer is cut off here.'),
      number(
        'live.temperature',
        'Temperature',
        'How freely the model chooses its words: lower is safer, higher is more varied.',
      ),
      number('live.seed', 'Seed', 'Same seed, same votes, same weights.'),
    ],
  },
]

type Tree = { [key: string]: unknown }
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The schema's defaults, as the text that a form shows. */
export function defaults(): Record<string, string> {
  const { configuration } = StartTraining.parse({ modelId: 'any' })
  return Object.fromEntries(groups.flatMap((g) => g.settings).map((s) => [s.path.join('.'), textOf(configuration, s)]))
}

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

/** What the form says, through the schema that the server will use. */
export function check(modelId: string, title: string, values: Readonly<Record<string, string>>): Checked {
  const configuration: Tree = {}
  for (const { path, kind, empty } of groups.flatMap((g) => g.settings)) {
    const text = values[path.join('.')] ?? ''
    if (empty === undefined || text.trim() !== '') put(configuration, path, parsed(path, kind, text))
  }
  if (title.trim()) put(configuration, ['live', 'title'], title)
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
