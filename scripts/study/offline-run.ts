/** The live loop's arithmetic on its own: no sockets, no database, no clock except for timing the parts. */
import { groupSizeOf } from '../../core/protocol/index.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { drawGroups, readPrompts } from '../../trainer/loop/prompts.ts'
import {
  categoryHead,
  COMPASSION,
  openRewardModel,
  RATING,
  type RewardModelConfig,
} from '../../trainer/reward/model.ts'
import { choose } from '../../trainer/reward/choose.ts'
import { preferencesOf } from '../../trainer/reward/preferences.ts'
import { klCoefficient, noSteering, steered, type Steering } from '../../trainer/reward/steering.ts'
import { VOTES_KEPT } from '../../trainer/reward/fixed.ts'
import { rewardsOf } from '../../trainer/reward/reward.ts'
import type { LearnerConfig } from '../../trainer/rl/config.ts'
import { sequenceKl } from '../../trainer/rl/kl.ts'
import { inGroups } from '../../trainer/rl/minibatches.ts'
import { openLearner } from '../../trainer/rl/learner.ts'
import type { Metrics } from '../../trainer/rl/metrics.ts'
import { seedOf } from '../../trainer/rl/random.ts'
import type { ReferenceView, Rollout } from '../../trainer/rl/rollout.ts'
import { HALF_LIFE } from '../../core/votes/fading.ts'
import { rescaled } from '../../core/votes/reliability.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'
import { mix, weightedQuality } from '../../core/votes/value.ts'
import { correlation, mean } from '../../core/statistics.ts'
import { rate } from '../pretrain/oracle.ts'
import { castOnTexts, castVotes, type OfflineCrowd, type OfflineVote } from './offline-crowd.ts'

export interface OfflineOptions {
  modelDir: string
  seed: number
  steps: number
  /** Rows of an update. */
  rollouts: number
  /** Answers of each step that people vote on … */
  shown: number
  /** … each chosen from so many of the step's (`live.candidates`), as far as there are; 1 by default. */
  candidates?: number
  /** May be a fraction: 0.5 is a vote every other step. */
  votesPerStep: number
  /**
   * Steps between an answer's and the votes on it: the policy has moved meanwhile. Where answers need no company in a
   * group, they then take the place of as many fresh ones among the update's rows.
   */
  delay?: number
  /** What holds the policy back, beside the KL to the reference: on by default, as in a live run. */
  floors?: boolean
  budget?: boolean
  /** Draw batch t + 1 before the update on batch t, as the live loop does. */
  overlap: boolean
  threads?: number
  /** Steps between evaluations on held-out prompts; the first and the last step are always evaluated. */
  evaluateEvery: number
  /** The prompts used there, twice each. */
  heldOut: readonly string[]
  /** Who votes in a step. */
  crowd: (step: number) => OfflineCrowd
  /** Inverted votes on texts of its own that one account sends before the run begins. */
  texts: number
  learner: LearnerConfig
  rewardModel: RewardModelConfig
}

export interface Truth {
  compassion: number
  usefulness: number
  readable: number
  /** Nats per response to the reference. */
  kl: number
}

export interface OfflineStep {
  step: number
  /** The oracle on the step's rollouts. */
  rollouts: Truth
  /** The oracle on answers to held-out prompts after the step's update; absent between evaluations. */
  heldOut?: Truth
  metrics: Metrics
  /** Whether the update moved the policy. */
  changed: boolean
  /**
   * How well predicted values follow the oracle's on rollouts nobody voted on: Pearson's r, NaN if either is constant.
   */
  fidelity: number
  reliability: number
  steering: Steering
  /** The share of the KL target that was allowed. */
  share: number
  /** Seconds. */
  seconds: { sample: number; score: number; fit: number; update: number }
}

/** Time between the votes of two steps, milliseconds. */
const STEP_MS = 1_000

