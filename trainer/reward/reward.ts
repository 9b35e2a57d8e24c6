/** Computes the reward of every rollout of a step from votes and predictions. */
import { crowdPrecision, crowdValue, type WeighedVote } from '../../core/votes/crowd.ts'
import { mean } from '../../core/statistics.ts'
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
import { floorTerm, type Floors, type Levels } from './floors.ts'
import type { Belief, Prediction, Predictor, RewardModel } from './model.ts'

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
  sampleId: string
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
  /** After pessimism, composition, constraints and length bonus, before floors and normalisation. */
  raw: number[]
  /** h: the crowd's value, or the prediction where there are no votes of any weight. In [0, 1]. */
  crowd: number[]
  /** What h was shrunk to: for a vote's share of it (`voteShare`). */
  expected: Pick<Belief, 'mean' | 'deviation'>[]
  /** How much each counts in the policy's loss: the precision of its h, of mean 1. */
  weights: number[]
  /** Of the constraints, at least 0. */
  penalties: number[]
  /** Predicted compassion, the mean, in [0, 1]. */
  compassion: number[]
  /** The deviation of the predicted value. */
  deviation: number[]
  /**
   * Per response token, in the unit of `rewards`: the predicted value (`RewardModel.potentials`), for PPO's reward
   * shaping. Empty without prefixes.
   */
  potentials: number[][]
  /** By head, for {@link nextFloors}. */
  levels: Record<string, Levels>
  normalisation: Normalisation
}

/**
 * Scores every rollout. One with votes gets the crowd's value h, shrunk towards what the reward model expected of it; one
 * without gets what the model expects now. Either then pays the same pessimism: β_u deviations of the prediction without
 * its own votes, by the model as it was before this step's. So an answer gains nothing by being voted on, only by the
 * votes. Normalisation uses the current model's predictions for the reference's outputs, with the same pessimism, so
 * that the scale follows what it has learnt.
 *
 * @param step.reference outputs of the reference policy, at least one
 * @param step.before the model as it was before it learnt from this step's votes (`RewardModel.frozen`)
 * @param step.floors multipliers of the heads' floors, none by default
 */
export function rewardsOf(step: {
  rollouts: readonly RewardedRollout[]
  reference: readonly { tokens: number; features: ArrayLike<number> }[]
  model: RewardModel
  before: Predictor
  config: RewardSettings
  floors?: Floors
}): Rewards {
  const { rollouts, reference, model, before, config, floors = {} } = step
  const weights = rewardWeights(config.type, { human: config.humanFeedbackWeight, ai: config.aiRewardWeight })
  const now = rollouts.map(({ features }) => model.predict(features))
  const apart = rollouts.map(({ features, sampleId }) => before.predict(features, { without: sampleId }))
  const expected = rollouts.map(({ votes }, i) => (votes.some(({ weight }) => weight > 0) ? apart[i]! : now[i]!))
  const crowd = rollouts.map(({ votes }, i) => crowdValue(votes, expected[i]!, config.shrinkage))
  const penalties = rollouts.map(({ response }, i) =>
    constraintPenalty(judged(response, now[i]!), config.ethicalConstraints),
  )
  const length = referenceLength(reference)
  const bonus = (tokens: number): number => (config.lengthBonus * (tokens - length.mean)) / length.deviation
  const raw = rollouts.map(
    ({ ai, tokens }, i) => composeReward(cautious(crowd[i]!, apart[i]!), ai, weights, penalties[i]) + bonus(tokens),
  )
  const known = reference.map(({ features }) => ({ now: model.predict(features), before: before.predict(features) }))
  const scores = now.map((prediction, i) => headScores(prediction, apart[i]!))
  const referenceScores = known.map((of) => headScores(of.now, of.before))
  const normalisation = fitNormalisation(
    reference.map(
      ({ tokens }, i) =>
        cautious(known[i]!.now.mean, known[i]!.before) + bonus(tokens) + floorTerm(floors, referenceScores[i]!),
    ),
    MIN_DEVIATION,
  )
  return {
    rewards: raw.map((reward, i) => normalise(reward + floorTerm(floors, scores[i]!), normalisation)),
    raw,
    crowd,
    expected: expected.map(({ mean, deviation }) => ({ mean, deviation })),
    weights: rowWeights(
      rollouts.map(({ votes }, i) => crowdPrecision(votes, expected[i]!.deviation, config.shrinkage)),
    ),
    penalties,
    compassion: now.map((p) => p.heads[COMPASSION]!.mean),
    deviation: now.map((p) => p.deviation),
    potentials: rollouts.map(({ prefixes }) => {
      const values = prefixes ? model.potentials(prefixes) : []
      return values.map((value, t) => (normalise(value, normalisation) * (t + 1)) / (t + 1 + HESITATION))
    }),
    levels: Object.fromEntries(
      model.heads.map((head) => [
        head,
        { policy: scores.map((of) => of[head]!), reference: referenceScores.map((of) => of[head]!) },
      ]),
    ),
    normalisation,
  }
}

/** A value less the pessimism that a prediction has. */
const cautious = (value: number, by: Pick<Belief, 'mean' | 'value'>): number =>
  Math.max(0, value - (by.mean - by.value))

/** What the heads say now, with the pessimism of before. */
const headScores = (now: Prediction, before: Prediction): Record<string, number> =>
  Object.fromEntries(
    Object.entries(now.heads).map(([head, belief]) => [head, cautious(belief.mean, before.heads[head]!)]),
  )

/** Bounds of a row's weight, over the mean. */
const ROW_WEIGHT = { least: 0.25, most: 4 }

/** Precisions as weights of mean 1, no weight more than sixteen times another. */
function rowWeights(precisions: readonly number[]): number[] {
  const average = mean(precisions)
  if (!(average > 0)) return precisions.map(() => 1)
  const held = precisions.map((one) => Math.min(ROW_WEIGHT.most, Math.max(ROW_WEIGHT.least, one / average)))
  const again = mean(held)
  return held.map((one) => one / again)
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
