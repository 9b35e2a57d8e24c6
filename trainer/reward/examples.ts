/** What the reward model learns from: votes and preferences, as plain data. */
export { sigmoid } from '../rl/logistic.ts'

export const RATING = 'rating'
export const COMPASSION = 'compassion'

/** The head of a session category; prefixed, so that a category may be called anything. */
export const categoryHead = (name: string): string => `category/${name}`

export interface RewardVote {
  /** The vote's id: decides its bootstrap weights, so that they stay from step to step. */
  id: string
  sampleId: string
  /**
   * How much the vote counts, at least 0: its author's standing, within the shares of a fit (core/votes/weights.ts).
   */
  weight: number
  /**
   * By head ({@link RATING}, {@link COMPASSION}, {@link categoryHead}), each in [0, 1]; missing heads were not voted
   * on.
   */
  scores: Readonly<Record<string, number>>
}

export interface RewardPreference {
  id: string
  sampleA: string
  sampleB: string
  /** 1: A is better, 0: B is, ½: a tie. */
  outcome: number
  /** How much it counts, at least 0. */
  weight: number
}

/** One training example of one head of one ensemble member. */
export interface Example {
  /** Row of the feature table. */
  row: number
  /** Σ weight · bootstrap over the sample's votes; above 0. */
  weight: number
  /** The votes' weighted mean as a logit. */
  target: number
}

/** Targets are clamped this far from 0 and 1, where a logit is unbounded. */
const EDGE = 0.05

/** `log(p / (1 - p))`, p clamped to [0.05, 0.95]. */
export function logit(p: number): number {
  const held = Math.min(1 - EDGE, Math.max(EDGE, p))
  return Math.log(held / (1 - held))
}

/**
 * Votes on one head gathered by sample, in the order of `votes`. Several votes on one sample make
 * one example of their joint weight: the same normal equations at a fraction of the cost.
 */
export function examplesOf(
  votes: readonly RewardVote[],
  head: string,
  rowOf: (sampleId: string) => number | undefined,
  bootstrap: (voteId: string) => number,
): Example[] {
  const sums = new Map<number, { weight: number; sum: number }>()
  for (const vote of votes) {
    const row = rowOf(vote.sampleId)
    const weight = vote.weight * bootstrap(vote.id)
    if (row === undefined || !Object.hasOwn(vote.scores, head) || weight <= 0) continue
    const found = sums.get(row) ?? { weight: 0, sum: 0 }
    sums.set(row, { weight: found.weight + weight, sum: found.sum + weight * vote.scores[head]! })
  }
  return [...sums].map(([row, { weight, sum }]) => ({ row, weight, target: logit(sum / weight) }))
}
