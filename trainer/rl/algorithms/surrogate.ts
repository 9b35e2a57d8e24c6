/** The clipped surrogate of Schulman et al. 2017, equation 7, for one token: the loss of PPO and GRPO. */

export interface Surrogate {
  /** `max(-A r, -A clip(r, 1 - ε, 1 + ε))` */
  loss: number
  /** r = π / π_old. */
  ratio: number
  /** Whether the clipped form was used, so that no gradient flows. */
  clipped: boolean
}

/** @param logRatio log π - log π_old, nats */
export function surrogate(logRatio: number, advantage: number, clipRatio: number): Surrogate {
  const ratio = Math.exp(logRatio)
  const unclipped = -advantage * ratio
  const clipped = -advantage * clamp(ratio, 1 - clipRatio, 1 + clipRatio)
  return { loss: Math.max(unclipped, clipped), ratio, clipped: clipped > unclipped }
}

export const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x))
