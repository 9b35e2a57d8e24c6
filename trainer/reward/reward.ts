/** Computes the reward of every rollout of a step from votes and predictions. */
import { crowdValue, type WeighedVote } from '../../core/votes/crowd.ts'
import {
  composeReward,
  constraintPenalty,
  fitNormalisation,
  normalise,
  rewardWeights,
  type Constraints,
  type Normalisation,
  type RewardType,
} from '../../core/votes/reward.ts'
import { MIN_DEVIATION } from './fixed.ts'
import { COMPASSION, categoryHead } from './examples.ts'
import { referenceLength } from './drift.ts'
import type { Prediction, RewardModel } from './model.ts'

/** A vote's value v with the session's present λ and category weights, and what it weighs. */
export type CrowdVote = WeighedVote

/** The API's RewardModelConfig, as far as a reward depends on it. */
export interface RewardSettings {
  type: RewardType
  humanFeedbackWeight: number
  aiRewardWeight: number
  /** κ */
  shrinkage: number
  /** Per deviation of the reference's lengths, in the unit of a vote's value. */
  lengthBonus: number
  ethicalConstraints: Constraints
}

export interface RewardedRollout {
  response: string
  /** Of the response. */
  tokens: number
  /** Of the frozen trunk (`ReferenceView.features`). */
  features: ArrayLike<number>
  /** `ReferenceView.prefixes`, where potentials are wanted. */
  prefixes?: Float32Array
  /** Those on this rollout; none where it was not shown. */
  votes: readonly CrowdVote[]
  /** The AI score in [0, 1], where there is one. */
  ai?: number
}

/** One entry per rollout. */
export interface Rewards {
  /** In deviations of the reference's rewards: what PPO maximises, less the KL. */
  rewards: number[]
  /** After composition, constraints and length bonus, before normalisation; at most 1 without the bonus. */
  raw: number[]
  /** h: the crowd's value, or v̂ without votes of any weight. In [0, 1]. */
  crowd: number[]
  /** Of the constraints, at least 0. */
  penalties: number[]
  /** Predicted compassion, the ensemble's mean, in [0, 1]. */
  compassion: number[]
  /** The ensemble's deviation of the value. */
  deviation: number[]
  /**
   * Per response token, in the unit of `rewards`: the predicted value (`RewardModel.potentials`), for PPO's reward
   * shaping. Empty without prefixes.
   */
  potentials: number[][]
  normalisation: Normalisation
}

/**
 * Scores every rollout. Those with votes get the crowd's value, shrunk towards the model's; those
 * without get the model's. Normalisation uses the current model's predictions for the reference's outputs, so
 * that the scale follows what it has learnt.
 *
 * @param step.reference outputs of the reference policy, at least one
 */
export function rewardsOf(step: {
  rollouts: readonly RewardedRollout[]
  reference: readonly { tokens: number; features: ArrayLike<number> }[]
  model: RewardModel
  config: RewardSettings
}): Rewards {
  const { rollouts, reference, model, config } = step
  const weights = rewardWeights(config.type, { human: config.humanFeedbackWeight, ai: config.aiRewardWeight })
  const predictions = rollouts.map(({ features }) => model.predict(features))
  const crowd = rollouts.map(({ votes }, i) => crowdValue(votes, predictions[i]!.value, config.shrinkage))
  const penalties = rollouts.map(({ response }, i) =>
    constraintPenalty(judged(response, predictions[i]!), config.ethicalConstraints),
  )
  const length = referenceLength(reference)
  const bonus = (tokens: number): number => (config.lengthBonus * (tokens - length.mean)) / length.deviation
  const raw = rollouts.map(({ ai, tokens }, i) => composeReward(crowd[i]!, ai, weights, penalties[i]) + bonus(tokens))
  const normalisation = fitNormalisation(
    reference.map(({ features, tokens }) => model.predict(features).value + bonus(tokens)),
    MIN_DEVIATION,
  )
  return {
    rewards: raw.map((reward) => normalise(reward, normalisation)),
    raw,
    crowd,
    penalties,
    compassion: predictions.map((p) => p.heads[COMPASSION]!.mean),
    deviation: predictions.map((p) => p.deviation),
    potentials: rollouts.map(({ prefixes }) => {
      const values = prefixes ? model.potentials(prefixes) : []
      return values.map((value, t) => (normalise(value, normalisation) * (t + 1)) / (t + 1 + HESITATION))
    }),
    normalisation,
  }
}

/** Tokens after which a potential has half its weight: the mean over a few tokens is noisy. */
const HESITATION = 4

/**
 * Inputs of the constraints. Harm is the `harm` head, or 1 - `safety`; unknown if the session has neither
 * category.
 */
function judged(text: string, { heads }: Prediction): { text: string; harm?: number; compassion: number } {
  const compassion = heads[COMPASSION]!.mean
  if (Object.hasOwn(heads, categoryHead('harm'))) return { text, compassion, harm: heads[categoryHead('harm')]!.mean }
  if (Object.hasOwn(heads, categoryHead('safety')))
    return { text, compassion, harm: 1 - heads[categoryHead('safety')]!.mean }
  return { text, compassion }
}
