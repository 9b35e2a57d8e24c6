import { maxOf } from '../statistics.ts'
import { ballotsOf, comparisonsOf, isKnown, type Ballots, type Comparisons, type RatedSample } from './comparisons.ts'
import { capStrangers } from './crowd.ts'
import { unit, weight } from './range.ts'

export interface ReliabilityPrior {
  /** Reliability of a rater without any data, in [0, 1]. */
  value: number
  /** The weight of the prior, in comparable votes. */
  votes: number
}

export const RELIABILITY_PRIOR: ReliabilityPrior = { value: 0.6, votes: 8 }

/** Comparable votes at which a rater's votes have half their maximum weight. */
export const HALF_TRUST = 8

/** Iterations after which reliabilities have converged; more change only the third digit. */
const ROUNDS = 4

/** A rater's standing in a room. */
export interface Standing {
  /** ρ in [0, 1]. */
  reliability: number
  /** n: the number of the rater's comparable votes. */
  comparable: number
  /** w in [0, 1]: the weight of their votes. */
  weight: number
  known: boolean
}

export interface Standings {
  of(raterId: string): Standing
  /** Everybody who has voted. */
  readonly raters: ReadonlyMap<string, Standing>
  /** Whether an answer was voted on in a room that had known raters. */
  established(sampleId: string): boolean
}

/**
 * The weight of every rater's votes, from all votes so far:
 *
 *     w_i = ρ_i t_i / max_j t_j,   t = n / (n + 8)
 *
 * ρ_i is how well i agrees with the others, n_i the number of i's comparable votes (comparisons.ts),
 * so that standing has to be earned: a stranger's first vote weighs a ninth of what it will, an account
 * that only ever rates texts of its own making weighs nothing. Weights are relative to the room's most
 * trusted, so that a room of strangers, and a lone rater, with whom nobody can be compared (t = 0 for
 * all; then w = ρ), learn at full speed.
 *
 * Reliability ρ: votes v_ij are compared with the leave-one-out crowd g_ij, the mean of the others'
 * comparable votes on the same answer by what they weigh there (strangers capped as in the crowd value),
 * by Lin's concordance over the comparisons. Each counts c_ij (comparisons.ts; their sum is n_i) times what
 * the others weigh there, where that is less than one trusted vote. With k_i the sum of that:
 *
 *     C_i = 2 cov(v, g) / (var v + var g + (mean v - mean g)²)        in [-1, 1]
 *     ρ_i = clamp01((m ρ_0 + k_i C_i) / (m + k_i))
 *
 * ρ_0 is the prior and m its weight in votes. Concordance, not correlation, because the crowd's values
 * are averaged: a rater who always votes 0.3 too low errs, too. It is 1 for a rater who always gives
 * the crowd's value, 0 in expectation for one who votes without looking (or always the same),
 * negative for one who inverts, who therefore falls to 0 within m votes. Since g needs w and w needs g,
 * they are iterated from the prior a fixed number of rounds. Because g goes by earned weights,
 * strangers can't change the regulars' ρ, however many they are. Agreement shows reliability only where
 * most earned weight is honest: a crowd whose regulars invert trusts them.
 *
 * Worked example: 40 comparable votes at ρ 0.9 beside a first vote at the prior 0.6. t is 40/48 and 1/9,
 * so the weights are 0.9 and 0.6 · (1/9) / (40/48) = 0.08.
 *
 * Source of C: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.
 *
 * @throws OutOfRange for a value or a prior outside [0, 1].
 */
