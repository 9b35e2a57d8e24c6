/** Estimates with their errors, of what a held-out set's answers show. Pure. */
import { mean, standardError } from '../../core/statistics.ts'

/** A mean and its standard error. */
export interface Estimate {
  mean: number
  error: number
}

/** Of at least one number. The prompts are held fixed: the error is that of other prompts of their kind. */
export const estimate = (values: readonly number[]): Estimate => ({ mean: mean(values), error: standardError(values) })

/** A share, and its 95 % interval. */
export interface Share {
  share: number
  low: number
  high: number
}

/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959964

/**
 * How often `a` is above `b`, pair by pair; a tie is half a win. The interval is Wilson's, which stays within 0…1 and
 * is not empty at either end: E. B. Wilson, “Probable Inference”, JASA 22, 1927; recommended by Brown, Cai & DasGupta,
 * “Interval Estimation for a Binomial Proportion”, 2001. With ties it is wider than it need be: their variance is
 * smaller than that of wins and losses.
 */
export function winRate(a: readonly number[], b: readonly number[]): Share {
  const n = a.length
  const share = mean(a.map((value, i) => winOf(value, b[i]!)))
  const scale = 1 + Z ** 2 / n
  const centre = (share + Z ** 2 / (2 * n)) / scale
  const half = (Z * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2))) / scale
  return { share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}

const winOf = (a: number, b: number): number => (a === b ? 0.5 : a > b ? 1 : 0)
