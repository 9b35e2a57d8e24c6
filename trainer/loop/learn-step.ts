/**
 * One step of the live loop: from votes to changed weights.
 *
 * Its rollouts are the answers on which people have just voted, and answers of the current policy to fill the batch.
 * Every vote of the session's latest trains the reward model, which is solved exactly, so that no vote counts twice,
 * with less weight the older it is (core/votes/fading.ts); votes on the step's own answers also determine their crowd
 * value h. A vote is "used" by the first step that learns from it: that step's receipt names it.
 * Before the reward model learns from them, the votes on the step's own answers are compared with its predictions.
 * Whether the update then changed anything is measured on the weights and on the answers' own probabilities, and
 * recorded in the receipts.
 *
 * A step depends on (state, votes, recorded answers, seed) alone: made again from the same state with the same votes,
 * it gives the same weights, to the bit.
 */
import { createHash } from 'node:crypto'
import type { ReceiptRow } from '../../core/db/steps.ts'
import type { ShownSample } from '../../core/db/samples.ts'
import type { SettledVote } from '../../core/db/feedback.ts'
import { voteShare } from '../../core/votes/crowd.ts'
import { exactDiv } from '../../lm/graph/index.ts'
import type { RunWarning, TrainingMetrics } from '../../core/protocol/index.ts'
import { crowdOf, sampleKey, type Crowd } from './crowd.ts'
import { idleSteps, idleWarning } from './idle-steps.ts'
import { liveMetrics, trendSteps } from './step-metrics.ts'
import type { HeldOut } from '../reward/gap.ts'
import { watchRegulars } from './regulars.ts'
import type { Predictor } from '../reward/model.ts'
import { preferencesOf, type RatersVote } from '../reward/preferences.ts'
import { rewardsOf, type CrowdVote, type Rewards } from '../reward/reward.ts'
import { klCoefficient, steered, steeringMetrics } from '../reward/steering.ts'
import type { ReferenceView, Rollout } from '../rl/rollout.ts'
import { mean } from '../../core/statistics.ts'
import { drawForStep, groupSize, rolloutOf } from './rollouts.ts'
import type { Run } from './run-state.ts'
import { watchStep, type Watched } from './reward-hacking-watch.ts'

export interface StepInput {
  step: number
  /** What it learns from, oldest first; those that it is the first to use name it in `usedIn`. */
  votes: readonly SettledVote[]
  /** The answers that those are on, and their groups, as they were sampled. */
  answers: readonly ShownSample[]
}

export interface Outcome {
  /** Of what the update computed. */
  digest: string
  /** h of each sample of the step that was voted on. */
  crowd: { sampleId: string; value: number }[]
  receipts(committedAt: number): ReceiptRow[]
  /** `since`: when the run's last step was committed, or the run was opened. */
  metrics(committedAt: number, since: number): TrainingMetrics
  warnings: Pick<RunWarning, 'kind' | 'message'>[]
  /** Why the run pauses; null: it continues. */
  pause: string | null
}

interface Clock {
  signal: AbortSignal
  now: () => number
  /** Awaited between the step's parts, for what can't wait for its end. */
  between: () => Promise<void>
}

