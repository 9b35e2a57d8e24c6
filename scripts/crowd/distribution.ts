/** Many measurements of one thing, in the unit of the values. */
export interface Distribution {
  count: number
  mean: number
  p50: number
  p95: number
  p99: number
  max: number
}

/** Null where nothing was measured. */
export function distribution(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  return {
    count: sorted.length,
    mean: mean(sorted),
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted[sorted.length - 1]!,
  }
}

/** The smallest value that at least the share `p` of the ascending values doesn't exceed (nearest rank). */
export function percentile(ascending: readonly number[], p: number): number {
  if (ascending.length === 0) throw new Error('percentile: no values')
  const rank = Math.ceil(p * ascending.length)
  return ascending[Math.min(ascending.length, Math.max(1, rank)) - 1]!
}

export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new Error('mean: no values')
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Standard error of the mean; needs two values. */
export function standardError(values: readonly number[]): number {
  const n = values.length
  if (n < 2) throw new Error('standardError: fewer than two values')
  const m = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - m) ** 2, 0) / (n - 1) / n)
}
