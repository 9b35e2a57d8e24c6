/**
 * Statistics of one optimizer step: the loss's by name, and the global gradient norm before
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
