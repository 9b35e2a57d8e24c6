/**
 * Down-weights old votes in the reward model's fit. A crowd may change its mind, and a policy that has moved gives
 * other answers than those voted on before: without this a reward model trained on one opinion for an hour needs an
 * hour of the other to follow. Pure.
 */
import { weight as nonNegative, within } from './range.ts'

/** Half-life of a vote, in the weight of the votes that have come since. */
export const HALF_LIFE = 300

/**
 * The factors on the votes' weights, in their order, the oldest first: ½ to the power of the weight that came later, over
 * the half-life. Age is counted in votes alone: neither steps nor time make a vote older, and votes of weight 0
 * age nobody's.
 *
 * Worked example: of 301 votes of weight 1 the first counts half, the newest whole.
 *
 * @param weights before fading, at least 0
 * @throws OutOfRange for a negative weight or a half-life that is not above 0
 */
export function fading(weights: readonly number[], halfLife: number = HALF_LIFE): number[] {
  within('half-life', halfLife, Number.MIN_VALUE, Number.MAX_VALUE)
  const factors = new Array<number>(weights.length).fill(1)
  let later = 0
  for (let i = weights.length - 1; i >= 0; i--) {
    factors[i] = 0.5 ** (later / halfLife)
    later += nonNegative('weight', weights[i]!)
  }
  return factors
}