export function standingsOf(votes: readonly RatedSample[], prior: ReliabilityPrior = RELIABILITY_PRIOR): Standings {
  unit('prior', prior.value)
  weight('prior votes', prior.votes)
  for (const vote of votes) unit('value', vote.value)
  const ballots = ballotsOf(votes)
  let rho = new Float64Array(ballots.raters.length).fill(prior.value)
  for (let round = 0; round < ROUNDS; round++) {
    const compared = comparisonsOf(ballots, rho)
    rho = Float64Array.from(pairsOf(ballots, compared, weights(rho, compared)), (pairs) => smoothed(pairs, prior))
  }
  const compared = comparisonsOf(ballots, rho)
  const standings = weights(rho, compared)
  const raters = new Map(ballots.raters.map((id, rater) => [id, standings[rater]!]))
  return {
    raters,
    of: (raterId) => raters.get(raterId) ?? { reliability: prior.value, comparable: 0, weight: 0, known: false },
    established(sampleId) {
      const sample = ballots.samples.get(sampleId)
      return sample !== undefined && compared.established[sample] === 1
    },
  }
}

/** ρ of every rater, see {@link standingsOf}. */
export function reliabilities(
  votes: readonly RatedSample[],
  prior: ReliabilityPrior = RELIABILITY_PRIOR,
): Map<string, number> {
  return new Map([...standingsOf(votes, prior).raters].map(([id, { reliability }]) => [id, reliability]))
}

/** By rater. */
function weights(rho: Float64Array, { counts }: Comparisons): Standing[] {
  const trust = counts.map((n) => n / (n + HALF_TRUST))
  const most = maxOf([...trust], 0)
  return Array.from(rho, (reliability, rater) => ({
    reliability,
    comparable: counts[rater]!,
    weight: most === 0 ? reliability : (reliability * trust[rater]!) / most,
    known: isKnown(counts[rater]!, reliability),
  }))
}

/** Own value, the others' mean, and the comparison's weight in (0, 1]. */
type Pair = readonly [own: number, others: number, weight?: number]

/** `clamp01((m ρ_0 + n C) / (m + n))` for pairs of (own value, leave-one-out crowd value), n their weights' sum. */
export function smoothed(pairs: readonly Pair[], prior: ReliabilityPrior): number {
  const c = concordance(pairs)
  if (c === undefined) return prior.value
  const n = pairs.reduce((sum, [, , w = 1]) => sum + w, 0)
  return Math.min(1, Math.max(0, (prior.votes * prior.value + n * c) / (prior.votes + n)))
}

/**
 * Lin's concordance of weighted pairs, in [-1, 1]. Undefined without pairs, or if every value is the
 * same.
 */
export function concordance(pairs: readonly Pair[]): number | undefined {
  const n = pairs.reduce((sum, [, , w = 1]) => sum + w, 0)
  if (n === 0) return undefined
  let meanV = 0
  let meanG = 0
  for (const [v, g, w = 1] of pairs) {
    meanV += (w * v) / n
    meanG += (w * g) / n
  }
  let cov = 0
  let spread = (meanV - meanG) ** 2
  for (const [v, g, w = 1] of pairs) {
    cov += (w * (v - meanV) * (g - meanG)) / n
    spread += (w * ((v - meanV) ** 2 + (g - meanG) ** 2)) / n
  }
  return spread < 1e-12 ? undefined : Math.min(1, Math.max(-1, (2 * cov) / spread))
}

/** By rater: the comparable votes beside the crowd's value without them, where anybody of weight is left. */
function pairsOf(
  { votes, raters, raterOf, on }: Ballots,
  { weights, established }: Comparisons,
  standings: readonly Standing[],
): Pair[][] {
  const pairs = Array.from(raters, (): Pair[] => [])
  on.forEach((indices, sample) => {
    const weighed = capStrangers(
      indices.map((index) => standings[raterOf[index]!]!),
      established[sample] === 1,
    )
    let sum = 0
    let total = 0
    indices.forEach((index, i) => {
      sum += weighed[i]! * votes[index]!.value
      total += weighed[i]!
    })
    indices.forEach((index, i) => {
      const others = total - weighed[i]!
      if (weights[index] === 0 || others <= 1e-9) return
      const { value } = votes[index]!
      pairs[raterOf[index]!]!.push([
        value,
        Math.min(1, Math.max(0, (sum - weighed[i]! * value) / others)),
        weights[index]! * Math.min(1, others),
      ])
    })
  })
  return pairs
}