export async function learn(run: Run, { step, votes, answers }: StepInput, clock: Clock): Promise<Outcome> {
  const { learner, rewardModel, config, state } = run
  const began = clock.now()
  const crowd = crowdOf(config, votes)
  const fresh = crowd.votes.filter(({ usedIn }) => usedIn === step)

  const voted = votedOn(run, fresh, answers)
  const own = exactDiv(config.batchSize - voted.length, groupSize(run), 'the rest of the batch by groups')
  const rollouts = [...voted, ...(await drawForStep(run, step, own, clock.signal))]
  await clock.between()
  const references = await learner.reference(rollouts)
  await rememberFeatures(run, { rollouts: voted, references }, crowd.votes)
  await clock.between()

  const watched = watchVotes(run, { rollouts, references, crowd, fresh })
  const before = rewardModel.frozen()
  const lessons = lessonsOf(crowd)
  const learnt = preferencesOf(lessons)
  rewardModel.fit(learnt.votes, learnt.preferences)
  rewardModel.keep([])
  const scored = score(run, rollouts, { references, before, votes: (sampleId) => crowd.weighed(sampleId) })
  const { share, klCoefficient: held } = klCoefficient(learner.klCoefficient, lessons)
  await clock.between()
  const update = await learner.update(rollouts, scored.rewards, {
    references,
    potentials: scored.potentials,
    weights: scored.weights,
    klCoefficient: held,
    signal: clock.signal,
  })
  state.steering = steered(state.steering, {
    ...{ rollouts, references, levels: scored.levels, floors: config.rewardModel.floors },
  })
  state.evidence = watched.evidence
  const { regulars, warnings } = watchRegulars(state.regulars, crowd.raters, crowd.at)
  state.regulars = regulars
  state.rewards = [...state.rewards, mean(scored.raw)].slice(-trendSteps)
  state.idle = idleSteps(state.idle, { changed: update.changed, votes: fresh.length })
  state.step = step

  const rowOf = new Map(voted.map(({ sampleId }, i) => [sampleId, i]))
  return {
    digest: createHash('sha256')
      .update(JSON.stringify([update.metrics, update.logprobs]))
      .digest('hex'),
    crowd: voted.flatMap(({ sampleId }, i) =>
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
        if (row === undefined) return { ...about, weight: 0, crowd: null, advantage: null, logprob: null }
        return {
          ...about,
          weight: voteShare(
            crowd.weighed(key),
            crowd.on(key).indexOf(vote),
            scored.expected[row]!.deviation,
            config.rewardModel.shrinkage,
          ),
          crowd: scored.crowd[row]!,
          advantage: update.advantages[row]!,
          logprob: update.logprobs[row]!,
        }
      }),
    metrics: (committedAt, since) => ({
      ...update.metrics,
      ...watched.metrics,
      ...steeringMetrics(state.steering, share),
      ...liveMetrics({
        fresh,
        crowd,
        scored,
        rewards: state.rewards,
        batch: { rollouts },
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

/** At most this share of a step's batch are answers that were voted on; the rest is the current policy's. */
const VOTED_SHARE = 1 / 2

/**
 * The answers with fresh votes, in whole groups: those with the most votes, the earliest votes first. Votes on others
 * teach the reward model all the same.
 */
function votedOn(run: Run, fresh: readonly SettledVote[], answers: readonly ShownSample[]): Rollout[] {
  const size = groupSize(run)
  const most = Math.floor((run.config.batchSize * VOTED_SHARE) / size)
  const byId = new Map(answers.map((answer) => [answer.id, answer]))
  const groups = new Map<string, { votes: number; ids: readonly string[] }>()
  for (const { sampleId } of fresh) {
    const ids = sampleId === null ? undefined : byId.get(sampleId)?.rollout.group
    if (ids?.length !== size || !ids.every((id) => byId.has(id))) continue
    const group = groups.get(ids[0]!) ?? { votes: 0, ids }
    groups.set(ids[0]!, { ...group, votes: group.votes + 1 })
  }
  return [...groups.values()]
    .sort((a, b) => b.votes - a.votes)
    .slice(0, most)
    .flatMap(({ ids }) => ids.map((id) => rolloutOf(byId.get(id)!)))
}

/** The votes as the reward model learns from them, with whose they are and on what. */
const lessonsOf = (crowd: Crowd): RatersVote[] =>
  crowd.lessons().map((lesson, i) => ({ ...lesson, raterId: crowd.votes[i]!.raterId, prompt: crowd.votes[i]!.prompt }))

/** Rewards of the rollouts by the current reward model. */
function score(
  { rewardModel, reference, config, state }: Run,
  rollouts: readonly Rollout[],
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
  {
    rollouts,
    references,
    crowd,
    fresh,
  }: {
    rollouts: readonly Rollout[]
    references: readonly ReferenceView[]
    crowd: Crowd
    fresh: readonly SettledVote[]
  },
): Watched {
  const unseen = score(run, rollouts, { references, before: run.rewardModel.frozen(), votes: () => [] }).raw
  const known = new Set(crowd.votes.filter((vote) => !fresh.includes(vote)).map(sampleKey))
  const heldOut = rollouts.flatMap(({ sampleId }, i): HeldOut[] => {
    const votes = known.has(sampleId) ? [] : crowd.weighed(sampleId)
    const weight = votes.reduce((sum, vote) => sum + vote.weight, 0)
    return weight > 0
      ? [{ reward: unseen[i]!, people: votes.reduce((sum, vote) => sum + vote.weight * vote.value, 0) / weight }]
      : []
  })
  const step = {
    answers: rollouts.map((rollout) => rollout.responseIds),
    reference: run.reference,
    heldOut,
    raters: new Set(rollouts.flatMap(({ sampleId }) => crowd.on(sampleId)).map((vote) => vote.raterId)).size,
    learntFrom: crowd.votes.length - fresh.length,
  }
  return watchStep(run.state.evidence, step, run.config.rewardHacking)
}

/** Caches the features of every text that was voted on: of this step's answers, which it has, and of others. */
async function rememberFeatures(
  run: Run,
  own: { rollouts: readonly Rollout[]; references: readonly ReferenceView[] },
  votes: readonly SettledVote[],
): Promise<void> {
  const table = run.rewardModel.features
  own.rollouts.forEach(({ sampleId }, i) => table.add(sampleId, own.references[i]!.features))
  const unknown = new Map(votes.filter((vote) => !table.has(sampleKey(vote))).map((vote) => [sampleKey(vote), vote]))
  const rollouts = [...unknown].map(([sampleId, vote]) => textOf(run, sampleId, vote))
  const views = await run.learner.reference(rollouts)
  rollouts.forEach(({ sampleId }, i) => table.add(sampleId, views[i]!.features))
}

/** A text as the reward model reads it; what does not fit the model's context is cut. */
function textOf({ tokenizer, learner }: Run, sampleId: string, { prompt, response }: SettledVote): Rollout {
  const promptIds = tokenizer.encodePrompt(prompt).slice(-Math.floor(learner.context / 2))
  const responseIds = tokenizer.encodeResponse(response).slice(0, learner.context - promptIds.length)
  const logprobs = new Float32Array(responseIds.length)
  return { sampleId, prompt, response, promptIds, responseIds, logprobs, truncated: false, policyVersion: 0 }
}