/** Trains with a simulated crowd and yields each step as it is done; step 0 is the base model. */
export async function* offlineRun(options: OfflineOptions): AsyncGenerator<OfflineStep | { step: 0; heldOut: Truth }> {
  const { seed, learner: config, crowd, delay = 0 } = options
  const model = await readModel(options.modelDir)
  const tokenizer = await openPromptTokenizer(options.modelDir)
  const prompts = await readPrompts(options.modelDir)
  const engine = await openOnnx({ threads: options.threads })
  const learner = openLearner({ engine, model, config, seed })
  const rewardModel = openRewardModel(options.rewardModel, 2 * model.architecture.width, seed)

  const answer = async (asked: readonly string[], stream: number): Promise<Rollout[]> => {
    const sampled = await learner.sample(asked.map(tokenizer.encodePrompt), {
      seeds: asked.map((_, i) => seedOf(seed, stream, i)),
    })
    return sampled.map((s, i) => ({
      ...s,
      sampleId: `${stream}/${i}`,
      prompt: asked[i]!,
      response: tokenizer.decodeResponse(s.responseIds),
    }))
  }
  const truthOf = (rollouts: readonly Rollout[], views: readonly ReferenceView[]): Truth => {
    const found = rollouts.map((r) => rate(r.prompt, r.response))
    return {
      compassion: mean(found.map((f) => f.compassion)),
      usefulness: mean(found.map((f) => f.usefulness)),
      readable: mean(found.map((f) => (f.readable ? 1 : 0))),
      kl: mean(rollouts.map((r, i) => sequenceKl(r.logprobs, views[i]!.logprobs))),
    }
  }
  const evaluate = async (): Promise<Truth> => {
    const answers = await answer([...options.heldOut, ...options.heldOut], 1_000_000)
    return truthOf(answers, await learner.reference(answers))
  }
  const valueOf = (scores: Readonly<Record<string, number>>): number => {
    const parts = Object.entries(options.rewardModel.categories).map(([name, weight]) => ({
      value: scores[categoryHead(name)]!,
      weight,
    }))
    return mix(weightedQuality(scores[RATING]!, parts), scores[COMPASSION]!, options.rewardModel.compassionWeight)
  }

  const outputs = await answer(prompts.draw(0, 64, seedOf(seed, 2_000_000)), 2_000_000)
  const reference = (await learner.reference(outputs)).map(({ features }, i) => ({
    features,
    tokens: outputs[i]!.responseIds.length,
  }))
  rewardModel.features.fitScale(reference.map(({ features }) => features))
  yield { step: 0, heldOut: await evaluate() }

  const votes: (OfflineVote & Pick<CastVote, 'at' | 'origin'> & { prompt: string })[] = []
  // A few hundred answers of the reference, over and over: what a script would send.
  const written =
    options.texts === 0
      ? []
      : await answer(prompts.draw(0, Math.min(256, options.texts), seedOf(seed, 3_000_000)), 3_000_000)
  const views = await learner.reference(written)
  const texts = Array.from({ length: options.texts }, (_, i) => ({
    ...written[i % written.length]!,
    sampleId: `text/${i}`,
  }))
  texts.forEach(({ sampleId }, i) => rewardModel.features.add(sampleId, views[i % views.length]!.features))
  for (const vote of castOnTexts(crowd(1), texts)) votes.push({ ...vote, at: 0, origin: null, prompt: '' })

  const groupSize = groupSizeOf(config.algorithm, config.own)
  const draw = (step: number) => {
    const drawn = drawGroups(prompts, { step, batchSize: options.rollouts, groupSize, seed })
    return timed(() => answer(drawn, step))
  }
  const chosen = async (fresh: readonly Rollout[], step: number): Promise<Rollout[]> => {
    const { shown, candidates = 1 } = options
    const among = fresh.slice(0, Math.min(fresh.length, shown * candidates))
    if (among.length <= shown) return among
    const groups = inGroups(among, groupSize)
    const features = inGroups(await learner.reference(among), groupSize).map((group) =>
      group.map((view) => view.features),
    )
    return choose(features, rewardModel, shown / groupSize, seedOf(seed, step, shown)).flatMap(
      (place) => groups[place]!,
    )
  }
  let steering = noSteering()
  /** Answers that people are looking at, by the step that made them. */
  const open = new Map<number, Rollout[]>()
  let next = draw(1)
  for (let step = 1; step <= options.steps; step++) {
    const { value: fresh, seconds: sample } = await next
    if (options.overlap) next = draw(step + 1)
    await next
    const due = Math.floor(step * options.votesPerStep) - Math.floor((step - 1) * options.votesPerStep)
    open.set(step, await chosen(fresh, step))
    const shown = open.get(step - delay) ?? []
    open.delete(step - delay)
    const promptOf = new Map(shown.map(({ sampleId, prompt }) => [sampleId, prompt]))
    const cast = castVotes(crowd(step), shown, due)
    for (const vote of cast)
      votes.push({ ...vote, at: STEP_MS * step, origin: 'rollout', prompt: promptOf.get(vote.sampleId) ?? '' })
    votes.splice(0, votes.length - VOTES_KEPT)
    const on = new Set(cast.map(({ sampleId }) => sampleId))
    const voted = delay > 0 && groupSize === 1 ? shown.filter(({ sampleId }) => on.has(sampleId)) : []
    const batch = [...voted, ...fresh].slice(0, options.rollouts)
    const { value: references, seconds: score } = await timed(() => learner.reference(batch))
    if (voted.length > 0 || delay === 0)
      batch.forEach(({ sampleId }, i) => {
        if (on.has(sampleId)) rewardModel.features.add(sampleId, references[i]!.features)
      })
    else {
      const looked = shown.filter(({ sampleId }) => on.has(sampleId))
      const views = await learner.reference(looked)
      looked.forEach(({ sampleId }, i) => rewardModel.features.add(sampleId, views[i]!.features))
    }
    const before = rewardModel.frozen()
    const { value: weights, seconds: fit } = await timed(async () => {
      const found = weigh(
        votes.map((v): CastVote => ({ ...v, value: valueOf(v.scores), source: null, ownQuestion: false, late: false })),
        { halfLife: HALF_LIFE },
      )
      const learnt = preferencesOf(
        votes.map((v, i) => ({
          ...v,
          weight: found.inFit[i]!,
          scores: Object.fromEntries(
            Object.entries(v.scores).map(([head, x]) => [head, rescaled(found.scales[i]!, x)]),
          ),
        })),
      )
      rewardModel.fit(learnt.votes, learnt.preferences)
      rewardModel.keep([])
      return found
    })
    const scored = rewardsOf({
      rollouts: batch.map(({ sampleId, response, responseIds }, i) => ({
        ...{ sampleId, response },
        tokens: responseIds.length,
        features: references[i]!.features,
        prefixes: references[i]!.prefixes,
        votes: votes.flatMap((v, i) =>
          v.sampleId === sampleId ? [{ value: weights.values[i]!, weight: weights.onAnswer[i]! }] : [],
        ),
      })),
      reference,
      ...{ model: rewardModel, before },
      floors: steering.floors,
      config: {
        type: 'human',
        humanFeedbackWeight: 1,
        aiRewardWeight: 0,
        shrinkage: 1,
        lengthBonus: 0,
        ethicalConstraints: {},
      },
    })
    const held = klCoefficient(
      learner.klCoefficient,
      votes.map(({ raterId }, i) => ({ raterId, weight: weights.inFit[i]! })),
    )
    const { value: update, seconds } = await timed(() =>
      learner.update(batch, scored.rewards, {
        ...{ references, potentials: scored.potentials, weights: scored.weights },
        ...((options.budget ?? true) && { klCoefficient: held.klCoefficient }),
      }),
    )
    steering = steered(steering, {
      ...{ rollouts: batch, references, levels: scored.levels, floors: options.floors ?? true },
    })
    const unseen = batch.flatMap((rollout, i) =>
      on.has(rollout.sampleId) ? [] : [{ rollout, compassion: scored.compassion[i]! }],
    )
    const evaluated = step % options.evaluateEvery === 0 || step === options.steps
    yield {
      step,
      rollouts: truthOf(batch, references),
      ...(evaluated && { heldOut: await evaluate() }),
      metrics: update.metrics,
      changed: update.changed,
      fidelity:
        correlation(
          unseen.map(({ compassion }) => compassion),
          unseen.map(({ rollout }) => rate(rollout.prompt, rollout.response).compassion),
        ) ?? Number.NaN,
      reliability: mean([...weights.raters.values()].map((standing) => standing.reliability)),
      ...{ steering, share: held.share },
      seconds: { sample, score, fit, update: seconds },
    }
    if (!options.overlap && step < options.steps) next = draw(step + 1)
  }
  await learner.close()
  await engine.close()
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; seconds: number }> {
  const start = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - start) / 1000 }
}
