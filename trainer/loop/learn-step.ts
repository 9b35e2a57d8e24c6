/**
 * Step 5 of the live loop: from settled votes to changed weights.
 *
 * Every settled vote of the session trains the reward model, refitted at each step (it is solved exactly, so no vote
 * counts twice), with less weight the older it is (core/votes/fading.ts); votes on the step's own samples also
 * determine their crowd value h. A vote is "used" by the first step that learns from it: that step's receipt names it.
 * Before the reward model learns from them, the votes on the step's own samples are compared with its predictions.
 * Whether the update then changed anything is measured on the weights, and recorded in the receipts.
 */
import type { ReceiptRow } from '../../core/db/steps.ts'
import { voteShare } from '../../core/votes/crowd.ts'
import type { RunWarning, TrainingMetrics } from '../../core/protocol/index.ts'
import { crowdOf, sampleKey, type Crowd } from './crowd.ts'
import { idleSteps, idleWarning } from './idle-steps.ts'
import { liveMetrics, trendSteps } from './step-metrics.ts'
import type { HeldOut } from '../reward/gap.ts'
import { watchRegulars } from './regulars.ts'
import { VOTES_KEPT, type Predictor } from '../reward/model.ts'
import { preferencesOf, type RatersVote } from '../reward/preferences.ts'
import { rewardsOf, type CrowdVote, type Rewards } from '../reward/reward.ts'
import { klCoefficient, steered, steeringMetrics } from '../reward/steering.ts'
import type { ReferenceView, Rollout } from '../rl/rollout.ts'
import { mean } from '../../core/statistics.ts'
import type { Batch } from './run-state.ts'
import type { Run } from './run-state.ts'
import { watchStep, type Watched } from './reward-hacking-watch.ts'
import type { SettledVote } from '../../core/db/feedback.ts'

export interface Outcome {
  /** h of each sample of the step that was voted on. */
  crowd: { sampleId: string; value: number }[]
  receipts(committedAt: number): ReceiptRow[]
  /** Ids of every vote that the reward model was fitted on. */
  learntFrom: string[]
  /** `since`: when the run's last step was committed, or the run was opened. */
  metrics(committedAt: number, since: number): TrainingMetrics
  warnings: Pick<RunWarning, 'kind' | 'message'>[]
  /** Why the run pauses; null: it continues. */
  pause: string | null
}

export async function learn(
  run: Run,
  batch: Batch,
  settled: readonly SettledVote[],
  clock: { signal: AbortSignal; now: () => number },
): Promise<Outcome> {
  const { learner, rewardModel, config, state } = run
  const began = clock.now()
  // Votes on the batch that is open for voting wait for its own step.
  const ahead = new Set(state.pending?.shown)
  const crowd = crowdOf(
    config,
    settled.filter((vote) => vote.sampleId === null || !ahead.has(vote.sampleId)),
    batch.step,
  )
  const fresh = crowd.votes.filter(({ usedIn }) => usedIn === null || usedIn === batch.step)
  const references = await learner.reference(batch.rollouts)
  await rememberFeatures(run, batch, references, crowd.votes)

  const watched = watchVotes(run, batch, { references, crowd, fresh })
  const before = rewardModel.frozen()
  const lessons = lessonsOf(crowd)
  const learnt = preferencesOf(lessons)
  rewardModel.fit(learnt.votes, learnt.preferences)
  rewardModel.keep(batch.shown)
  const scored = score(run, batch, { references, before, votes: (sampleId) => crowd.weighed(sampleId) })
  const { share, klCoefficient: held } = klCoefficient(learner.klCoefficient, lessons)
  const update = await learner.update(batch.rollouts, scored.rewards, {
    references,
    potentials: scored.potentials,
    weights: scored.weights,
    klCoefficient: held,
    signal: clock.signal,
  })
  state.steering = steered(state.steering, {
    ...{ rollouts: batch.rollouts, references, levels: scored.levels, floors: config.rewardModel.floors },
  })
  state.evidence = watched.evidence
  const { regulars, warnings } = watchRegulars(state.regulars, crowd.raters)
  state.regulars = regulars
  state.rewards = [...state.rewards, mean(scored.raw)].slice(-trendSteps)
  state.idle = idleSteps(state.idle, { changed: update.changed, votes: fresh.length })

  const rowOf = new Map(batch.rollouts.map(({ sampleId }, i) => [sampleId, i]))
  return {
    crowd: batch.rollouts.flatMap(({ sampleId }, i) =>
      crowd.on(sampleId).length > 0 ? [{ sampleId, value: scored.crowd[i]! }] : [],
    ),
    receipts: (committedAt) =>
      fresh.map((vote) => {
        const key = sampleKey(vote)
        const row = rowOf.get(key)
        const { reliability, comparable } = crowd.standing(vote)
        const about = {
          feedbackId: vote.id,
          reliability,
          latencyMs: Math.max(0, Math.round(committedAt - vote.at)),
          comparable,
          updated: update.changed,
        }
        if (row === undefined) return { ...about, weight: 0, crowd: null, advantage: null }
        const { deviation } = scored.expected[row]!
        const weight = voteShare(
          crowd.weighed(key),
          crowd.on(key).indexOf(vote),
          deviation,
          config.rewardModel.shrinkage,
        )
        return { ...about, weight, crowd: scored.crowd[row]!, advantage: update.advantages[row]! }
      }),
    learntFrom: crowd.votes.map(({ id }) => id),
    metrics: (committedAt, since) => ({
      ...update.metrics,
      ...watched.metrics,
      ...steeringMetrics(state.steering, share),
      ...liveMetrics({
        fresh,
        crowd,
        scored,
        rewards: state.rewards,
        batch,
        answerTo: run.prompts.answerTo,
        loss: update.metrics['loss/total_avg'],
        began,
        since,
        committedAt,
      }),
    }),
    warnings: [
      ...watched.warnings,
      ...warnings,
      ...idleWarning(state.idle, { votes: fresh.length, metrics: update.metrics }),
    ],
    pause: watched.pause,
  }
}

