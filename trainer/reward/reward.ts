/** From votes and predictions to the reward of every rollout of a step. */
import { crowdValue, voteShare } from '../../server/feedback/crowd.ts'
import {
  composeReward,
  constraintPenalty,
  fitNormalisation,
  normalise,
  rewardWeights,
  type Constraints,
  type Normalisation,
  type RewardType,
  type RewardWeights,
} from '../../server/feedback/reward.ts'
import { mix, weightedQuality } from './combine.ts'
import { COMPASSION, RATING, categoryHead, type RewardVote } from './examples.ts'
import type { Prediction, RewardModel } from './model.ts'

export interface RewardConfig {
  type: RewardType
  weights: RewardWeights
  /** Session categories and their weights `w_k`. */
  categories: Readonly<Record<string, number>>
  /** λ */
  compassionWeight: number
  /** κ */
  shrinkage: number
  constraints: Constraints
  /** Least scale of the normalisation, in the value's unit. */
  minDeviation: number
}

export interface ScoredSample {
  sampleId: string
  response: string
  /** Of the frozen trunk (`ReferenceView.features`). */
  features: ArrayLike<number>
  /** The AI score in [0, 1], where there is one. */
  ai?: number
}

export interface SampleReward {
  sampleId: string
  prediction: Prediction
  /** h: the crowd's value, or v̂ where nobody of any reliability voted. */
  crowd: number
  penalty: number
  /** After composition and constraints; at most 1. */
  reward: number
  /** In deviations of the reference's rewards: what PPO maximises, less the KL. */
  normalised: number
  /** By vote id: the part of h that came from it, in [0, 1]. */
  shares: Map<string, number>
}

/**
 * Scores every rollout. Those with votes get the crowd's value, shrunk towards the model's; those
 * without get the model's. Normalisation is by what the present model says of the reference's
 * outputs, so that the scale follows what it has learnt.
 *
 * @param votes those on these samples; others are ignored
 * @param reference features of outputs of the reference policy, at least one
 */
export function scoreRollouts(
  samples: readonly ScoredSample[],
  votes: readonly RewardVote[],
  model: RewardModel,
  reference: readonly ArrayLike<number>[],
  config: RewardConfig,
): { rewards: SampleReward[]; normalisation: Normalisation } {
  const weights = rewardWeights(config.type, config.weights)
  const bySample = new Map<string, RewardVote[]>()
  for (const vote of votes) bySample.set(vote.sampleId, [...(bySample.get(vote.sampleId) ?? []), vote])
  const baseline = reference.map((features) => composeReward(model.predict(features, config).value, undefined, { human: 1, ai: 0 }))
  const normalisation = fitNormalisation(baseline, config.minDeviation)
  const rewards = samples.map((sample): SampleReward => {
    const prediction = model.predict(sample.features, config)
    const own = bySample.get(sample.sampleId) ?? []
    const cast = own.map((vote) => ({ value: valueOf(vote.scores, config), reliability: vote.reliability }))
    const crowd = crowdValue(cast, prediction.value, config.shrinkage)
    const penalty = constraintPenalty(
      { text: sample.response, harm: harmOf(prediction), compassion: prediction.heads[COMPASSION].mean },
      config.constraints,
    )
    const reward = composeReward(crowd, sample.ai, weights, penalty)
    return {
      sampleId: sample.sampleId,
      prediction,
      crowd,
      penalty,
      reward,
      normalised: normalise(reward, normalisation),
      shares: new Map(own.map((vote, i) => [vote.id, voteShare(cast, i, config.shrinkage)])),
    }
  })
  return { rewards, normalisation }
}

/** A vote's value from its scores, with the session's present λ and category weights. A category not voted on does not count. */
export function valueOf(scores: Readonly<Record<string, number>>, by: Pick<RewardConfig, 'categories' | 'compassionWeight'>): number {
  const parts = Object.entries(by.categories).flatMap(([name, weight]) => {
    const value = scores[categoryHead(name)]
    return value === undefined ? [] : [{ value, weight }]
  })
  return mix(weightedQuality(scores[RATING], parts), scores[COMPASSION], by.compassionWeight)
}

/** Predicted harm: the `harm` head, or what is missing from `safety`; unknown where the session has neither category. */
function harmOf({ heads }: Prediction): number | undefined {
  if (Object.hasOwn(heads, categoryHead('harm'))) return heads[categoryHead('harm')].mean
  if (Object.hasOwn(heads, categoryHead('safety'))) return 1 - heads[categoryHead('safety')].mean
  return undefined
}
