import { mean } from '../rl/statistics.ts'

/** Sample deviation; 0 of a single value. */
export function deviationOf(values: readonly number[]): number {
  const centre = mean(values)
  return Math.sqrt(values.reduce((sum, x) => sum + (x - centre) ** 2, 0) / Math.max(1, values.length - 1))
}

/** Of the mean: sample deviation over the root of the number. */
export const standardError = (values: readonly number[]): number => deviationOf(values) / Math.sqrt(values.length)

/** Spearman's rank correlation, -1…1; equal values share their ranks. null where one side says the same throughout. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)]
  const centre = (a.length + 1) / 2
  const sum = (of: (i: number) => number): number => x.reduce((total, _, i) => total + of(i), 0)
  const spread = Math.sqrt(sum((i) => (x[i]! - centre) ** 2) * sum((i) => (y[i]! - centre) ** 2))
  return spread === 0 ? null : Math.min(1, Math.max(-1, sum((i) => (x[i]! - centre) * (y[i]! - centre)) / spread))
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length
    const equal = values.filter((other) => other === value).length
    return below + (equal + 1) / 2
  })
}
