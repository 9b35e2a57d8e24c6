/** From rollouts and their scores to what the loss reads: rewards per token, advantages, returns. */
import { estimateAdvantages } from './gae.ts'
import { sequenceKl, shapedRewards } from './kl.ts'
import type { PolicyView } from './inspect.ts'
import type { ReferenceView, Rollout } from './rollout.ts'
import { mean } from './statistics.ts'
import { whiten } from './whiten.ts'

/** A rollout ready to be learnt from; arrays have one entry per response token. */
export interface Experience {
  rollout: Rollout
  /** The ratio's denominator: of the policy before this batch's updates. */
  oldLogprobs: ArrayLike<number>
  /** Of the value head before this batch's updates. */
  values: ArrayLike<number>
  /** Whitened over the batch; times the importance weight where the rollout is stale. */
  advantages: readonly number[]
  returns: readonly number[]
}

export interface BatchConfig {
  gamma: number
  lambda: number
  whitenRewards: boolean
  whitenAdvantages: boolean
  /** Taken off the score of a response that was cut before EOS. */
  missingEosPenalty: number
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

/** One rollout with all that was computed for it before the batch is built. */
export interface Scored {
  rollout: Rollout
  reference: ReferenceView
  policy: PolicyView
  /** Normalised reward of the whole response. */
  reward: number
  /** Drawn by an earlier policy than the one that learns. */
  stale: boolean
  /** Φ of detail 27, per response token. */
  potentials?: readonly number[]
}

/** A stale token's weight is held under this. */
const MAX_IMPORTANCE = 2

/** KL-shaped rewards, GAE, whitening, staleness: details 6, 8, 12 to 15, 26 and 27 of ppo.ts. */
export function buildBatch(scored: readonly Scored[], klCoef: number, config: BatchConfig): { experiences: Experience[]; statistics: BatchStatistics } {
  const scores = scored.map(({ rollout, reward }) => reward - (rollout.truncated ? config.missingEosPenalty : 0))
  const shaped = scored.map(({ rollout, reference, potentials = [] }, i) =>
    withPotentials(shapedRewards(rollout.logprobs, reference.logprobs, scores[i], klCoef), potentials),
  )
  const rewards = config.whitenRewards ? whiten(shaped, false) : shaped
  const estimates = scored.map(({ policy }, i) => estimateAdvantages(rewards[i], Array.from(policy.values), config.gamma, config.lambda))
  const raw = estimates.map((e) => e.advantages)
  const advantages = config.whitenAdvantages ? whiten(raw) : raw
  const kls = scored.map(({ rollout, reference }) => sequenceKl(rollout.logprobs, reference.logprobs))
  return {
    experiences: scored.map((one, i) => ({
      rollout: one.rollout,
      values: one.policy.values,
      returns: estimates[i].returns,
      ...(one.stale ? decoupled(one, advantages[i]) : { oldLogprobs: one.rollout.logprobs, advantages: advantages[i] }),
    })),
    statistics: {
      kl: mean(kls),
      score: mean(scores),
      nonScoreReward: -klCoef * mean(kls),
      ended: scored.filter(({ rollout }) => !rollout.truncated).length,
    },
  }
}

/**
 * Where batch t + 1 is drawn before the update on batch t, the policy has moved since: the trust
 * region is around where it is now, and what the draw was off by is an importance weight (truncated)
 * on the advantage. Source: Hilton, Cobbe, Schulman 2022, the decoupled objective.
 */
function decoupled({ rollout, policy }: Scored, advantages: readonly number[]): Pick<Experience, 'oldLogprobs' | 'advantages'> {
  const weight = (t: number): number => Math.min(MAX_IMPORTANCE, Math.exp(policy.logprobs[t] - rollout.logprobs[t]))
  return { oldLogprobs: policy.logprobs, advantages: advantages.map((a, t) => a * weight(t)) }
}

/**
 * Adds `Φ_t - Φ_{t-1}` to each reward, Φ being 0 before the first token and after the last: the sum,
 * and so the best policy, stays (Ng, Harada, Russell 1999); credit arrives where it is earned.
 */
export function withPotentials(rewards: readonly number[], potentials: readonly number[]): number[] {
  if (potentials.length === 0) return [...rewards]
  if (potentials.length !== rewards.length) throw new RangeError(`${potentials.length} potentials for ${rewards.length} rewards`)
  const last = rewards.length - 1
  return rewards.map((r, t) => r + (t < last ? potentials[t] : 0) - (t > 0 ? potentials[t - 1] : 0))
}
