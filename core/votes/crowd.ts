import { unit, weight } from './range.ts'

export interface WeighedVote {
  /** `v_i` in [0, 1]. */
  value: number
  /** `w_i` in [0, 1]: its weight on its answer. */
  weight: number
}

/**
 * Variance of a vote of weight 1 about what an answer is worth to everybody, in a vote's value squared: people differ in
 * leniency by 0.1 or so, and in a single vote by as much again.
 */
const VOTE_VARIANCE = 0.15 ** 2

/** The reward model's prediction for a sample from other samples' votes, in the unit of a vote's value. */
export interface Expected {
  /** v̂ in [0, 1]. */
  mean: number
  /** d, at least 0. */
  deviation: number
}

/**
 * How many votes of weight 1 a prediction counts for: κ at most, and fewer the less certain it is,
 *
 *     κ(d) = κ / (1 + κ d² / s²)
 *
 * which is the precision of a prediction whose error has its own variance d² beside s²/κ, in units of a vote's, 1/s²
 * (s = 0.15).
 *
 * @throws OutOfRange for a negative κ or deviation
 */
export function predictionWeight(deviation: number, shrinkage = 1): number {
  const most = weight('shrinkage', shrinkage)
  return most / (1 + (most * weight('deviation', deviation) ** 2) / VOTE_VARIANCE)
}

/**
 * Crowd value of a sample `h = (Σ w_i v_i + κ(d) v̂) / (Σ w_i + κ(d))`: w_i in [0, 1] is the weight of vote
 * i (reliability.ts, {@link capStrangers}), v̂ what the reward model expects from other votes than these, κ(d) what that
 * counts for ({@link predictionWeight}; the shrinkage κ is 1 by default). With no votes (or none of any weight, and κ =
 * 0) h is v̂.
 *
 * @throws OutOfRange for a value, weight or prediction outside [0, 1], or a negative deviation or κ.
 */
export function crowdValue(votes: readonly WeighedVote[], { mean, deviation }: Expected, shrinkage = 1): number {
  unit('prediction', mean)
  // The same mean, written as a correction of v̂: exact without votes.
  let sum = 0
  let weights = predictionWeight(deviation, shrinkage)
  for (const vote of votes) {
    const w = unit('weight', vote.weight)
    sum += w * (unit('value', vote.value) - mean)
    weights += w
  }
  return weights === 0 ? mean : Math.min(1, Math.max(0, mean + sum / weights))
}

/** `Σ w_i + κ(d)`: the posterior precision of h, in votes of weight 1. */
export function crowdPrecision(votes: readonly WeighedVote[], deviation: number, shrinkage = 1): number {
  return votes.reduce((sum, vote) => sum + unit('weight', vote.weight), predictionWeight(deviation, shrinkage))
}

/**
 * The share of h that came from one vote, `w_i / (Σ w_j + κ(d))`, in [0, 1]: the weight that the
 * vote's receipt names. The shares of a sample's votes sum to `1 - κ(d) / (Σ w_j + κ(d))`.
 */
export function voteShare(votes: readonly WeighedVote[], index: number, deviation: number, shrinkage = 1): number {
  const total = crowdPrecision(votes, deviation, shrinkage)
  return total === 0 ? 0 : votes[index]!.weight / total
}

/** With at least this many known raters on an answer, strangers' joint share of it is bounded … */
export const QUORUM = 3
/** … to this. */
export const STRANGERS_SHARE = 1 / 3
/**
 * Joint weight of strangers on an answer with fewer known raters, in an established room: one trusted rater's
 * vote.
 */
export const STRANGERS_WEIGHT = 1

/**
 * The weights of an answer's votes, in their order: each author's weight, but strangers together at
 * most {@link STRANGERS_SHARE} of all where {@link QUORUM} known raters voted, and at most
 * {@link STRANGERS_WEIGHT} where fewer did and the room is established. So a flood of new accounts
 * decides nothing, whatever the weight of each.
 *
 * Worked example: known raters of weight 0.9, 0.8 and 0.7, and forty strangers of 0.1, who would weigh 4.
 * They get 1.2 together, 0.03 each, a third of 3.6.
 */
export function capStrangers(votes: readonly { weight: number; known: boolean }[], established: boolean): number[] {
  const sum = (known: boolean): number =>
    votes.reduce((total, vote) => total + (vote.known === known ? vote.weight : 0), 0)
  const strangers = sum(false)
  const people = votes.reduce((n, vote) => n + (vote.known ? 1 : 0), 0)
  const most = strangersMost(sum(true), people, established)
  const factor = strangers > most ? most / strangers : 1
  return votes.map((vote) => (vote.known ? vote.weight : vote.weight * factor))
}

/** What strangers weigh together on an answer at most, beside known raters of this weight and number. */
export function strangersMost(trusted: number, people: number, established: boolean): number {
  if (people >= QUORUM) return (trusted * STRANGERS_SHARE) / (1 - STRANGERS_SHARE)
  return established ? STRANGERS_WEIGHT : Infinity
}
