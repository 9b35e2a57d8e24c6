/** The curves that a room and the console draw, from the metrics of the steps. Pure. */
import type { StepMetrics, TrainingMetrics } from '../../server/protocol.ts'
import { duration, fixed } from './format.ts'

export interface Series {
  label: string
  /** A token's name, such as `accent`. */
  color: string
  /** One value a step; null is a gap. */
  values: (number | null)[]
}

export interface Curve {
  title: string
  /** What a reader should know to read it. */
  meaning: string
  steps: number[]
  series: Series[]
  format: (value: number) => string
}

const firstOf = (names: readonly string[]) => (metrics: TrainingMetrics): number | null =>
  names.map((name) => metrics[name]).find((value) => value !== undefined && Number.isFinite(value)) ?? null

export const rewardOf = firstOf(['objective/scores', 'rewardScore'])

const described: { title: string; meaning: string; format: (value: number) => string; series: [string, string, string[]][] }[] = [
  {
    title: 'Reward',
    meaning: 'What the crowd’s votes make of the answers, 0 to 1.',
    format: fixed,
    series: [['reward', 'accent', ['objective/scores', 'rewardScore']]],
  },
  {
    title: 'Compassion',
    meaning: 'How kind the answers are in the crowd’s eyes, 0 to 1.',
    format: fixed,
    series: [['compassion', 'compassion', ['compassionScore']]],
  },
  {
    title: 'KL to reference',
    meaning: 'How far the answers are from the model before training: mean KL to the reference policy, in nats per answer.',
    format: fixed,
    series: [['KL', 'amber', ['objective/kl']]],
  },
  {
    title: 'Vote to gradient',
    meaning: 'How long a vote took to change the model: the middle vote and the slowest in twenty.',
    format: duration,
    series: [
      ['p50', 'accent', ['vote_to_gradient_p50_ms']],
      ['p95', 'line-strong', ['vote_to_gradient_p95_ms']],
    ],
  },
]

export function curvesOf(steps: readonly StepMetrics[]): Curve[] {
  return described.map(({ series, ...curve }) => ({
    ...curve,
    steps: steps.map((s) => s.step),
    series: series.map(([label, color, names]) => ({ label, color, values: steps.map((s) => firstOf(names)(s.metrics)) })),
  }))
}
