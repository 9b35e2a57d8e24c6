import { unit, weight } from './range.ts'

export interface RatedSample {
  raterId: string
  sampleId: string
  /** `v` in [0, 1]. */
  value: number
}

export interface ReliabilityPrior {
  /** What a rater of whom nothing is known counts, in [0, 1]. */
  value: number
  /** How many comparable votes outweigh the prior: its weight, in votes. */
  votes: number
}

export const RELIABILITY_PRIOR: ReliabilityPrior = { value: 0.6, votes: 8 }

/** Rounds after which reliabilities have settled; more change the third digit. */
const ROUNDS = 4

/**
 * Reliability ρ of every rater, in [0, 1], from all votes so far.
 *
 * Rater i's votes v_ij are compared with the leave-one-out crowd g_ij, the mean of the others'
 * votes on the same sample weighted by their reliability, by Lin's concordance:
 *
 *     C_i = 2 cov(v, g) / (var v + var g + (mean v - mean g)²)        in [-1, 1]
 *     ρ_i = clamp01((m ρ_0 + n_i C_i) / (m + n_i))
 *
 * n_i is the number of i's votes that somebody else's vote can be compared with, ρ_0 the prior
 * and m its weight in votes. Concordance, not correlation, because the crowd's values are
 * averaged: a rater who always votes 0.3 too low errs, too. It is 1 for a rater who always gives
 * the crowd's value, 0 in expectation for one who votes without looking (or always the same),
 * negative for one who inverts, who so falls to 0 within m votes. Since g needs ρ and ρ needs g,
 * the pair is iterated from the prior a fixed number of rounds. Agreement shows reliability only
 * where most weight is honest: a crowd with an inverting majority trusts the majority.
 *
 * Source of C: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.
 *
 * @throws OutOfRange for a value or a prior outside [0, 1].
 */
export function reliabilities(
  votes: readonly RatedSample[],
  prior: ReliabilityPrior = RELIABILITY_PRIOR,
): Map<string, number> {
  unit('prior', prior.value)
  weight('prior votes', prior.votes)
  const byRater = new Map<string, RatedSample[]>()
  for (const vote of votes) {
    unit('value', vote.value)
    const own = byRater.get(vote.raterId)
    if (own) own.push(vote)
    else byRater.set(vote.raterId, [vote])
  }
  let rho = new Map([...byRater.keys()].map((id) => [id, prior.value]))
  for (let round = 0; round < ROUNDS; round++) {
    const crowd = weightedSums(votes, rho)
    rho = new Map([...byRater].map(([id, own]) => [id, smoothed(comparable(own, rho.get(id) ?? 0, crowd), prior)]))
  }
  return rho
}

/** `clamp01((m ρ_0 + n C) / (m + n))` for pairs of (own value, leave-one-out crowd value). */
export function smoothed(pairs: readonly (readonly [number, number])[], prior: ReliabilityPrior): number {
  const c = concordance(pairs)
  if (c === undefined) return prior.value
  const n = pairs.length
  return Math.min(1, Math.max(0, (prior.votes * prior.value + n * c) / (prior.votes + n)))
}

/**
 * Lin's concordance of pairs, in [-1, 1]. Undefined where it says nothing: no pairs, or every
 * value the same.
 */
export function concordance(pairs: readonly (readonly [number, number])[]): number | undefined {
  const n = pairs.length
  if (n === 0) return undefined
  let meanV = 0
  let meanG = 0
  for (const [v, g] of pairs) {
    meanV += v / n
    meanG += g / n
  }
  let cov = 0
  let spread = (meanV - meanG) ** 2
  for (const [v, g] of pairs) {
    cov += ((v - meanV) * (g - meanG)) / n
    spread += ((v - meanV) ** 2 + (g - meanG) ** 2) / n
  }
  return spread < 1e-12 ? undefined : Math.min(1, Math.max(-1, (2 * cov) / spread))
}

interface Sums {
  sum: number
  weight: number
}

function weightedSums(votes: readonly RatedSample[], rho: ReadonlyMap<string, number>): Map<string, Sums> {
  const sums = new Map<string, Sums>()
  for (const vote of votes) {
    const w = rho.get(vote.raterId) ?? 0
    const s = sums.get(vote.sampleId) ?? { sum: 0, weight: 0 }
    sums.set(vote.sampleId, { sum: s.sum + w * vote.value, weight: s.weight + w })
  }
  return sums
}

/** The rater's votes beside the crowd's value without them, where anybody of weight is left. */
function comparable(own: readonly RatedSample[], rho: number, crowd: ReadonlyMap<string, Sums>): [number, number][] {
  const mine = weightedSums(own, new Map(own.map((vote) => [vote.raterId, rho])))
  return own.flatMap((vote): [number, number][] => {
    const all = crowd.get(vote.sampleId) ?? { sum: 0, weight: 0 }
    const self = mine.get(vote.sampleId) ?? { sum: 0, weight: 0 }
    const others = all.weight - self.weight
    return others > 1e-6 ? [[vote.value, Math.min(1, Math.max(0, (all.sum - self.sum) / others))]] : []
  })
}
