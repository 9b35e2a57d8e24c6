/** Two runs side by side: curves, settings, answers. Pure. */
import type { Evaluation, EvaluationAnswer, StepMetrics, TrainingConfig } from '../../../core/protocol/index.ts'
import { curvesOf, type Curve } from './curves.ts'
import { evaluationCurves } from './evaluation-curves.ts'
import { groups } from './settings.ts'

/** A run as it is compared. */
export interface ComparedRun {
  steps: readonly StepMetrics[]
  evaluations: readonly Evaluation[]
}

/** The same curves of both runs on the same axes: the first series of each, over the steps of either. */
export function comparedCurves(a: ComparedRun, b: ComparedRun): Curve[] {
  const [ofA, ofB] = [a, b].map(({ steps, evaluations }) => [
    ...evaluationCurves(evaluations, []),
    ...curvesOf(steps),
  ]) as [Curve[], Curve[]]
  return ofA.map((curve, i) => {
    const other = ofB[i]!
    const steps = [...new Set([...curve.steps, ...other.steps])].sort((x, y) => x - y)
    const series = (of: Curve, label: string, color: string) => {
      const [first] = of.series
      const values = new Map(of.steps.map((step, at) => [step, first?.values[at] ?? null]))
      // A step that only the other run has is no gap in this one's curve.
      return { label, color, sparse: true, values: steps.map((step) => values.get(step) ?? null) }
    }
    return { ...curve, steps, series: [series(curve, 'A', 'accent'), series(other, 'B', 'compassion')] }
  })
}

export interface Difference {
  /** As the console names it, or the setting's path. */
  label: string
  a: string
  b: string
}

/** The settings in which two runs differ, in the schema's order. */
export function differences(a: TrainingConfig, b: TrainingConfig): Difference[] {
  const labels = new Map(groups.flatMap((group) => group.settings).map(({ path, label }) => [path.join('.'), label]))
  const [ofA, ofB] = [leavesOf(a), leavesOf(b)]
  return [...new Set([...ofA.keys(), ...ofB.keys()])]
    .map((path) => ({ label: labels.get(path) ?? path, a: ofA.get(path) ?? '–', b: ofB.get(path) ?? '–' }))
    .filter((difference) => difference.a !== difference.b)
}

/** The values of a configuration by their paths, as text; a list is one value. */
function leavesOf(tree: object, path: readonly string[] = []): Map<string, string> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]: [string, unknown]): [string, string][] => {
      const here = [...path, key]
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return [...leavesOf(value, here)]
      return [[here.join('.'), typeof value === 'string' ? value : JSON.stringify(value)]]
    }),
  )
}

export interface ComparedAnswer {
  prompt: string
  a: EvaluationAnswer
  b: EvaluationAnswer
}

/** The answers of both to the same prompts, in the order of the first. */
export function sameAnswers(a: readonly EvaluationAnswer[], b: readonly EvaluationAnswer[]): ComparedAnswer[] {
  const ofB = new Map(b.map((answer) => [answer.prompt, answer]))
  return a.flatMap((answer) => {
    const other = ofB.get(answer.prompt)
    return other === undefined ? [] : [{ prompt: answer.prompt, a: answer, b: other }]
  })
}
