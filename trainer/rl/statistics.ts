/**
 * What one optimizer step reports: the loss's statistics by name, and the norm of all gradients together before
 * clipping.
 */
export interface StepStatistics {
  approxKl: number
  gradientNorm: number
  [statistic: string]: number
}

/** NaN for no entries. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}
