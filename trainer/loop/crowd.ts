/** A session's votes as a crowd: the value and weight of each, by answer. */
import { rescaled, type Knowledge, type Scale, type Standing } from '../../core/votes/reliability.ts'
import { categoryWeight, unitScore, voteValue } from '../../core/votes/value.ts'
import { weigh, type CastVote, type TasteReport } from '../../core/votes/weights.ts'
import type { TrainingConfig } from '../../core/protocol/index.ts'
import { COMPASSION, RATING, categoryHead, type RewardVote } from '../reward/model.ts'
import type { CrowdVote } from '../reward/reward.ts'
import type { SettledVote } from '../../core/db/feedback.ts'

export interface Crowd {
  readonly votes: readonly SettledVote[]
  /** The standing of the vote's rater: ρ, n and the weight of their votes. */
  standing(vote: SettledVote): Standing
  /** Everybody who has voted, in the order of their first votes. */
  readonly raters: ReadonlyMap<string, Standing>
  /** When the latest vote was cast, milliseconds since the epoch; 0 without any. */
  readonly at: number
  /** What people here like, the largest taste first. */
  readonly tastes: readonly TasteReport[]
  /** The votes on one answer, and what they say with their weights in its crowd value. */
  on(sampleId: string): readonly SettledVote[]
  weighed(sampleId: string): CrowdVote[]
  /** Training examples of the reward model. */
  lessons(): RewardVote[]
}

/**
 * @param votes oldest first
 * @param knowledge what is known of raters and answers besides
 */
export function crowdOf(config: TrainingConfig, votes: readonly SettledVote[], knowledge: Knowledge = {}): Crowd {
  const cast = votes.map((vote): CastVote => ({
    ...vote,
    sampleId: sampleKey(vote),
    value: valueOf(config, vote),
  }))
  const { tastes, acceptOpposition, voteHalfLife: halfLife } = config.rewardModel
  const weights = weigh(cast, { ...knowledge, tastes, acceptOpposition, halfLife })
  const bySample = new Map<string, number[]>()
  cast.forEach(({ sampleId }, i) => {
    const on = bySample.get(sampleId)
    if (on) on.push(i)
    else bySample.set(sampleId, [i])
  })
  const on = (sampleId: string): readonly number[] => bySample.get(sampleId) ?? []
  return {
    votes,
    standing: (vote) => weights.standing(vote.raterId),
    raters: weights.raters,
    at: votes.at(-1)?.at ?? 0,
    tastes: weights.tastes,
    on: (sampleId) => on(sampleId).map((i) => votes[i]!),
    weighed: (sampleId) => on(sampleId).map((i) => ({ value: weights.values[i]!, weight: weights.onAnswer[i]! })),
    lessons: () =>
      votes.map((vote, i) => ({
        id: vote.id,
        sampleId: cast[i]!.sampleId,
        weight: weights.inFit[i]!,
        scores: scoresOf(vote, weights.scales[i]!),
      })),
  }
}

/** The reward model's key for a vote's sample; a text that the session never produced is keyed by the vote. */
export const sampleKey = (vote: SettledVote): string => vote.sampleId ?? `text/${vote.id}`

/** v, with the session's current λ and category weights. */
function valueOf({ live, rewardModel }: TrainingConfig, vote: SettledVote): number {
  const session = {
    categories: Object.fromEntries(live.categories.map((c) => [c.name, c.weight])),
    freeCategories: live.freeCategories,
  }
  const categories = vote.categories.map((c) => ({ ...c, weight: categoryWeight(c.name, c.weight, session) }))
  return voteValue({ rating: vote.rating, categories, compassion: vote.compassion }, rewardModel.compassionWeight)
}

/**
 * A vote by the reward model's heads, each in [0, 1]. What the rater left out is missing, and its head is not
 * trained on the vote; a category without a head in the session is ignored. Its author's way of using the scale is taken
 * out of each, as it is out of the value, which is a mean of them.
 */
function scoresOf(vote: SettledVote, scale: Scale): Record<string, number> {
  const read = (score: number): number => rescaled(scale, score)
  const categories = vote.categories.map((c) => [categoryHead(c.name), read(unitScore(c.score, c.name))] as const)
  return {
    [RATING]: read(unitScore(vote.rating)),
    ...Object.fromEntries(categories),
    ...(vote.compassion !== null && { [COMPASSION]: read(vote.compassion) }),
  }
}
