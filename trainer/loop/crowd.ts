/** A session's votes as a crowd: the value and weight of each, by answer. */
import type { Standing } from '../../core/votes/reliability.ts'
import { fading } from '../../core/votes/fading.ts'
import { categoryWeight, unitScore, voteValue } from '../../core/votes/value.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'
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
  /** The votes on one answer, and the same with their weights in its crowd value. */
  on(sampleId: string): readonly SettledVote[]
  weighed(sampleId: string): CrowdVote[]
  /** Training examples of the reward model. */
  lessons(): RewardVote[]
}

/** @param step the one that trains on them: votes that no step has used yet count as its own */
export function crowdOf(config: TrainingConfig, votes: readonly SettledVote[], step: number): Crowd {
  const cast = votes.map((vote): CastVote => ({
    ...vote,
    sampleId: sampleKey(vote),
    value: valueOf(config, vote),
    round: vote.usedIn ?? step,
  }))
  const weights = weigh(cast, fading)
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
    on: (sampleId) => on(sampleId).map((i) => votes[i]!),
    weighed: (sampleId) => on(sampleId).map((i) => ({ value: cast[i]!.value, weight: weights.onAnswer[i]! })),
    lessons: () =>
      votes.map((vote, i) => ({
        id: vote.id,
        sampleId: cast[i]!.sampleId,
        weight: weights.inFit[i]!,
        scores: scoresOf(vote),
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
 * trained on the vote; a category without a head in the session is ignored.
 */
function scoresOf(vote: SettledVote): Record<string, number> {
  const categories = vote.categories.map((c) => [categoryHead(c.name), unitScore(c.score, c.name)] as const)
  return {
    [RATING]: unitScore(vote.rating),
    ...Object.fromEntries(categories),
    ...(vote.compassion !== null && { [COMPASSION]: vote.compassion }),
  }
}
