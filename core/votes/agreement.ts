import { maxOf } from '../statistics.ts'

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
  const counts = values.map(() => 0) // n_c
  for (const unit of units) for (const value of unit) counts[index.get(value) ?? 0]!++
  const n = counts.reduce((a, b) => a + b, 0)
  if (values.length < 2) return undefined

  const delta = squaredDifference(metric, values, counts)
  let observed = 0
  for (const unit of units) {
    // By value, not by rating: a full room gives an answer thousands of ratings and ten values.
    const given = tally(unit.map((value) => index.get(value) ?? 0))
    for (const [c, times] of given) {
      for (const [k, others] of given) observed += (times * others * delta(c, k)) / (unit.length - 1)
    }
  }
  let expected = 0
  for (let c = 0; c < values.length; c++) {
    for (let k = 0; k < values.length; k++) expected += counts[c]! * counts[k]! * delta(c, k)
  }
  return 1 - (observed * (n - 1)) / expected
}

/** δ²(c, k) between the values of indices c and k, for each scale of measurement. */
function squaredDifference(metric: Metric, values: readonly number[], counts: readonly number[]) {
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
