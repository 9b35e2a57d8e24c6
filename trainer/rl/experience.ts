/** The interface of every algorithm: scored rollouts in, inputs of its loss out. */
import type { PolicyView } from './inspect.ts'
import { sequenceKl } from './kl.ts'
import type { ReferenceView, Rollout } from './rollout.ts'
import { mean } from '../../core/statistics.ts'

/** One rollout with everything that is computed before the algorithm sees it. */
export interface Scored {
  rollout: Rollout
  reference: ReferenceView
  policy: PolicyView
  /** Normalised reward of the whole response. */
  reward: number
  /** Sampled by an earlier policy than the one being trained (stale). */
  stale: boolean
  /** Φ of ppo.ts's detail 27, per response token. */
  potentials?: readonly number[]
  /** How much it counts in the policy's loss, above 0: 1 unless it is known how sure its reward is. */
  weight?: number
}

/** A rollout ready for training: the inputs of the algorithm's loss, by name. */
export interface Experience {
  rollout: Rollout
  /** One entry per response token. */
  columns: Readonly<Record<string, ArrayLike<number>>>
  /** One number for the response. */
  scalars: Readonly<Record<string, number>>
}

/** A step's rollouts as prepared by an algorithm. */
export interface Prepared {
  /** Those that belong together (`Algorithm.rows` of them) are adjacent. */
  experiences: Experience[]
  /**
   * One per rollout, in the rollouts' order: above 0 if the update makes it likelier, in the algorithm's own unit.
   */
  advantages: number[]
  /** The algorithm's own metrics of the batch, by their names in metrics.ts. */
  metrics: Record<string, number>
}

/** Means over the batch's sequences, but for `ended`. */
export interface BatchStatistics {
  /** k1 estimate, nats per sequence. */
  kl: number
  /** Normalised scores, EOS penalty taken off. */
  score: number
  /** `-β · KL` summed over tokens. */
  nonScoreReward: number
  /** Responses that ended with EOS. */
  ended: number
}

/** The rewards, `missingEosPenalty` taken off where a response was cut before EOS. */
export function scoresOf(scored: readonly Scored[], missingEosPenalty: number): number[] {
  return scored.map(({ rollout, reward }) => reward - (rollout.truncated ? missingEosPenalty : 0))
}

export function statisticsOf(
  scored: readonly Scored[],
  scores: readonly number[],
  klCoefficient: number,
): BatchStatistics {
  const kl = mean(scored.map(({ rollout, reference }) => sequenceKl(rollout.logprobs, reference.logprobs)))
  return {
    kl,
    score: mean(scores),
    nonScoreReward: -klCoefficient * kl,
    ended: scored.filter(({ rollout }) => !rollout.truncated).length,
  }
}

/**
 * A (whitened) advantage by its rollout's weight. The surrogate is proportional to the advantage, so that this weighs
 * the rollout's policy loss, and nothing else of it.
 */
export const weighed = ({ weight = 1 }: Scored, advantage: number): number => weight * advantage

/** Upper bound of a stale token's importance weight. */
const MAX_IMPORTANCE = 2

/**
 * The ratio's denominator and the advantages of one rollout. Where batch t + 1 is drawn before the
 * update on batch t, the policy has moved since: the trust region is around the current policy, and the difference
 * from the sampling policy is a (truncated) importance weight on the advantage. Source: Hilton, Cobbe,
 * Schulman 2022, the decoupled objective.
 */
export function trustRegion(
  { rollout, policy, stale }: Scored,
  advantages: readonly number[],
): { oldLogprobs: ArrayLike<number>; advantages: readonly number[] } {
  if (!stale) return { oldLogprobs: rollout.logprobs, advantages }
  const weight = (t: number): number => Math.min(MAX_IMPORTANCE, Math.exp(policy.logprobs[t]! - rollout.logprobs[t]!))
  return { oldLogprobs: policy.logprobs, advantages: advantages.map((a, t) => a * weight(t)) }
}
