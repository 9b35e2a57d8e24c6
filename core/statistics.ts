/**
 * Statistics of a list of numbers, in the unit of the numbers unless it says otherwise. If the numbers are a sample of
 * something larger, its spread is estimated (Bessel's correction, n − 1); if they are the whole population, it is
 * exact. If undefined, as for no numbers, the result is NaN, and null only if a caller is likely to meet that case.
 * Pure, and imports nothing.
 */

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** NaN for no numbers. */
export const mean = (values: readonly number[]): number => sum(values) / values.length

/** The maximum, but not less than `least`. `Math.max(...values)` would need a stack as large as the list. */
export const maxOf = (values: readonly number[], least = -Infinity): number =>
  values.reduce((most, value) => Math.max(most, value), least)

/** The minimum, but not more than `most`. */
export const minOf = (values: readonly number[], most = Infinity): number =>
  values.reduce((least, value) => Math.min(least, value), most)

/** Sum of squared differences from the mean, by two passes. */
function squares(values: readonly number[]): number {
  const centre = mean(values)
  return values.reduce((total, value) => total + (value - centre) ** 2, 0)
}

/** Unit: the numbers' squared. NaN for no numbers. */
export const populationVariance = (values: readonly number[]): number => squares(values) / values.length
export const populationDeviation = (values: readonly number[]): number => Math.sqrt(populationVariance(values))

/** Unbiased. Unit: the numbers' squared. 0 for fewer than two numbers, which don't differ. */
export const sampleVariance = (values: readonly number[]): number => squares(values) / Math.max(1, values.length - 1)
export const sampleDeviation = (values: readonly number[]): number => Math.sqrt(sampleVariance(values))

/** Of the mean: sample deviation over the root of the number. NaN for no numbers. */
export const standardError = (values: readonly number[]): number => sampleDeviation(values) / Math.sqrt(values.length)

/**
 * The smallest of the numbers that at least the share `p` (0…1) of them doesn't exceed: the nearest rank, definition 1
 * of Hyndman & Fan, "Sample Quantiles in Statistical Packages", 1996. NaN for no numbers.
 */
export function quantile(values: readonly number[], p: number): number {
  const ascending = [...values].sort((a, b) => a - b)
  const rank = Math.ceil(p * ascending.length)
  return ascending[Math.min(ascending.length, Math.max(1, rank)) - 1] ?? NaN
}

/** The middle number; of an even count the mean of the two in the middle. NaN for no numbers. */
export function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b)
  const middle = ascending.length / 2
  return mean(ascending.slice(Math.ceil(middle) - 1, Math.floor(middle) + 1))
}

/** A summary of many measurements of one quantity. */
export interface Distribution {
  count: number
  mean: number
  p50: number
  p95: number
  p99: number
  max: number
}

/** Null if nothing was measured. The quantiles are nearest ranks. */
export function distribution(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null
  const [p50, p95, p99] = [quantile(values, 0.5), quantile(values, 0.95), quantile(values, 0.99)]
  return { count: values.length, mean: mean(values), p50, p95, p99, max: maxOf(values) }
}

/** Pearson's product-moment correlation of pairs, −1…1. Null if one side is constant. */
export function correlation(a: readonly number[], b: readonly number[]): number | null {
  const [centreA, centreB] = [mean(a), mean(b)]
  const together = a.reduce((total, value, i) => total + (value - centreA) * (b[i]! - centreB), 0)
  const spread = Math.sqrt(squares(a) * squares(b))
  return spread === 0 ? null : Math.min(1, Math.max(-1, together / spread))
}

/**
 * Spearman's rank correlation of pairs, −1…1: Pearson's of their ranks, where equal values share the mean of theirs.
 * Null if one side is constant.
 */
export const rankCorrelation = (a: readonly number[], b: readonly number[]): number | null =>
  correlation(ranks(a), ranks(b))

/** Ranks from 1; equal values share the mean of theirs. */
export function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length
    const equal = values.filter((other) => other === value).length
    return below + (equal + 1) / 2
  })
}
