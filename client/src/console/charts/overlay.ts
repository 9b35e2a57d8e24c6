/** The curves of several runs in one chart each. Pure. */
import type { Evaluation, StepMetrics, TrainingSession } from '../../../../core/protocol/index.ts'
import { curvesOf, type Curve, type Series } from './curves.ts'
import { evaluationCurves } from './evaluation-curves.ts'

/** What is known of a run's course. */
export interface Course {
  steps: readonly StepMetrics[]
  evaluations: readonly Evaluation[]
}

export interface OverlaidRun extends Course {
  session: Pick<TrainingSession, 'id' | 'title' | 'modelId' | 'currentStep' | 'totalSteps'>
}

interface Stroke {
  /** A token's name. */
  color: string
  dash?: readonly number[]
  /** In words, for those who can't see it. */
  said: string
}

/** CSS pixels that are drawn and left out in turn. */
const [dashes, dots, both] = [
  [8, 5],
  [2, 4],
  [9, 4, 2, 4],
]

/**
 * How the runs' lines look, in their order: neighbours differ in colour and dash, and no two in neither, so that they can
 * be told apart without colours.
 */
export const strokes: readonly Stroke[] = [
  { color: 'accent', said: 'green, solid' },
  { color: 'compassion', dash: dashes, said: 'red, dashed' },
  { color: 'amber', dash: dots, said: 'yellow, dotted' },
  { color: 'ink', dash: both, said: 'neutral, dashed and dotted' },
  { color: 'accent', dash: dashes, said: 'green, dashed' },
  { color: 'compassion', dash: dots, said: 'red, dotted' },
  { color: 'amber', dash: both, said: 'yellow, dashed and dotted' },
  { color: 'ink', said: 'neutral, solid' },
]

/** Runs that can be told apart in one chart. */
export const MOST_RUNS = strokes.length

/** What charts and legend call a run: A, B, … */
export const letterOf = (index: number): string => String.fromCharCode('A'.charCodeAt(0) + index)

/**
 * The same curves of all runs on the same axes: the first series of each, over the steps of any; without those that none
 * has a value of.
 */
export function overlaid(runs: readonly OverlaidRun[]): Curve[] {
  const all = runs.map(({ steps, evaluations }) => [...evaluationCurves(evaluations, []), ...curvesOf(steps)])
  return (all[0] ?? []).flatMap((curve, i) => {
    const same = all.flatMap((curves) => curves[i] ?? [])
    const steps = [...new Set(same.flatMap((each) => each.steps))].sort((a, b) => a - b)
    const series = same.map((each, run) => onSteps(each, steps, run, runs[run]?.session.id ?? ''))
    const isKnown = series.some(({ values }) => values.some((value) => value !== null))
    // Points of runs of different lengths are means of different numbers of steps; each is named by its last one.
    return isKnown ? [{ ...curve, steps, per: 1, series }] : []
  })
}

function onSteps({ series: [first], steps: own }: Curve, steps: readonly number[], run: number, id: string): Series {
  const { color, dash } = strokes[run % strokes.length] ?? { color: 'ink' }
  const values = new Map(own.map((step, at) => [step, first?.values[at] ?? null]))
  return {
    label: letterOf(run),
    name: `${id} ${first?.name ?? ''}`,
    color,
    ...(dash && { dash }),
    // A step that only another run has is no gap in this one's curve.
    sparse: true,
    values: steps.map((step) => values.get(step) ?? null),
  }
}
