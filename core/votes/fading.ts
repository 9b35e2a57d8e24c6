/**
 * Down-weights old votes in the reward model's fit. A crowd may change its mind, and a policy that has moved gives
 * other answers than those voted on before: without this a reward model trained on one opinion for an hour needs an
 * hour of the other to follow. Pure.
 */
import { maxOf } from '../statistics.ts'

/**
 * Half-life of a vote: it is this many steps old and this much weight of votes has been added since. With few votes
 * little is forgotten, and votes of weight 0 age nobody's vote.
 */
export const HALF_LIFE = { steps: 8, weight: 300 } as const

export interface DatedVote {
  /** The step that was the first to learn from it, or that is about to. */
  round: number
  /** Its weight before fading, at least 0. */
  weight: number
}

/**
 * The factors on the votes' weights, in their order: ½ to the power of the age in half-lives, relative to the newest
 * vote's step.
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
