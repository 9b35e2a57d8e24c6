/** The KL penalty towards the reference policy: rewards per token, and the coefficient's controller. */

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
export function shapedRewards(
  logprobs: ArrayLike<number>,
  reference: ArrayLike<number>,
  score: number,
  klCoefficient: number,
): number[] {
  const length = logprobs.length
  if (length === 0 || reference.length !== length)
    throw new RangeError(`${length} log-probabilities for ${reference.length} of the reference`)
  const rewards = Array.from({ length }, (_, t) => -klCoefficient * (logprobs[t]! - reference[t]!))
  rewards[length - 1]! += score
  return rewards
}

/** Sum over tokens of `log π - log π_ref`: the k1 estimate of a sequence's KL, nats. */
export function sequenceKl(logprobs: ArrayLike<number>, reference: ArrayLike<number>): number {
  let sum = 0
  for (let t = 0; t < logprobs.length; t++) sum += logprobs[t]! - reference[t]!
  return sum
}

/** The k3 estimate of KL(π ‖ π_ref) at one token drawn from π: never negative, nats. Source: Schulman 2020. */
export function k3(logprob: number, reference: number): number {
  const d = reference - logprob
  return Math.expm1(d) - d
}

/** Sum over tokens of {@link k3}: unbiased as k1 is, at a fraction of its variance where the two policies are near, nats. */
export function sequenceK3(logprobs: ArrayLike<number>, reference: ArrayLike<number>): number {
  let sum = 0
  for (let t = 0; t < logprobs.length; t++) sum += k3(logprobs[t]!, reference[t]!)
  return sum
}

/** A KL that is estimated over the latest responses, each weighing half as much as one 128 later. Plain data. */
export interface KlEstimate {
  /** Weighted sums over responses: of weights, of their squares, of the KL, and of its square. */
  weight: number
  squaredWeight: number
  sum: number
  squares: number
}

export const noKl: KlEstimate = { weight: 0, squaredWeight: 0, sum: 0, squares: 0 }

/** Responses after which one counts half. */
const KL_HALF_LIFE = 128

/** The estimate with a step's responses added. @param kls {@link sequenceK3} of each, nats */
export function withResponses(before: KlEstimate, kls: readonly number[]): KlEstimate {
  const left = 0.5 ** (kls.length / KL_HALF_LIFE)
  return kls.reduce(
    ({ weight, squaredWeight, sum, squares }, kl) => ({
      weight: weight + 1,
      squaredWeight: squaredWeight + 1,
      sum: sum + kl,
      squares: squares + kl ** 2,
    }),
    {
      weight: before.weight * left,
      squaredWeight: before.squaredWeight * left ** 2,
      sum: before.sum * left,
      squares: before.squares * left,
    },
  )
}

/** Mean and its standard error, nats per response; null of no responses. */
export function klOf({ weight, squaredWeight, sum, squares }: KlEstimate): { mean: number; error: number } | null {
  if (weight === 0) return null
  const mean = sum / weight
  return { mean, error: Math.sqrt((Math.max(0, squares / weight - mean ** 2) * squaredWeight) / weight ** 2) }
}

/**
 * β at which the KL of the best policy is `targetKL` nats per response, for scores of mean 0, deviation 1
 * on the reference's outputs, as rewards are normalised to: 0.354 for 4 nats.
 *
 *     max_π E_π[r] - β KL(π ‖ π_ref)   has its optimum at   π ∝ π_ref e^{r/β}
 *
 * Where r is normal on π_ref, so it is on π, with mean 1/β and the same deviation; hence
 *
 *     KL = E_π[r]/β - log E_ref[e^{r/β}] = 1/β² - 1/(2β²) = 1/(2β²),   β = 1 / √(2 · targetKL).
 *
 * Bounded scores, such as those of votes, saturate before: such a run settles below its target.
 *
 * @throws RangeError for a target that is not above 0.
 */
export function klCoefficientFor(targetKL: number): number {
  if (!(targetKL > 0)) throw new RangeError(`a target KL of ${targetKL} nats has no coefficient: it is above 0`)
  return 1 / Math.sqrt(2 * targetKL)
}

export interface KlControl {
  /** β at the start of the run. */
  klCoefficient: number
  /** Whether β moves, so that the KL comes to `targetKL`. */
  adaptiveKl: boolean
  /**
   * Mean sequence KL to the reference that the run is to settle about, nats. A run that names no β has the one that
   * follows from it; one that adapts β is steered to it; for a fixed β of the run's own it is not read.
   */
  targetKL: number
  /** Gain of the adaptive controller: the change of log β per step and unit of error. */
  klGain: number
}

/**
 * The adaptive coefficient stays within this factor of its initial value, so it can't switch the penalty off.
 */
export const KL_RANGE = 2

/**
 * The coefficient after a batch of mean KL `observed`: adaptive, it begins at `klCoefficient`, and `klGain` is how much
 * of the error a step makes good.
 *
 *     e = clip(observed / targetKL - 1, -0.2, 0.2),   log β ← log β + klGain · e,   β₀/2 ≤ β ≤ 2β₀
 *
 * A fixed coefficient is its configuration's, whatever it was. Source of the controller: Ziegler et al. 2019,
 * section 2.2; lm-human-preferences' `AdaptiveKLController`, which this equals to first order. β is its only state,
 * so there is no wind-up: from either end of its range it returns with the first error of the other sign.
 */
export function nextKlCoefficient(klCoefficient: number, control: KlControl, observed: number): number {
  if (!control.adaptiveKl) return control.klCoefficient
  const error = Math.min(0.2, Math.max(-0.2, observed / control.targetKL - 1))
  return withinRange(klCoefficient * Math.exp(control.klGain * error), control)
}

/** A stored coefficient, clamped to the range that its run's control allows today. */
export const withinRange = (klCoefficient: number, { adaptiveKl, klCoefficient: start }: KlControl): number =>
  adaptiveKl ? Math.min(KL_RANGE * start, Math.max(start / KL_RANGE, klCoefficient)) : start