/** The latest votes, as the reward model learns from them, with whose they are and on what. */
const lessonsOf = (crowd: Crowd): RatersVote[] =>
  crowd
    .lessons()
    .map((lesson, i) => ({ ...lesson, raterId: crowd.votes[i]!.raterId, prompt: crowd.votes[i]!.prompt }))
    .slice(-VOTES_KEPT)

/** Rewards of the batch by the current reward model. */
function score(
  { rewardModel, reference, config, state }: Run,
  { rollouts }: Batch,
  {
    references,
    before,
    votes,
  }: { references: readonly ReferenceView[]; before: Predictor; votes: (sampleId: string) => CrowdVote[] },
): Rewards {
  return rewardsOf({
    rollouts: rollouts.map(({ sampleId, response, responseIds }, i) => {
      const { features, prefixes } = references[i]!
      return { sampleId, response, tokens: responseIds.length, features, prefixes, votes: votes(sampleId) }
    }),
    reference,
    model: rewardModel,
    before,
    config: config.rewardModel,
    floors: state.steering.floors,
  })
}

/** Checks the step for reward hacking, with a reward model that has not been trained on its votes yet. */
function watchVotes(
  run: Run,
  batch: Batch,
  { references, crowd, fresh }: { references: readonly ReferenceView[]; crowd: Crowd; fresh: readonly SettledVote[] },
): Watched {
  const unseen = score(run, batch, { references, before: run.rewardModel.frozen(), votes: () => [] }).raw
  const heldOut = batch.rollouts.flatMap(({ sampleId }, i): HeldOut[] => {
    const votes = crowd.weighed(sampleId)
    const weight = votes.reduce((sum, vote) => sum + vote.weight, 0)
    return weight > 0
      ? [{ reward: unseen[i]!, people: votes.reduce((sum, vote) => sum + vote.weight * vote.value, 0) / weight }]
      : []
  })
  const step = {
    answers: batch.rollouts.map((rollout) => rollout.responseIds),
    reference: run.reference,
    heldOut,
    raters: new Set(batch.rollouts.flatMap(({ sampleId }) => crowd.on(sampleId)).map((vote) => vote.raterId)).size,
    learntFrom: crowd.votes.length - fresh.length,
  }
  return watchStep(run.state.evidence, step, run.config.rewardHacking)
}

/** Caches the features of every sample that was or may be voted on. */
async function rememberFeatures(
  run: Run,
  batch: Batch,
  references: readonly ReferenceView[],
  votes: readonly SettledVote[],
): Promise<void> {
  const table = run.rewardModel.features
  batch.shown.forEach((sampleId, i) => table.add(sampleId, references[i]!.features))
  const unknown = new Map(votes.filter((vote) => !table.has(sampleKey(vote))).map((vote) => [sampleKey(vote), vote]))
  const rollouts = [...unknown].map(([sampleId, vote]) => rolloutOf(run, sampleId, vote))
  const views = await run.learner.reference(rollouts)
  rollouts.forEach(({ sampleId }, i) => table.add(sampleId, views[i]!.features))
}

/** A text as the reward model reads it; what does not fit the model's context is cut. */
function rolloutOf({ tokenizer, learner }: Run, sampleId: string, { prompt, response }: SettledVote): Rollout {
  const promptIds = tokenizer.encodePrompt(prompt).slice(-Math.floor(learner.context / 2))
  const responseIds = tokenizer.encodeResponse(response).slice(0, learner.context - promptIds.length)
  const logprobs = new Float32Array(responseIds.length)
  return { sampleId, prompt, response, promptIds, responseIds, logprobs, truncated: false, policyVersion: 0 }
}
