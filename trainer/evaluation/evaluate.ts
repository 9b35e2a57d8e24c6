/**
 * Evaluates a policy on prompts that its run never trains on.
 *
 *   1. Answer every prompt once, each by its own fixed seed.
 *   2. Score the answers by the reward model of now, and, by the same one, those of the reference and of the best
 *      evaluation before.
 *   3. Compare prompt by prompt: what differs is the weights alone, so the difference's error is smaller than that of
 *      two separate means (common random numbers; Card et al., “With Little Power Comes Great Responsibility”, 2020,
 *      on paired comparisons of models).
 *   4. Decide whether it regresses (gate.ts); if it is better than the best, it is the best from now on.
 *
 * The seeds do not depend on the run, so two runs of one model are compared like two evaluations of one run. Without
 * training in between, an answer is the reference's own, and the win rate ½.
 *
 * Left out on purpose: people. The reward model stands for them; how far it can be trusted is what gap/level and
 * gap/order say (docs/METRICS.md). Readability is measured without it, by the reference's own log-probability.
 */
import { mean } from '../../core/statistics.ts'
import type { PromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { shapeOf } from '../reward/drift.ts'
import { COMPASSION, type RewardModel, type RewardModelConfig } from '../reward/model.ts'
import { sequenceKl } from '../rl/kl.ts'
import type { Learner } from '../rl/learner.ts'
import { seedOf } from '../rl/random.ts'
import type { ReferenceView, Rollout } from '../rl/rollout.ts'
import { regresses, type Compared } from './gate.ts'
import { estimate, winRate, type Estimate } from './interval.ts'
import { estimated, won, type EvaluationMetric } from './metrics.ts'
import type { Answers, EvaluationState } from './state.ts'

export interface EvaluationDeps {
  learner: Pick<Learner, 'sample' | 'reference' | 'context' | 'version'>
  rewardModel: Pick<RewardModel, 'predict' | 'heads'>
  tokenizer: Pick<PromptTokenizer, 'encodePrompt' | 'decodeResponse'>
  /** By what the value is made of the heads' scores. */
  weights: Pick<RewardModelConfig, 'categories' | 'compassionWeight'>
}

export interface Evaluation {
  step: number
  policyVersion: number
  metrics: Partial<Record<EvaluationMetric, number>>
  /** Predicted scores by head, in [0, 1]. */
  heads: Record<string, Estimate>
  against: Compared | null
  regressed: boolean
  /** One a prompt, for people to read. */
  answers: EvaluatedAnswer[]
}

export interface EvaluatedAnswer {
  prompt: string
  answer: string
  /** v, predicted. */
  value: number
  /** The reference's answer to the same prompt, and its value. */
  reference: { answer: string; value: number } | null
}

/** Whether a run is evaluated after this step; step 0 is its beginning. */
export const isDue = (step: number, every: number): boolean => every > 0 && step % every === 0

/** Of the evaluations' random streams: every run's are the same. */
const SEED = 0x65_76_61_6c

/**
 * The state before the first evaluation. With the first weights, which are the reference's, it takes the reference's
 * answers; of a run that has learnt already (`learner.version` above 0) they can't be had any more.
 *
 * @param heldOut those of `splitPrompts`; at most `count` of them are asked
 */
export async function openEvaluation(
  deps: Omit<EvaluationDeps, 'rewardModel' | 'weights'>,
  heldOut: readonly string[],
  { count, maxNewTokens, signal }: { count: number; maxNewTokens: number; signal?: AbortSignal },
): Promise<EvaluationState> {
  const { learner, tokenizer } = deps
  // As for a rater's own question, a prompt must leave room for an answer.
  const prompts = heldOut
    .filter((prompt) => tokenizer.encodePrompt(prompt).length <= learner.context - maxNewTokens)
    .slice(0, count)
  if (learner.version > 0) return { prompts, reference: null, best: null }
  const { rollouts, views } = await answer(deps, prompts, 0, signal)
  return { prompts, reference: answersOf(0, rollouts, views), best: null }
}

/**
 * Evaluates the current policy, and gives the state for the next evaluation. Weights, reward model and random streams
 * of the run are as they were. At least two prompts.
 *
 * @param run.now milliseconds
 */
export async function evaluate(
  deps: EvaluationDeps,
  state: EvaluationState,
  run: { step: number; tolerance: number; now: () => number; signal?: AbortSignal },
): Promise<{ evaluation: Evaluation; state: EvaluationState }> {
  const { learner, rewardModel, weights } = deps
  const { step } = run
  const began = run.now()
  const { rollouts, views } = await answer(deps, state.prompts, step, run.signal)
  const answers = answersOf(step, rollouts, views)

  const valuesOf = ({ features }: Answers): number[] =>
    features.map((row) => rewardModel.predict(row, { weights }).mean)
  const predictions = answers.features.map((row) => rewardModel.predict(row, { weights }))
  const values = predictions.map((prediction) => prediction.mean)
  const useful = { ...weights, compassionWeight: 0 }
  const usefulness = answers.features.map((row) => rewardModel.predict(row, { weights: useful }).mean)
  const reference = state.reference && valuesOf(state.reference)
  const best = state.best && valuesOf(state.best)
  const gained = best && estimate(values.map((value, i) => value - best[i]!))
  const against = gained && { step: state.best!.step, difference: gained.mean, error: gained.error }

  const shapes = rollouts.map(({ responseIds }) => shapeOf(responseIds))
  const evaluation: Evaluation = {
    step,
    policyVersion: learner.version,
    metrics: {
      ...estimated('value', estimate(values)),
      ...estimated('compassion', estimate(predictions.map(({ heads }) => heads[COMPASSION]!.mean))),
      ...estimated('usefulness', estimate(usefulness)),
      ...(reference && won(winRate(values, reference))),
      ...estimated('kl', estimate(rollouts.map(({ logprobs }, i) => sequenceKl(logprobs, views[i]!.logprobs)))),
      ...estimated('logprob', estimate(views.map(({ logprobs }) => mean([...logprobs])))),
      'eval/repetition': mean(shapes.map(({ repetition }) => repetition)),
      'eval/truncated': mean(rollouts.map(({ truncated }) => Number(truncated))),
      'eval/length': mean(shapes.map(({ tokens }) => tokens)),
      ...(gained && estimated('best_difference', gained)),
      'eval/prompts': rollouts.length,
      'eval/seconds': (run.now() - began) / 1000,
    },
    heads: Object.fromEntries(
      rewardModel.heads.map((head) => [head, estimate(predictions.map(({ heads }) => heads[head]!.mean))]),
    ),
    against,
    regressed: regresses({ step, against }, run.tolerance),
    answers: rollouts.map(({ prompt, response }, i) => ({
      prompt,
      answer: response,
      value: values[i]!,
      reference: state.reference && { answer: state.reference.texts[i]!, value: reference![i]! },
    })),
  }
  const isBest = gained === null || gained.mean > 0
  return { evaluation, state: isBest ? { ...state, best: answers } : state }
}

async function answer(
  { learner, tokenizer }: Pick<EvaluationDeps, 'learner' | 'tokenizer'>,
  prompts: readonly string[],
  step: number,
  signal?: AbortSignal,
): Promise<{ rollouts: Rollout[]; views: ReferenceView[] }> {
  if (prompts.length < 2) throw new RangeError(`an evaluation needs two prompts, and there are ${prompts.length}`)
  const sampled = await learner.sample(prompts.map(tokenizer.encodePrompt), {
    seeds: prompts.map((_, i) => seedOf(SEED, i)),
    ...(signal && { signal }),
  })
  const rollouts = sampled.map((sample, i) => ({
    ...sample,
    sampleId: `evaluation/${step}/${i}`,
    prompt: prompts[i]!,
    response: tokenizer.decodeResponse(sample.responseIds),
  }))
  return { rollouts, views: await learner.reference(rollouts) }
}

const answersOf = (step: number, rollouts: readonly Rollout[], views: readonly ReferenceView[]): Answers => ({
  step,
  texts: rollouts.map(({ response }) => response),
  features: views.map(({ features }) => features),
})
