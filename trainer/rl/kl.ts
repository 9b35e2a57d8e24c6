/** The pull towards the reference policy: rewards per token, and the coefficient's controller. */

/**
 * Rewards of one response: `-β (log π(a_t) - log π_ref(a_t))` at each token, and the score added at
 * the last. The KL estimate is k1, unbiased but of either sign per token (Schulman 2020,
 * "Approximating KL divergence"); being part of the reward it is not differentiated.
 *
 * @param logprobs [T] of the policy that sampled, nats
 * @param reference [T] of the reference policy, nats
 * @param score the whole response's reward (normalised, EOS penalty taken off)
 * @throws RangeError for lengths that differ, or an empty response.
 */
export function shapedRewards(logprobs: ArrayLike<number>, reference: ArrayLike<number>, score: number, klCoef: number): number[] {
  const length = logprobs.length
  if (length === 0 || reference.length !== length) throw new RangeError(`${length} log-probabilities for ${reference.length} of the reference`)
  const rewards = Array.from({ length }, (_, t) => -klCoef * (logprobs[t] - reference[t]))
  rewards[length - 1] += score
  return rewards
}

/** Sum over tokens of `log π - log π_ref`: the k1 estimate of a sequence's KL, nats. */
export function sequenceKl(logprobs: ArrayLike<number>, reference: ArrayLike<number>): number {
  let sum = 0
  for (let t = 0; t < logprobs.length; t++) sum += logprobs[t] - reference[t]
  return sum
}

export type KlControl =
  | { kind: 'fixed'; coef: number }
  /** `coef` is where it starts; `target` in nats per sequence; `horizon` in samples. */
  | { kind: 'adaptive'; coef: number; target: number; horizon: number }

/**
 * The coefficient after a batch of `samples` sequences of mean KL `observed`.
 *
 *     e = clip(observed / target - 1, -0.2, 0.2),   β ← β (1 + e · samples / horizon)
 *
 * A fixed coefficient stays. Source: Ziegler et al. 2019, section 2.2; lm-human-preferences'
 * `AdaptiveKLController`.
 */
export function nextKlCoef(coef: number, control: KlControl, observed: number, samples: number): number {
  switch (control.kind) {
    case 'fixed':
      return coef
    case 'adaptive': {
      const error = Math.min(0.2, Math.max(-0.2, observed / control.target - 1))
      return coef * (1 + (error * samples) / control.horizon)
    }
  }
}
