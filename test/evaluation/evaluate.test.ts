import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { evaluate, isDue, openEvaluation, type Evaluation } from '../../trainer/evaluation/evaluate.ts'
import { EVALUATION_METRICS } from '../../trainer/evaluation/metrics.ts'
import { openShownWeights } from '../../trainer/evaluation/shown-weights.ts'
import { exportEvaluation, importEvaluation, SavedEvaluation } from '../../trainer/evaluation/state.ts'
import { rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { beginEvaluating, evaluateRun } from '../../trainer/loop/evaluation.ts'
import { openRun, type Run } from '../../trainer/loop/run-state.ts'
import type { RewardModel } from '../../trainer/reward/model.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
let run: Run
let other: Run
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-evaluation-'))
  await writeTinyModel(dir)
  const open = async (seed: number) => {
    const config = tinyRun
    return openRun({
      sessionId: 'evaluated',
      config: { ...config, live: { ...config.live, seed } },
      modelDir: dir,
      saved: null,
      engine: await openOnnx({ threads: 1 }),
    })
  }
  run = await open(5)
  other = await open(6)
})
afterAll(async () => {
  await run.close()
  await other.close()
  await rm(dir, { recursive: true })
})

/** Predicts by what an answer is worth. */
const likes =
  (worth: (features: ArrayLike<number>) => number): RewardModel['predict'] =>
  (features, { weights } = {}) => {
    const mean = worth(features)
    const score = { mean, deviation: 0, value: mean }
    return {
      ...score,
      value: mean * (weights?.compassionWeight === 0 ? 1 : 0.5),
      heads: { rating: score, compassion: score },
    }
  }
/** Likes answers by a feature of theirs, so that they differ in value. */
const judge = (slope: number): Pick<RewardModel, 'predict' | 'heads'> => ({
  heads: ['rating', 'compassion'],
  predict: likes((features) => 1 / (1 + Math.exp(-slope * features[0]!))),
})
const deps = (of: Run, rewardModel = judge(1)) => ({
  learner: of.learner,
  tokenizer: of.tokenizer,
  rewardModel,
  weights: rewardModelConfig(of.config),
})
const opened = (of: Run) =>
  openEvaluation(deps(of), of.heldOut, { count: 8, maxNewTokens: of.config.live.maxNewTokens })
const at = (step: number) => ({ step, tolerance: 0.02, now: () => 1_000 * step })
/** One update towards the answers that begin with a token of an even id. */
async function learnSomething(of: Run): Promise<void> {
  const prompts = of.prompts.draw(0, 4, 1)
  const sampled = await of.learner.sample(prompts.map(of.tokenizer.encodePrompt), { seeds: [1, 2, 3, 4] })
  const rollouts = sampled.map((sample, i) => ({ ...sample, sampleId: `${i}`, prompt: prompts[i]!, response: '' }))
  await of.learner.update(rollouts, [2, -2, 1, -1])
}

