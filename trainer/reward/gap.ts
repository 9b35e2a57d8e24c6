/** The gap between the reward and people's votes on answers that the reward model has not been trained on. */
import { mean, rankCorrelation, standardError } from '../../core/statistics.ts'

/** An answer of this step, before the reward model learns from the votes on it. */
export interface HeldOut {
  /** The reward that it would get without its votes, before normalisation. */
  reward: number
  /** The weighted mean value of the votes on it, in [0, 1]. */
  people: number
}

export interface Gap {
  answers: number
  /** Means over the answers. */
  reward: number
  people: number
  /** `reward - people`, and its standard error over the answers. */
  level: number
  levelError: number
  /** Spearman's rank correlation of the two, -1…1; null if one of them is constant. */
  rank: number | null
}

/** Fewer answers are too few for a mean or an order. */
export const LEAST_ANSWERS = 4

/** null for fewer than {@link LEAST_ANSWERS}. */
export function gapOf(heldOut: readonly HeldOut[]): Gap | null {
  const answers = heldOut.length
  if (answers < LEAST_ANSWERS) return null
  const rewards = heldOut.map((one) => one.reward)
  const people = heldOut.map((one) => one.people)
  const differences = heldOut.map((one) => one.reward - one.people)
  return {
    answers,
    reward: mean(rewards),
    people: mean(people),
    level: mean(differences),
    levelError: standardError(differences),
    rank: rankCorrelation(rewards, people),
  }
}
