import { afterAll, beforeAll, expect, it } from 'vitest'
import { openEvaluator, type Evaluator } from '../../scripts/study/evaluate.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { exportRun, openRun } from '../../trainer/loop/run-state.ts'

const modelDir = 'models/demo'
let evaluator: Evaluator
beforeAll(async () => {
  evaluator = await openEvaluator({
    modelDir,
    temperature: 0.7,
    maxNewTokens: 24,
    seed: 1,
    prompts: 4,
    answersPerPrompt: 1,
  })
})
afterAll(() => evaluator.close())

it('a run’s checkpoint is judged by the policy that it holds: one that has learnt nothing answers as the base does', async () => {
  const run = await openRun({
    sessionId: 'new',
    config: TrainingConfig.parse({ live: { maxNewTokens: 24 } }),
    modelDir,
    saved: null,
  })
  const checkpoint = await exportRun(run)
  await run.close()
  const base = await evaluator.evaluate('base')
  expect(await evaluator.evaluate(checkpoint)).toEqual(base)
  expect(Math.abs(base.kl)).toBeLessThan(0.01)

  // … and one that has changed doesn't.
  const changed = new Map(
    [...checkpoint.tensors].map(([name, tensor]) => [
      name,
      name.endsWith('mlp.c_fc.weight') ? { ...tensor, data: Float32Array.from(tensor.data, (x) => 0.5 * x) } : tensor,
    ]),
  )
  expect((await evaluator.evaluate({ ...checkpoint, tensors: changed })).kl).toBeGreaterThan(1)
})