describe('an evaluation', () => {
  test('asks prompts that the run never draws', async () => {
    const { prompts } = await opened(run)
    expect(prompts).toEqual(run.heldOut.slice(0, 8))
    const drawn = new Set(run.prompts.draw(0, run.prompts.size, 5))
    expect(drawn.size + new Set(run.heldOut).size).toBe(800)
    expect(run.heldOut.filter((prompt) => drawn.has(prompt))).toEqual([])
  })

  test('of the first weights finds the reference itself; the same prompts and seeds serve every run of the model', async () => {
    const [mine, theirs] = [await opened(run), await opened(other)]
    expect(theirs).toEqual(mine)
    const { evaluation, state } = await evaluate(deps(run), mine, at(0))
    expect(evaluation).toMatchObject({ step: 0, policyVersion: 0, against: null, regressed: false })
    expect(evaluation.metrics).toMatchObject({ 'eval/win_rate': 0.5, 'eval/prompts': 8, 'eval/seconds': 0 })
    expect(evaluation.metrics['eval/kl']).toBeCloseTo(0, 4)
    expect(evaluation.answers.map(({ answer }) => answer)).toEqual(mine.reference?.texts)
    expect(state.best).toEqual(mine.reference)
  })

  test('reports the documented metrics, each finite, and leaves the run as it was', async () => {
    const before = await run.learner.exportState()
    const first = await evaluate(deps(run), await opened(run), at(0))
    const { evaluation } = await evaluate(deps(run), first.state, at(20))
    expect(await run.learner.exportState()).toEqual(before)
    expect(Object.keys(evaluation.metrics).sort()).toEqual(Object.keys(EVALUATION_METRICS).sort())
    for (const [name, value] of Object.entries(evaluation.metrics)) expect(Number.isFinite(value), name).toBe(true)
    expect(Object.keys(evaluation.heads)).toEqual(['rating', 'compassion'])
    // Twice the same weights: no answer differs.
    expect(evaluation.against).toEqual({ step: 0, difference: 0, error: 0 })
  })

  test('compares by one reward model, and keeps the best', async () => {
    const first = await evaluate(deps(run), await opened(run), at(0))
    await learnSomething(run)
    const [likes, dislikes] = [judge(1), judge(-1)]
    const up = await evaluate(deps(run, likes), first.state, at(20))
    const down = await evaluate(deps(run, dislikes), first.state, at(20))
    const difference = (evaluation: Evaluation) => evaluation.against!.difference
    expect(difference(up.evaluation)).not.toBe(0)
    expect(difference(up.evaluation)).toBeCloseTo(-difference(down.evaluation), 9)
    expect([up, down].map(({ state }) => state.best!.step).sort()).toEqual([0, 20])
    expect(up.evaluation.metrics['eval/win_rate']! + down.evaluation.metrics['eval/win_rate']!).toBeCloseTo(1, 12)
  })

  test('survives a checkpoint; a run that has learnt already has no reference’s answers to compare with', async () => {
    const state = await opened(other)
    const { json, arrays } = exportEvaluation(state)
    const read = importEvaluation(SavedEvaluation.parse(JSON.parse(JSON.stringify(json))), arrays)
    expect(read).toEqual(state)
    await learnSomething(other)
    const late = await opened(other)
    expect(late).toMatchObject({ reference: null, best: null })
    const { evaluation } = await evaluate(deps(other), late, at(20))
    expect(evaluation.metrics).not.toHaveProperty('eval/win_rate')
    expect(evaluation.answers[0]?.reference).toBeNull()
  })

  test('is due at the beginning and after every so many steps, or never', () => {
    expect([0, 1, 19, 20, 40].map((step) => isDue(step, 20))).toEqual([true, false, false, true, true])
    expect(isDue(0, 0)).toBe(false)
  })

  test('of a single prompt is none', async () => {
    await expect(evaluate(deps(run), { prompts: ['Hi'], reference: null, best: null }, at(1))).rejects.toThrow(
      'an evaluation needs two prompts, and there are 1',
    )
  })
})

describe('a run', () => {
  const clock = { now: () => 0 }

  test('without held-out prompts, or without evaluations, is not evaluated', async () => {
    expect(await beginEvaluating({ ...run, heldOut: [] })).toBeNull()
    const never = { ...run.config, evaluation: { ...run.config.evaluation, every: 0 } }
    expect(await beginEvaluating({ ...run, config: never })).toBeNull()
  })

  test('behind the gate says which weights answer, and why', async () => {
    const config = { ...run.config, evaluation: { ...run.config.evaluation, gate: true, tolerance: 0 } }
    const begun = await beginEvaluating({ ...run, config })
    const first = await evaluateRun({ ...run, config }, begun!, { step: 20, behind: [], ...clock })
    expect(first).toMatchObject({ warning: null, evaluation: { sessionId: 'evaluated', shows: 20, regressed: false } })
    // Everything that the best evaluation answered is worth more now, as if people had come to like just that.
    const best = new Set(first.state.best!.features.map((row) => row[0]!))
    const prices = {
      heads: ['rating', 'compassion'],
      predict: likes((features) => (best.has(features[0]!) ? 0.9 : 0.1)),
    }
    await learnSomething(run)
    await learnSomething(run)
    const judged = { ...run, config, rewardModel: { ...run.rewardModel, ...prices } }
    const { evaluation, warning } = await evaluateRun(judged, first.state, {
      step: 40,
      behind: [first.evaluation],
      ...clock,
    })
    expect(evaluation).toMatchObject({ step: 40, regressed: true, shows: 20, against: { step: 20 } })
    expect(warning).toMatchObject({
      kind: 'regression',
      message: expect.stringMatching(/the weights of step 20 answer\.$/),
    })
  })

  test('shows the held weights while it trains on, which stay as they are', async () => {
    const weights = openShownWeights(run.learner)
    const sampled = async () => {
      const prompts = run.heldOut.slice(0, 4).map(run.tokenizer.encodePrompt)
      return (await run.learner.sample(prompts, { seeds: [1, 2, 3, 4] })).map(({ logprobs, policyVersion }) => ({
        policyVersion,
        logprobs,
      }))
    }
    const good = await sampled()
    await weights.hold(20)
    await learnSomething(run)
    const current = await run.learner.exportState()
    expect(await weights.answering(20, sampled)).toEqual(good)
    expect(await run.learner.exportState()).toEqual(current)
    expect(await weights.answering(40, sampled)).not.toEqual(good)
    await expect(weights.answering(20, () => Promise.reject(new Error('away')))).rejects.toThrow('away')
    expect(await run.learner.exportState()).toEqual(current)
  })
})
