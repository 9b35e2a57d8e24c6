/** Curves and steps as tables to save. Pure. */
import type { StepMetrics } from '../../../../core/protocol/index.ts'
import type { Curve } from './curves.ts'
import type { Table } from '../tables/table-file.ts'

/** What charts show, a row a step: their points, not smoothed, in the units of docs/METRICS.md. */
export function curvesTable(curves: readonly Curve[]): Table {
  const series = curves.flatMap((curve) =>
    curve.series.map(({ name, values }) => ({ name, at: new Map(curve.steps.map((step, i) => [step, values[i]])) })),
  )
  // The same curve may be in two charts.
  const columns = [...new Map(series.map((each) => [each.name, each])).values()]
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b)
  return {
    columns: ['step', ...columns.map(({ name }) => name)],
    rows: steps.map((step) => [step, ...columns.map(({ at }) => at.get(step) ?? null)]),
  }
}

/** Every metric of every step, by the names of docs/METRICS.md; null where a step does not have it. */
export function stepsTable(steps: readonly StepMetrics[]): Table {
  const names = [...new Set(steps.flatMap(({ metrics }) => Object.keys(metrics)))].sort()
  return {
    columns: ['step', 'timestamp', ...names],
    rows: steps.map(({ step, timestamp, metrics }) => [step, timestamp, ...names.map((name) => metrics[name] ?? null)]),
  }
}
