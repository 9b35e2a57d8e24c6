/**
 * How far the evidence allows the policy to move: the KL budget grows with the votes, so that a few votes of one person
 * move the model a little, and those of many people as far as the run's target.
 *
 *     target · n / (n + n₀),   n = V R P / (V + R P)
 *
 * V is the weight of the votes in the fit, and R how many people they are of, by weight: `(Σ W_r)² / Σ W_r²`. People
 * differ in taste: P votes of one person say as much about everybody as a second person's first few, and no number of
 * them says more than 2P with a second person's P (the variance of a mean over people, with votes within each). Pure.
 */

/** P: a single person's votes never count for more than this many. */
export const MOST_OF_ONE = 60
/** n₀: the effective votes that allow half of the target. */
export const HALF_BUDGET = 100

/** n: effective votes, at least 0. */
export function effectiveVotes(votes: readonly { raterId: string; weight: number }[]): number {
  const byRater = new Map<string, number>()
  for (const { raterId, weight } of votes) byRater.set(raterId, (byRater.get(raterId) ?? 0) + weight)
  const weights = [...byRater.values()]
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total === 0) return 0
  const people = total ** 2 / weights.reduce((sum, weight) => sum + weight ** 2, 0)
  return (total * people * MOST_OF_ONE) / (total + people * MOST_OF_ONE)
}

/** Lower bound of the share: without votes the policy is held firmly, but β stays finite. */
const LEAST_SHARE = 0.01

/** The share of the run's target KL that `effective` votes allow, in [0.01, 1). */
export const budgetShare = (effective: number): number => Math.max(LEAST_SHARE, effective / (effective + HALF_BUDGET))

/**
 * β for that share of the target: β is in proportion to 1 / √target (`klCoefficientFor` of rl/kl.ts).
 *
 * @param klCoefficient the run's, for its whole target
 */
export const budgetedKlCoefficient = (klCoefficient: number, share: number): number => klCoefficient / Math.sqrt(share)
