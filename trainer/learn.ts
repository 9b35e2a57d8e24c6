/**
 * Step 5 of the live loop: from settled votes to changed weights.
 *
 * Every settled vote of the session trains the reward model, each step anew (it is solved exactly,
 * so nothing is learnt twice); votes on the step's own samples also make their crowd value h. A
 * vote is "used" by the first step that learns from it: that step's receipt names it.
 */
import type { ReceiptRow } from '../server/db/steps.ts'
import { voteShare } from '../server/feedback/crowd.ts'
import { reliabilities } from '../server/feedback/reliability.ts'
import { categoryWeight, unitScore, voteValue } from '../server/feedback/value.ts'
import type { TrainingMetrics } from '../server/protocol.ts'
import { liveMetrics } from './live-metrics.ts'
import { COMPASSION, RATING, categoryHead, type RewardVote } from './reward/model.ts'
import { rewardsOf, type CrowdVote } from './reward/reward.ts'
import type { Rollout } from './rl/rollout.ts'
import type { Batch } from './rollouts.ts'
import type { Run } from './state.ts'
import type { SettledVote } from './world.ts'

export interface Outcome {
  /** h of each sample of the step that was voted on. */
  crowd: { sampleId: string; value: number }[]
  receipts(committedAt: number): ReceiptRow[]
  metrics(committedAt: number): TrainingMetrics
}

export async function learn(run: Run, batch: Batch, settled: readonly SettledVote[], clock: { signal: AbortSignal; now: () => number }): Promise<Outcome> {
  const { learner, rewardModel, config } = run
  const began = clock.now()
  // Votes on the batch that people are voting on now wait for its own step.
  const ahead = new Set(run.state.pending?.shown)
  const votes = settled.filter((vote) => vote.sampleId === null || !ahead.has(vote.sampleId))
  const references = await learner.reference(batch.rollouts)
  await rememberFeatures(run, batch, references.map((view) => view.features), votes)

  const values = new Map(votes.map((vote) => [vote, valueOf(run, vote)]))
  const valueIn = (vote: SettledVote): number => values.get(vote) ?? 0
  const rho = reliabilities(votes.map((vote) => ({ raterId: vote.raterId, sampleId: featureKey(vote), value: valueIn(vote) })))
  const reliability = (vote: SettledVote): number => rho.get(vote.raterId) ?? 0
  rewardModel.fit(votes.map((vote): RewardVote => ({ id: vote.id, sampleId: featureKey(vote), reliability: reliability(vote), scores: scoresOf(vote) })))

  const votesOn = new Map<string, SettledVote[]>(batch.rollouts.map(({ sampleId }) => [sampleId, []]))
  for (const vote of votes) votesOn.get(featureKey(vote))?.push(vote)
  const crowd = (sampleId: string): CrowdVote[] =>
    (votesOn.get(sampleId) ?? []).map((vote) => ({ value: valueIn(vote), reliability: reliability(vote) }))
  const scored = rewardsOf({
    rollouts: batch.rollouts.map(({ sampleId, response }, i) => {
      const { features, prefixes } = references[i]
      return { response, features, prefixes, votes: crowd(sampleId) }
    }),
    reference: run.reference,
    model: rewardModel,
    config: config.rewardModel,
  })
  const update = await learner.update(batch.rollouts, scored.rewards, { references, potentials: scored.potentials, signal: clock.signal })

  const fresh = votes.filter(({ usedIn }) => usedIn === null || usedIn === batch.step)
  const rowOf = new Map(batch.rollouts.map(({ sampleId }, i) => [sampleId, i]))
  return {
    crowd: batch.rollouts.flatMap(({ sampleId }, i) => (crowd(sampleId).length > 0 ? [{ sampleId, value: scored.crowd[i] }] : [])),
    receipts: (committedAt) =>
      fresh.map((vote) => {
        const key = featureKey(vote)
        const row = rowOf.get(key)
        const about = { feedbackId: vote.id, reliability: reliability(vote), latencyMs: Math.max(0, Math.round(committedAt - vote.at)) }
        if (row === undefined) return { ...about, weight: 0, crowd: null, advantage: null }
        const weight = voteShare(crowd(key), votesOn.get(key)?.indexOf(vote) ?? -1, config.rewardModel.shrinkage)
        return { ...about, weight, crowd: scored.crowd[row], advantage: update.advantages[row] }
      }),
    metrics: (committedAt) => ({
      ...update.metrics,
      ...liveMetrics({ fresh, reliability, scored, batch, lossAvg: update.metrics['loss/total_avg'], began, committedAt }),
    }),
  }
}

/** Where the reward model keeps a vote's sample; a text that the session never produced is kept under the vote. */
const featureKey = (vote: SettledVote): string => vote.sampleId ?? `text/${vote.id}`

/** Every sample that was or may yet be voted on gets its features, once. */
async function rememberFeatures(run: Run, batch: Batch, features: readonly Float32Array[], votes: readonly SettledVote[]): Promise<void> {
  const table = run.rewardModel.features
  batch.shown.forEach((sampleId, i) => table.add(sampleId, features[i]))
  const unknown = new Map(votes.filter((vote) => table.row(featureKey(vote)) === undefined).map((vote) => [featureKey(vote), vote]))
  const rollouts = [...unknown].map(([sampleId, vote]) => rolloutOf(run, sampleId, vote))
  const views = await run.learner.reference(rollouts)
  rollouts.forEach(({ sampleId }, i) => table.add(sampleId, views[i].features))
}

/** A text as the reward model reads it; what does not fit the model's context is cut. */
function rolloutOf({ tokenizer, learner }: Run, sampleId: string, { prompt, response }: SettledVote): Rollout {
  const promptIds = tokenizer.encodePrompt(prompt).slice(-Math.floor(learner.context / 2))
  const responseIds = tokenizer.encodeResponse(response).slice(0, learner.context - promptIds.length)
  const logprobs = new Float32Array(responseIds.length)
  return { sampleId, prompt, response, promptIds, responseIds, logprobs, truncated: false, policyVersion: 0 }
}

/** v, with the session's λ and category weights of today. */
function valueOf({ config: { live, rewardModel } }: Run, vote: SettledVote): number {
  const session = { categories: Object.fromEntries(live.categories.map((c) => [c.name, c.weight])), freeCategories: live.freeCategories }
  const categories = vote.categories.map((c) => ({ ...c, weight: categoryWeight(c.name, c.weight, session) }))
  return voteValue({ rating: vote.rating, categories, compassion: vote.compassion }, rewardModel.compassionWeight)
}

/** A vote by the reward model's heads, each in [0, 1]; a category that the session has no head for is left out there. */
function scoresOf(vote: SettledVote): Record<string, number> {
  const categories = vote.categories.map((c) => [categoryHead(c.name), unitScore(c.score, c.name)] as const)
  return { [RATING]: unitScore(vote.rating), ...Object.fromEntries(categories), [COMPASSION]: vote.compassion }
}
