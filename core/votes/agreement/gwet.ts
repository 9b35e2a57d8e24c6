/** How near two points of a scale are held to agree. */
export type Weighting = 'identity' | 'ordinal' | 'linear' | 'quadratic'

/** What Gwet's coefficients need of the ratings. */
export interface GwetSums {
  /** Units that somebody rated, and those with two ratings or more. */
  rated: number
  paired: number
  /** By two points c < k, at c · q + k: the share of a unit's pairs of ratings that are c and k, summed over units. */
  apart: Float64Array
  /** By point: its share of a unit's ratings, summed over the rated units. */
  shares: Float64Array
}

/**
 * Gwet's AC1 (`identity`) or AC2 (any other weights) of several raters with missing values; q points, used or not.
 *
 *     AC = (p_a - p_e) / (1 - p_e),   p_e = T_w / (q (q - 1)) Σ_k π_k (1 - π_k),   T_w = Σ_kl w_kl
 *
 * p_a is the mean over units with two ratings of the weighted share of their pairs that agree, π_k the mean over all
 * rated units of the share of point k. Undefined without a unit of two ratings. 1 where everybody always gives the same.
 *
 * Source: Gwet, "Computing inter-rater reliability and its variance in the presence of high agreement", British Journal
 * of Mathematical and Statistical Psychology 61, 2008; weights and missing values: Handbook of Inter-Rater Reliability,
 * 4th edition, 2014.
 */
export function gwetCoefficient({ rated, paired, apart, shares }: GwetSums, weighting: Weighting): number | undefined {
  if (paired === 0) return undefined
  const q = shares.length
  const weights = agreementWeights(weighting, q)
  let [disagreed, total] = [0, q]
  for (let c = 0; c < q; c++) {
    for (let k = c + 1; k < q; k++) {
      const weight = weights[k - c]!
      disagreed += (1 - weight) * apart[c * q + k]!
      total += 2 * weight
    }
  }
  const spread = shares.reduce((sum, share) => sum + (share / rated) * (1 - share / rated), 0)
  const chance = (total / (q * (q - 1))) * spread
  return (1 - disagreed / paired - chance) / (1 - chance)
}

/** w of two of q points, by how many steps they are apart: 1 at 0 steps, 0 at q - 1, or at any step for `identity`. */
export function agreementWeights(weighting: Weighting, q: number): number[] {
  const pairs = (n: number): number => (n * (n - 1)) / 2
  return Array.from({ length: q }, (_, steps) => {
    switch (weighting) {
      case 'identity':
        return steps === 0 ? 1 : 0
      case 'ordinal':
        return 1 - pairs(steps + 1) / pairs(q)
      case 'linear':
        return 1 - steps / (q - 1)
      case 'quadratic':
        return 1 - (steps / (q - 1)) ** 2
    }
  })
}
