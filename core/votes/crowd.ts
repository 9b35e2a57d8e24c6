import { unit, weight } from './range.ts'

export interface WeighedVote {
  /** `v_i` in [0, 1]. */
  value: number
  /** `w_i` in [0, 1]: its weight on its answer. */
  weight: number
}

/**
 * Crowd value of a sample `h = (Σ w_i v_i + κ v̂) / (Σ w_i + κ)`: w_i in [0, 1] is the weight of vote
 * i (reliability.ts, {@link capStrangers}), v̂ the reward model's pessimistic prediction, κ the shrinkage
 * (1 by default). With no votes (or none of any weight, and κ = 0) h is v̂.
 *
 * @throws OutOfRange for a value, weight or prediction outside [0, 1] or a negative κ.
 */
export function crowdValue(votes: readonly WeighedVote[], prediction: number, shrinkage = 1): number {
  unit('prediction', prediction)
  // The same mean, written as a correction of v̂: exact without votes.
  let sum = 0
  let weights = weight('shrinkage', shrinkage)
  for (const vote of votes) {
    const w = unit('weight', vote.weight)
    sum += w * (unit('value', vote.value) - prediction)
    weights += w
  }
  return weights === 0 ? prediction : Math.min(1, Math.max(0, prediction + sum / weights))
}

/**
 * The share of h that came from one vote, `w_i / (Σ w_j + κ)`, in [0, 1]: the weight that the
 * vote's receipt names. The shares of a sample's votes sum to `1 - κ / (Σ w_j + κ)`.
 */
export function voteShare(votes: readonly WeighedVote[], index: number, shrinkage = 1): number {
  const total = votes.reduce((sum, vote) => sum + unit('weight', vote.weight), weight('shrinkage', shrinkage))
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
