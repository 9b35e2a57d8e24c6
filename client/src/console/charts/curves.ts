/** The curves that a room and the console draw, from the metrics of the steps. Pure. */
import type { StepMetrics, TrainingMetrics } from '../../../../core/protocol/index.ts'
import { duration, fixed } from '../../ui/format.ts'

export interface Series {
  label: string
  /** The metric's, as docs/METRICS.md has it; of one run among several, behind that run's id. */
  name: string
  /** A token's name, such as `accent`. */
  color: string
  /** How the line is broken: CSS pixels that are drawn and left out in turn; absent: it is whole. */
  dash?: readonly number[]
  /** One value per point; null is a gap. */
  values: (number | null)[]
  /** Not known at every step: a line leads from one value to the next, and few values are points. */
  sparse?: boolean
}

export interface Curve {
  title: string
  /** What a reader should know to read it. */
  meaning: string
  steps: number[]
  /** Steps in a point, which is their mean. */
  per: number
  series: Series[]
  format: (value: number) => string
  /** Of its values, as docs/METRICS.md has it. */
  unit: string
  /** What the axis is called where `format` writes another unit. */
  axis?: string
  /** The axis spans at least this much, so that noise does not look like a rise. */
  span: number
  /** Of evaluations: few values, each the mean over many answers, so they are never smoothed. */
  evaluated?: boolean
}

export const firstOf =
  (names: readonly string[]) =>
  (metrics: TrainingMetrics): number | null =>
    names.map((name) => metrics[name]).find((value) => value !== undefined && Number.isFinite(value)) ?? null

/** The reward before normalisation where the trainer reports it: on the same scale as a vote. */
const REWARD = ['rewardScore', 'objective/scores']
export const rewardOf = firstOf(REWARD)

/** Every chart, in order. To add one, add an entry here with the names of its metrics; no other file changes. */
const described: {
  title: string
  meaning: string
  format: (value: number) => string
  unit: string
  axis?: string
  span: number
  /** The legend's label, the token of the colour, and the metric: the first of these names that a step has. */
  series: [label: string, color: string, names: string[]][]
}[] = [
  {
    title: 'Reward',
    meaning: 'The reward of the answers by the crowd’s votes, minus penalties: about 0 to 1.',
    format: fixed,
    unit: 'value, about 0…1',
    span: 0.2,
    series: [['reward', 'accent', REWARD]],
  },
  {
    title: 'Reward and people',
    meaning:
      'What the reward model predicted before it saw any vote on the answers, and what people then gave, 0 to 1. If the first rises and the second does not, the model is learning to please its reward instead of people.',
    format: fixed,
    unit: 'value, about 0…1',
    span: 0.2,
    series: [
      ['reward', 'accent', ['gap/reward']],
      ['people', 'compassion', ['gap/people']],
    ],
  },
  {
    title: 'Compassion',
    meaning: 'How kind the answers are in the crowd’s eyes, 0 to 1.',
    format: fixed,
    unit: '0…1',
    span: 0.2,
    series: [['compassion', 'compassion', ['compassionScore']]],
  },
  {
    title: 'Agreement',
    meaning:
      'How far raters agree on the same answers (Krippendorff’s alpha of their ratings): 1 where all say the same, 0 where they agree as by chance, below 0 where they contradict each other.',
    format: fixed,
    unit: 'no unit, at most 1',
    span: 0.5,
    series: [['agreement', 'accent', ['agreement']]],
  },
  {
    title: 'KL to reference',
    meaning:
      'How far the answers are from the model before training: mean KL to the reference policy, in nats per answer.',
    format: fixed,
    unit: 'nats per response',
    span: 0.5,
    series: [['KL', 'amber', ['objective/kl']]],
  },
  {
    title: 'Vote to gradient',
    meaning: 'How long a vote took to change the model: median and 95th percentile.',
    format: duration,
    unit: 'milliseconds',
    axis: 'time',
    span: 2_000,
    series: [
      ['p50', 'accent', ['vote_to_gradient_p50_ms']],
      ['p95', 'line-strong', ['vote_to_gradient_p95_ms']],
    ],
  },
]

/** Points of a curve, at most: about as many as a chart is wide enough to tell apart. */
const MOST_POINTS = 200

export function curvesOf(steps: readonly StepMetrics[], most = MOST_POINTS): Curve[] {
  const per = stepsPerPoint(steps.length, most)
  const points = pointsOf(steps, per)
  return described.map(({ series, ...curve }) => ({
    ...curve,
    steps: points.map((point) => point.at(-1)!.step),
    per,
    series: series.map(([label, color, names]) => ({
      label,
      name: names[0] ?? label,
      color,
      values: points.map((point) => meanOf(point.map((s) => firstOf(names)(s.metrics)))),
    })),
  }))
}

/** The least of 1, 2, 5, 10, 20, 50, … with which there are few enough points: it changes seldom as a run goes on. */
function stepsPerPoint(count: number, most: number): number {
  for (let unit = 1; ; unit *= 10)
    for (const times of [1, 2, 5]) if (Math.ceil(count / (unit * times)) <= most) return unit * times
}

/** Cut at multiples of `per`, wherever the steps begin: a point that is full stays as it is when new steps come. */
function pointsOf(steps: readonly StepMetrics[], per: number): StepMetrics[][] {
  const points = new Map<number, StepMetrics[]>()
  for (const step of steps) {
    const key = Math.ceil(step.step / per)
    const point = points.get(key)
    if (point) point.push(step)
    else points.set(key, [step])
  }
  return [...points.values()]
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length
}

/**
 * The range of an axis that contains [low, high] and spans at least `span`; it starts no lower than 0 for values that
 * are never negative.
 */
export function rangeOf(low: number, high: number, span: number): [number, number] {
  const missing = Math.max(0, span - (high - low)) / 2
  const margin = 0.08 * Math.max(span, high - low)
  const from = low - missing - margin
  return low >= 0 && from < 0 ? [0, high + 2 * missing + margin] : [from, high + missing + margin]
}
