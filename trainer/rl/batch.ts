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
  /** Of the value head before this batch's updates. */
  values: ArrayLike<number>
  /** Whitened over the batch. */
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
}

/** KL-shaped rewards, GAE, whitening: details 6, 8 and 12 to 15 of ppo.ts. */
export function buildBatch(scored: readonly Scored[], klCoef: number, config: BatchConfig): { experiences: Experience[]; statistics: BatchStatistics } {
  const scores = scored.map(({ rollout, reward }) => reward - (rollout.truncated ? config.missingEosPenalty : 0))
  const shaped = scored.map(({ rollout, reference }, i) => shapedRewards(rollout.logprobs, reference.logprobs, scores[i], klCoef))
  const rewards = config.whitenRewards ? whiten(shaped, false) : shaped
  const estimates = scored.map(({ policy }, i) => estimateAdvantages(rewards[i], Array.from(policy.values), config.gamma, config.lambda))
  const raw = estimates.map((e) => e.advantages)
  const advantages = config.whitenAdvantages ? whiten(raw) : raw
  const kls = scored.map(({ rollout, reference }) => sequenceKl(rollout.logprobs, reference.logprobs))
  return {
    experiences: scored.map(({ rollout, policy }, i) => ({ rollout, values: policy.values, advantages: advantages[i], returns: estimates[i].returns })),
    statistics: {
      kl: mean(kls),
      score: mean(scores),
      nonScoreReward: -klCoef * mean(kls),
      ended: scored.filter(({ rollout }) => !rollout.truncated).length,
    },
  }
}
