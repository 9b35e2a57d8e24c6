/** A session's votes as a crowd's: what each is worth, how much it counts, and what they say of an answer. */
import { reliabilities } from '../server/feedback/reliability.ts'
import { categoryWeight, unitScore, voteValue } from '../server/feedback/value.ts'
import type { TrainingConfig } from '../server/protocol.ts'
import { COMPASSION, RATING, categoryHead, type RewardVote } from './reward/model.ts'
import type { CrowdVote } from './reward/reward.ts'
import type { SettledVote } from './world.ts'

export interface Crowd {
  readonly votes: readonly SettledVote[]
  /** ρ of the vote's rater, in [0, 1]. */
  reliability(vote: SettledVote): number
  /** The votes on one answer, and the same as its crowd value takes them. */
  on(sampleId: string): readonly SettledVote[]
  weighed(sampleId: string): CrowdVote[]
  /** As the reward model learns from them. */
  lessons(): RewardVote[]
}

export function crowdOf(config: TrainingConfig, votes: readonly SettledVote[]): Crowd {
  const values = new Map(votes.map((vote) => [vote, valueOf(config, vote)]))
  const value = (vote: SettledVote): number => values.get(vote) ?? 0
  const rho = reliabilities(votes.map((vote) => ({ raterId: vote.raterId, sampleId: sampleKey(vote), value: value(vote) })))
  const reliability = (vote: SettledVote): number => rho.get(vote.raterId) ?? 0
  const bySample = new Map<string, SettledVote[]>()
  for (const vote of votes) {
    const on = bySample.get(sampleKey(vote))
    if (on) on.push(vote)
    else bySample.set(sampleKey(vote), [vote])
  }
  const on = (sampleId: string): readonly SettledVote[] => bySample.get(sampleId) ?? []
  return {
    votes,
    reliability,
    on,
    weighed: (sampleId) => on(sampleId).map((vote) => ({ value: value(vote), reliability: reliability(vote) })),
    lessons: () => votes.map((vote) => ({ id: vote.id, sampleId: sampleKey(vote), reliability: reliability(vote), scores: scoresOf(vote) })),
  }
}

/** Where the reward model keeps a vote's sample; a text that the session never produced is kept under the vote. */
export const sampleKey = (vote: SettledVote): string => vote.sampleId ?? `text/${vote.id}`

/** v, with the session's λ and category weights of today. */
function valueOf({ live, rewardModel }: TrainingConfig, vote: SettledVote): number {
  const session = { categories: Object.fromEntries(live.categories.map((c) => [c.name, c.weight])), freeCategories: live.freeCategories }
  const categories = vote.categories.map((c) => ({ ...c, weight: categoryWeight(c.name, c.weight, session) }))
  return voteValue({ rating: vote.rating, categories, compassion: vote.compassion }, rewardModel.compassionWeight)
}

/** A vote by the reward model's heads, each in [0, 1]; a category that the session has no head for is left out there. */
function scoresOf(vote: SettledVote): Record<string, number> {
  const categories = vote.categories.map((c) => [categoryHead(c.name), unitScore(c.score, c.name)] as const)
  return { [RATING]: unitScore(vote.rating), ...Object.fromEntries(categories), [COMPASSION]: vote.compassion }
}
