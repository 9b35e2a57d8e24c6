import { maxOf } from '../../statistics.ts'

/** The scale of measurement, which defines the distance of two values. */
export type Metric = 'nominal' | 'ordinal' | 'interval' | 'ratio'

/**
 * Krippendorff's alpha of `ratings[observer][unit]` (null: missing): 1 is perfect agreement, 0
 * what chance gives, below 0 systematic disagreement. Units with fewer than two ratings are left
 * out. Undefined if there is nothing to disagree about: no unit with two ratings, or only one
 * value in use.
 *
 *     α = 1 - D_o / D_e,  D_o = Σ_ck o_ck δ²(c,k) / n,  D_e = Σ_ck n_c n_k δ²(c,k) / (n (n - 1))
 *
 * with the coincidences o_ck = Σ_u (number of c-k pairs in unit u) / (m_u - 1).
 * Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011.
 */
export function krippendorffAlpha(
  ratings: readonly (readonly (number | null)[])[],
  metric: Metric,
): number | undefined {
  const units = columns(ratings).filter((unit) => unit.length >= 2)
  const values = [...new Set(units.flat())].sort((a, b) => a - b)
  const index = new Map(values.map((value, i) => [value, i]))
  const counts = new Float64Array(values.length)
  const coincidences = new Float64Array(values.length ** 2)
  for (const unit of units) {
    // By value, not by rating: a full room gives an answer thousands of ratings and ten values.
    const given = [...tally(unit.map((value) => index.get(value) ?? 0))]
    for (const [c, times] of given) {
      counts[c]! += times
      for (const [k, others] of given)
        if (c < k) coincidences[c * values.length + k]! += (times * others) / (unit.length - 1)
    }
  }
  return alphaOf(coincidences, counts, squaredDifference(metric, values, counts))
}

/**
 * α of the coincidences o_ck of values c < k, at c · q + k, and how often each of the q values comes, n_c. Only pairs of
 * different values count, each once: those that are alike differ by 0.
 */
export function alphaOf(
  coincidences: Float64Array,
  counts: Float64Array,
  delta: (c: number, k: number) => number,
): number | undefined {
  const q = counts.length
  const n = counts.reduce((sum, count) => sum + count, 0)
  let [observed, expected] = [0, 0]
  for (let c = 0; c < q; c++) {
    if (counts[c] === 0) continue
    for (let k = c + 1; k < q; k++) {
      if (counts[k] === 0) continue
      const distance = delta(c, k)
      observed += coincidences[c * q + k]! * distance
      expected += counts[c]! * counts[k]! * distance
    }
  }
  return expected === 0 ? undefined : 1 - (observed * (n - 1)) / expected
}

/** Of the raw values of units with two ratings or more: what alpha by intervals needs of them. */
export interface Moments {
  /** n, Σ v and Σ v²: best taken from the middle of the scale. */
  count: number
  sum: number
  squares: number
  /** Σ_u Σ_{i<j} (v_i - v_j)² / (m_u - 1) = Σ_u (m_u Σ v² - (Σ v)²) / (m_u - 1). */
  differences: number
}

/** α by intervals of any values, without a table of them: the same as {@link krippendorffAlpha}. */
export function intervalAlpha({ count, sum, squares, differences }: Moments): number | undefined {
  const expected = count * squares - sum * sum
  // Values that are all the same leave rounding alone.
  return expected <= 1e-12 * count * count ? undefined : 1 - (differences * (count - 1)) / expected
}

/** δ²(c, k) between the values of indices c and k, for each scale of measurement. */
export function squaredDifference(metric: Metric, values: ArrayLike<number>, counts: ArrayLike<number>) {
  return (c: number, k: number): number => {
    if (c === k) return 0
    switch (metric) {
      case 'nominal':
        return 1
      case 'ordinal': {
        // (Σ_{g=c..k} n_g - (n_c + n_k) / 2)²
        let between = -(counts[c]! + counts[k]!) / 2
        for (let g = Math.min(c, k); g <= Math.max(c, k); g++) between += counts[g]!
        return between ** 2
      }
      case 'interval':
        return (values[c]! - values[k]!) ** 2
      case 'ratio':
        return ((values[c]! - values[k]!) / (values[c]! + values[k]!)) ** 2
    }
  }
}

/** How often each comes. */
function tally(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

function columns(ratings: readonly (readonly (number | null)[])[]): number[][] {
  const width = maxOf(
    ratings.map((row) => row.length),
    0,
  )
  return Array.from({ length: width }, (_, u) => ratings.flatMap((row) => (typeof row[u] === 'number' ? [row[u]] : [])))
}
