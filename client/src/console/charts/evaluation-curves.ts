/** What the held-out prompts show, drawn beside the run's own curves. Pure. */
import type { Evaluation, StepMetrics, TrainingMetrics } from '../../../../core/protocol/index.ts'
import { fixed } from '../../ui/format.ts'
import { firstOf, type Curve } from './curves.ts'

/** A series of the evaluations, or of the run's own steps (`own`). */
type Described = [label: string, color: string, metric: string, own?: 'own']

const described: (Omit<Curve, 'steps' | 'per' | 'series'> & { series: Described[] })[] = [
  {
    title: 'Wins against the untrained model',
    meaning:
      'The share of held-out prompts whose answer the reward model prefers to the untrained model’s, with its 95 % interval: ½ where neither is better.',
    format: fixed,
    unit: '0…1',
    span: 0.4,
    series: [
      ['wins', 'accent', 'eval/win_rate'],
      ['from', 'line-strong', 'eval/win_rate_low'],
      ['to', 'line-strong', 'eval/win_rate_high'],
    ],
  },
  {
    title: 'Compassion, held out',
    meaning:
      'Predicted compassion of the answers to held-out prompts, and of those that the run trains on, 0 to 1. If only the second rises, the model learns its prompts and not kindness.',
    format: fixed,
    unit: '0…1',
    span: 0.2,
    series: [
      ['held out', 'compassion', 'eval/compassion'],
      ['training', 'line-strong', 'compassionScore', 'own'],
    ],
  },
  {
    title: 'Usefulness, held out',
    meaning: 'Predicted rating and categories of the answers to held-out prompts, compassion left out, 0 to 1.',
    format: fixed,
    unit: '0…1',
    span: 0.2,
    series: [['held out', 'accent', 'eval/usefulness']],
  },
  {
    title: 'KL, held out',
    meaning:
      'How far the answers are from the model before training, on held-out prompts and in training, nats per answer.',
    format: fixed,
    unit: 'nats per response',
    span: 0.5,
    series: [
      ['held out', 'amber', 'eval/kl'],
      ['training', 'line-strong', 'objective/kl', 'own'],
    ],
  },
  {
    title: 'Readability, held out',
    meaning:
      'How likely the untrained model finds the answers, as the mean log-probability of a token: it falls when they are no longer language. No judge is involved.',
    format: fixed,
    unit: 'nats per token',
    span: 0.5,
    series: [['log-probability', 'accent', 'eval/logprob']],
  },
  {
    title: 'Repeated and cut off, held out',
    meaning: 'The share of repeated trigrams in the answers, and the share of answers that do not end by themselves.',
    format: fixed,
    unit: '0…1',
    span: 0.2,
    series: [
      ['repeated', 'amber', 'eval/repetition'],
      ['cut off', 'line-strong', 'eval/truncated'],
    ],
  },
]

/** In the room there is space for three. */
const SMALL = ['Wins against the untrained model', 'Compassion, held out', 'Usefulness, held out']

export function evaluationCurves(
  evaluations: readonly Evaluation[],
  steps: readonly StepMetrics[],
  small = false,
): Curve[] {
  const standing = evaluations.filter(({ setAside }) => !setAside)
  const first = standing[0]?.step ?? 0
  const own = new Map(steps.filter(({ step }) => step >= first).map(({ step, metrics }) => [step, metrics]))
  const heldOut = new Map(standing.map(({ step, metrics }) => [step, metrics]))
  const all = [...new Set([...own.keys(), ...heldOut.keys()])].sort((a, b) => a - b)
  const valueOf = (metrics: TrainingMetrics | undefined, name: string) => (metrics ? firstOf([name])(metrics) : null)
  return described
    .filter(({ title }) => !small || SMALL.includes(title))
    .map(({ series, ...curve }) => ({
      ...curve,
      evaluated: true,
      steps: all,
      per: 1,
      series: series.map(([label, color, name, of]) => ({
        label,
        name,
        color,
        sparse: of === undefined,
        values: all.map((step) => valueOf((of === 'own' ? own : heldOut).get(step), name)),
      })),
    }))
}

/** The last evaluation of the steps that led to a run's weights. */
export const lastOf = (evaluations: readonly Evaluation[]): Evaluation | undefined =>
  evaluations.findLast(({ setAside }) => !setAside)

/** An evaluation in a sentence. */
export function verdictOf({ step, metrics, against, regressed, shows }: Evaluation): string {
  const {
    'eval/win_rate': rate,
    'eval/win_rate_low': low,
    'eval/win_rate_high': high,
    'eval/prompts': prompts,
  } = metrics
  const wins =
    rate === undefined || low === undefined || high === undefined
      ? ''
      : ` Its answers win ${percent(rate)} of ${prompts} prompts against the untrained model’s (${percent(low)} to ${percent(high)}).`
  const beside =
    regressed && against !== null
      ? ` It is worse than step ${against.step}: ${against.difference.toFixed(3)} ± ${against.error.toFixed(3)} in value.`
      : ''
  const held = shows < step ? ` The weights of step ${shows} answer until an evaluation is good again.` : ''
  return `Evaluated after step ${step}.${wins}${beside}${held}`
}

const percent = (share: number): string => `${Math.round(100 * share)} %`
