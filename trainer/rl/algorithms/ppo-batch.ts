/** From scored rollouts to the inputs of PPO's loss: rewards per token, advantages, returns. */
import { scoresOf, trustRegion, weighed, type Prepared, type Scored } from '../experience.ts'
import { estimateAdvantages } from './gae.ts'
import { shapedRewards } from '../kl.ts'
import { mean } from '../../../core/statistics.ts'
import { moments, whiten } from '../whiten.ts'

export interface PpoBatchConfig {
  /** γ */
  gamma: number
  /** λ of GAE. */
  gaeLambda: number
  whitenRewards: boolean
  whitenAdvantages: boolean
  /** Taken off the score of a response that was cut before EOS. */
  missingEosPenalty: number
}

/** KL-shaped rewards, GAE, whitening, staleness: details 6, 8, 12 to 15, 26 and 27 of ppo.ts. */
export function preparePpo(scored: readonly Scored[], klCoefficient: number, config: PpoBatchConfig): Prepared {
  const scores = scoresOf(scored, config.missingEosPenalty)
  const shaped = scored.map(({ rollout, reference, potentials = [] }, i) =>
    withPotentials(shapedRewards(rollout.logprobs, reference.logprobs, scores[i]!, klCoefficient), potentials),
  )
  const rewards = config.whitenRewards ? whiten(shaped, false) : shaped
  const estimates = scored.map(({ policy }, i) =>
    estimateAdvantages(rewards[i]!, Array.from(policy.values), config.gamma, config.gaeLambda),
  )
  const raw = estimates.map((e) => e.advantages)
  const whitened = config.whitenAdvantages ? whiten(raw) : raw
  const experiences = scored.map((one, i) => {
    const { oldLogprobs, advantages } = trustRegion(
      one,
      whitened[i]!.map((advantage) => weighed(one, advantage)),
    )
    return {
      rollout: one.rollout,
      columns: { oldLogprobs, advantages, oldValues: one.policy.values, returns: estimates[i]!.returns },
      scalars: {},
    }
  })
  return {
    experiences,
    advantages: experiences.map(({ columns }) => mean(columns.advantages)),
    metrics: {
      'val/explained_variance': explainedVariance(
        estimates.map((e) => e.returns),
        scored.map(({ policy }) => policy.values),
      ),
    },
  }
}

/**
 * Adds `Φ_t - Φ_{t-1}` to each reward, Φ being 0 before the first token and after the last: the sum,
 * and so the best policy, is unchanged (Ng, Harada, Russell 1999); credit is assigned to the tokens that earn it.
 */
export function withPotentials(rewards: readonly number[], potentials: readonly number[]): number[] {
  if (potentials.length === 0) return [...rewards]
  if (potentials.length !== rewards.length)
    throw new RangeError(`${potentials.length} potentials for ${rewards.length} rewards`)
  const last = rewards.length - 1
  return rewards.map((r, t) => r + (t < last ? potentials[t]! : 0) - (t > 0 ? potentials[t - 1]! : 0))
}

function explainedVariance(returns: readonly number[][], values: readonly ArrayLike<number>[]): number {
  const errors = returns.map((row, b) => row.map((r, t) => r - values[b]![t]!))
  return 1 - moments(errors).variance / Math.max(Number.MIN_VALUE, moments(returns).variance)
}
