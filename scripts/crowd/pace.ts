/** How fast a simulated person is, and which answer they turn to. Pure. */
import { normal, type Random } from '../pretrain/random.ts'

export interface Pace {
  /** Median time from seeing an answer to voting on it, milliseconds. */
  medianMs: number
  /** Deviation of its logarithm. */
  sigma: number
}

/** Reading two or three sentences and setting three controls; most votes take 1.4 to 4.4 s. */
export const HUMAN: Pace = { medianMs: 2_500, sigma: 0.35 }
/** Minimum time to read and vote, milliseconds. */
const FASTEST_MS = 600

/** Lognormal reaction time, milliseconds. */
export function reactionMs({ medianMs, sigma }: Pace, random: Random): number {
  return Math.max(Math.min(FASTEST_MS, medianMs), medianMs * Math.exp(sigma * normal(random)))
}

export interface Candidate {
  id: string
  step: number
  votes: number
}

/**
 * The answer to turn to: of the newest step those with the fewest votes, so that every one gets its
 * share; ties go to whichever this rater happens to see first. Null if nothing is waiting.
 */
export function nextCandidate<C extends Candidate>(candidates: readonly C[], order: (id: string) => number): C | null {
  let best: C | null = null
  for (const candidate of candidates) {
    if (best === null || before(candidate, best, order)) best = candidate
  }
  return best
}

function before(a: Candidate, b: Candidate, order: (id: string) => number): boolean {
  if (a.step !== b.step) return a.step > b.step
  if (a.votes !== b.votes) return a.votes < b.votes
  return order(a.id) < order(b.id)
}
