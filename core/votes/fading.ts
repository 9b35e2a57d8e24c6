/**
 * How much less an old vote teaches the reward model than a new one. A crowd may change its mind, and the answers
 * of a policy that has moved on are others than those that were voted on before: without this a reward model that
 * has heard one thing for an hour needs an hour of the other before it says so. Pure.
 */
import { maxOf } from '../statistics.ts'

/**
 * A vote counts half once it is this many steps old and so much weight of votes has come since: where few vote,
 * few are forgotten, and whoever weighs nothing makes nobody's vote older.
 */
export const HALF_LIFE = { steps: 8, weight: 300 } as const

export interface DatedVote {
  /** The step that was the first to learn from it, or that is about to. */
  round: number
  /** What it weighs by itself, at least 0. */
  weight: number
}

/**
 * What each vote's weight is multiplied by, in their order: ½ to the power of its age in half-lives, counted back from
 * the newest vote's step.
 */
export function fading(votes: readonly DatedVote[]): number[] {
  const newest = maxOf(
    votes.map(({ round }) => round),
    0,
  )
  const byRound = new Map<number, number>()
  for (const { round, weight } of votes) byRound.set(round, (byRound.get(round) ?? 0) + weight)
  const factors = new Map<number, number>()
  let later = 0
  for (const [round, weight] of [...byRound].sort(([a], [b]) => b - a)) {
    factors.set(round, 0.5 ** Math.min((newest - round) / HALF_LIFE.steps, later / HALF_LIFE.weight))
    later += weight
  }
  return votes.map(({ round }) => factors.get(round) ?? 1)
}
