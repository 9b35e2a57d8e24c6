import { unit, weight } from './range.ts'

export interface WeighedVote {
  /** `v_i` in [0, 1]. */
  value: number
  /** `ρ_i` in [0, 1]. */
  reliability: number
}

/**
 * Crowd value of a sample `h = (Σ ρ_i v_i + κ v̂) / (Σ ρ_i + κ)`: ρ_i in [0, 1] is rater i's
 * reliability, v̂ the reward model's pessimistic prediction, κ the shrinkage (1 by default).
 * With no votes (or none of any weight, and κ = 0) h is v̂.
 *
 * @throws OutOfRange for a value, reliability or prediction outside [0, 1] or a negative κ.
 */
export function crowdValue(votes: readonly WeighedVote[], prediction: number, shrinkage = 1): number {
  unit('prediction', prediction)
  // The same mean, written from v̂ outwards: exact where there are no votes.
  let sum = 0
  let weights = weight('shrinkage', shrinkage)
  for (const vote of votes) {
    const rho = unit('reliability', vote.reliability)
    sum += rho * (unit('value', vote.value) - prediction)
    weights += rho
  }
  return weights === 0 ? prediction : Math.min(1, Math.max(0, prediction + sum / weights))
}

/**
 * The share of h that came from one vote, `ρ_i / (Σ ρ_j + κ)`, in [0, 1]: the weight that the
 * vote's receipt names. The shares of a sample's votes sum to `1 - κ / (Σ ρ_j + κ)`.
 */
export function voteShare(votes: readonly WeighedVote[], index: number, shrinkage = 1): number {
  const total = votes.reduce((sum, vote) => sum + unit('reliability', vote.reliability), weight('shrinkage', shrinkage))
  return total === 0 ? 0 : votes[index].reliability / total
}
