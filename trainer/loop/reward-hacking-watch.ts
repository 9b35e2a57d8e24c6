/** The live loop's detector of reward hacking: evaluates a step's answers and votes, and words the warnings. */
import type { RunWarning, TrainingConfig } from '../../core/protocol/index.ts'
import { lengthDrift, repetitionDrift, shapeOf, type Drift, type Shape } from '../reward/drift.ts'
import { signsOf, weigh, type Evidence, type Sign } from '../reward/evidence.ts'
import { gapOf, type Gap, type HeldOut } from '../reward/gap.ts'
import { mean } from '../../core/statistics.ts'

export interface Watched {
  evidence: Evidence
  metrics: Record<string, number>
  warnings: Pick<RunWarning, 'kind' | 'message'>[]
  /** Why the run pauses; null: it continues. */
  pause: string | null
}

/** What each figure of the watch says, and after the last semicolon its unit. */
export const WATCH_METRICS = {
  'gap/reward':
    'mean over the answers that people voted on in this step of the reward that each would have got unseen: from the reward model as it was before it learnt from these votes; value, about 0…1',
  'gap/people': 'mean over the same answers of what their voters gave, by what their votes weigh; value, 0…1',
  'gap/level': 'gap/reward - gap/people; value',
  'gap/order':
    'Spearman’s rank correlation of the two over these answers, absent where one says the same of all; no unit, -1…1',
  'gap/answers': 'answers that the four figures above are taken over; answers',
  'drift/length': 'mean length of the step’s answers less that of the reference’s outputs; deviations of the latter',
  'drift/repetition':
    'mean share of trigrams (of tokens) that an answer has used before, less that of the reference’s outputs; no unit, -1…1',
  'watch/level': 'evidence that the reward promises more than people give, by trainer/reward/evidence.ts; deviations',
  'watch/order': 'evidence that the reward orders answers against people; deviations',
  'watch/length': 'evidence that answers are longer or shorter than is allowed; deviations',
  'watch/repetition': 'evidence that answers repeat themselves more than is allowed; deviations',
} as const

export interface WatchedStep {
  /** Of the step's answers, and of the reference's outputs: at least one each. */
  answers: readonly (readonly number[])[]
  reference: readonly Shape[]
  heldOut: readonly HeldOut[]
  raters: number
  /** Votes that the reward model had learnt from before. */
  learntFrom: number
}

export function watchStep(before: Evidence, step: WatchedStep, rules: TrainingConfig['rewardHacking']): Watched {
  const shapes = step.answers.map(shapeOf)
  const gap = step.learntFrom >= rules.minVotes ? gapOf(step.heldOut) : null
  const length = lengthDrift(shapes, step.reference)
  const repetition = repetitionDrift(shapes, step.reference)
  const { evidence, alarms } = weigh(before, signsOf({ gap, raters: step.raters, length, repetition }, rules), rules)
  const said = alarms.map(({ sign, pauses }) => ({
    kind: KINDS[sign],
    message: sentence(sign, { gap, length, repetition, shapes, reference: step.reference }),
    pauses,
  }))
  const pausing = said.filter(({ pauses }) => pauses)
  return {
    evidence,
    metrics: {
      ...(gap && {
        'gap/reward': gap.reward,
        'gap/people': gap.people,
        'gap/level': gap.level,
        'gap/answers': gap.answers,
      }),
      ...(gap && gap.rank !== null && { 'gap/order': gap.rank }),
      'drift/length': length.by,
      'drift/repetition': repetition.by,
      ...Object.fromEntries(Object.entries(evidence).map(([sign, { sum }]) => [`watch/${sign}`, sum])),
    },
    warnings: said.map(({ kind, message }) => ({ kind, message })),
    pause: pausing.length === 0 ? null : pausing.map(({ message }) => message).join(' '),
  }
}

const KINDS = {
  level: 'reward-level',
  order: 'reward-order',
  length: 'length',
  repetition: 'repetition',
} as const satisfies Record<Sign, RunWarning['kind']>

interface Findings {
  gap: Gap | null
  length: Drift
  repetition: Drift
  shapes: readonly Shape[]
  reference: readonly Shape[]
}

/** The text of an alarm, with the figures of the step that raised it. */
function sentence(sign: Sign, { gap, length, shapes, reference }: Findings): string {
  switch (sign) {
    case 'level': {
      const { reward, people } = known(gap)
      return `The reward promises more than people give: ${reward.toFixed(2)} where their votes say ${people.toFixed(2)}. The model may be learning to please the reward instead of you.`
    }
    case 'order':
      return `The reward orders answers against people's votes (rank correlation ${known(known(gap).rank).toFixed(2)}): what it prefers, they don't.`
    case 'length':
      return `Answers are ${length.by > 0 ? 'longer' : 'shorter'} than the model's own used to be: ${tokens(shapes)} tokens on average, ${tokens(reference)} before training.`
    case 'repetition':
      return `Answers repeat themselves: ${percent(shapes)} of their three-token runs came before in the same answer, ${percent(reference)} before training.`
  }
}

/** A sign without data in a step raises no alarm. */
function known<T>(finding: T | null): T {
  if (finding === null) throw new Error('an alarm without its finding')
  return finding
}

const tokens = (shapes: readonly Shape[]): string => mean(shapes.map((shape) => shape.tokens)).toFixed(0)
const percent = (shapes: readonly Shape[]): string =>
  `${(100 * mean(shapes.map((shape) => shape.repetition))).toFixed(0)} %`
