/**
 * From a sample's value to its reward, before the per-token KL penalty: composition of human and
 * AI scores, constraints, normalisation.
 */
import { OutOfRange, unit, weight } from './range.ts'

export type RewardType = 'human' | 'ai' | 'hybrid'

export interface RewardWeights {
  /** w_h */
  human: number
  /** w_a */
  ai: number
}

/**
 * Reward `(w_h h + w_a a) / (w_h + w_a) - penalty`: h the crowd value, a the AI score (undefined if
 * there is none, and then w_a is 0), both in [0, 1]; penalty >= 0.
 *
 * Worked example: h 0.8, a 0.5, weights 3 and 1, penalty 0.1: (2.4 + 0.5) / 4 - 0.1 = 0.625.
 *
 * @throws OutOfRange for parts outside [0, 1], a negative weight or penalty, or weights that sum to 0.
 */
export function composeReward(h: number, a: number | undefined, weights: RewardWeights, penalty = 0): number {
  const wh = weight('humanFeedbackWeight', weights.human)
  const wa = a === undefined ? 0 : weight('aiRewardWeight', weights.ai)
  if (wh + wa === 0) throw new OutOfRange('humanFeedbackWeight + aiRewardWeight', 0, Number.MIN_VALUE, Number.MAX_VALUE)
  const scored = wh * unit('crowd value', h) + (a === undefined ? 0 : wa * unit('AI score', a))
  return scored / (wh + wa) - weight('penalty', penalty)
}

/** The weights that a reward model's `type` sets: `human` and `ai` set the other weight to 0. */
export function rewardWeights(type: RewardType, configured: RewardWeights): RewardWeights {
  switch (type) {
    case 'human':
      return { human: 1, ai: 0 }
    case 'ai':
      return { human: 0, ai: 1 }
    case 'hybrid':
      return configured
  }
}

export interface Constraints {
  /** A predicted harm above this costs the difference. In [0, 1]; 1 never binds. */
  maxHarmScore?: number
  /** A predicted compassion below this costs the difference. In [0, 1]; 0 never binds. */
  minCompassionScore?: number
  /** A response that names one of these (whole words, any case) costs 1: the whole range of a value. */
  prohibitedTopics?: readonly string[]
}

/** Inputs of the constraints. One that is undefined is unknown and does not bind. */
export interface Constrained {
  text: string
  /** In [0, 1]. */
  harm?: number
  /** In [0, 1]. */
  compassion?: number
}

/**
 * The penalty of the constraints, `max(0, harm - maxHarm) + max(0, minCompassion - c) + [topic named]`:
 * never negative, so constraints only ever lower a reward.
 */
export function constraintPenalty(sample: Constrained, constraints: Constraints): number {
  let penalty = 0
  if (sample.harm !== undefined && constraints.maxHarmScore !== undefined) {
    penalty += Math.max(0, unit('harm', sample.harm) - unit('maxHarmScore', constraints.maxHarmScore))
  }
  if (sample.compassion !== undefined && constraints.minCompassionScore !== undefined) {
    penalty += Math.max(
      0,
      unit('minCompassionScore', constraints.minCompassionScore) - unit('compassion', sample.compassion),
    )
  }
  if (constraints.prohibitedTopics?.some((topic) => names(sample.text, topic))) penalty += 1
  return penalty
}

export interface Normalisation {
  mean: number
  /** Above 0. */
  deviation: number
}

/**
 * Statistics that bring rewards to mean 0, deviation 1 on the reference policy's outputs (population
 * variance). `minDeviation`, in the reward's unit, bounds the scale from below: for a reward that
 * hardly distinguishes outputs, as before the first votes, noise must not be amplified to deviation 1.
 *
 * Source of normalising on reference outputs: Huang et al. 2024; lm-human-preferences.
 *
 * @throws OutOfRange for an empty list or a `minDeviation` that is not above 0.
 */
export function fitNormalisation(referenceRewards: readonly number[], minDeviation: number): Normalisation {
  const n = referenceRewards.length
  if (n === 0) throw new OutOfRange('number of reference rewards', 0, 1, Number.MAX_VALUE)
  if (!(minDeviation > 0)) throw new OutOfRange('minDeviation', minDeviation, Number.MIN_VALUE, Number.MAX_VALUE)
  const mean = referenceRewards.reduce((sum, x) => sum + x / n, 0)
  const variance = referenceRewards.reduce((sum, x) => sum + (x - mean) ** 2 / n, 0)
  return { mean, deviation: Math.max(minDeviation, Math.sqrt(variance)) }
}

/** `(reward - mean) / deviation`. */
export const normalise = (reward: number, { mean, deviation }: Normalisation): number => (reward - mean) / deviation

function names(text: string, topic: string): boolean {
  const words = topic.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return words !== '' && new RegExp(`(?<![\\p{L}\\p{N}])${words}(?![\\p{L}\\p{N}])`, 'iu').test(text)
}
