/** The live loop by each algorithm, with adapters, and in float16. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import { groupSizeOf, ownConfig } from '../../core/protocol/index.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import type { Precision } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { metricsBy } from '../../trainer/rl/metrics.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import { Interrupted } from '../../trainer/loop/world.ts'
import { killed, logWorld, openLog, twoPeople, type RunLog } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-algorithms-'))
  await writeTinyModel(join(dir, 'gpt2'))
  await writeTinyModel(join(dir, 'llama'), 'llama')
})
afterAll(() => rm(dir, { recursive: true }))

type Family = 'gpt2' | 'llama'
interface Kind {
  family: Family
  precision: Precision
}

/** One life of a run, from its last checkpoint on; killed when it comes to the `dies`-th step's votes. */
async function live({ family, precision }: Kind, config: TrainingConfig, log: RunLog, dies = Infinity): Promise<void> {
  const store = openCheckpoints(join(dir, 'run'))
  const last = log.checkpoints.at(-1)
  const saved = last ? await store.load(last.hash) : null
  const run = await openRun({
    sessionId: 'algorithms',
    config,
    modelDir: join(dir, family),
    saved,
    engine: await openOnnx({ threads: 1, precision }),
  })
  let learning = 0
  const fault = (call: string): void => {
    if (call === 'recorded' && ++learning === dies) throw killed()
  }
  try {
    await trainLive(run, logWorld(log, { store, fault, people: twoPeople(config.epochs) }))
  } finally {
    await run.close()
  }
}

const overrides: Record<string, TrainingConfigInput & Partial<Kind>> = {
  'PPO of a Llama model': { family: 'llama' },
  'PPO of a Llama model with adapters': { family: 'llama', loraConfig: { rank: 2 } },
  GRPO: { algorithm: 'grpo', grpoConfig: { groupSize: 2 } },
  DPO: { algorithm: 'dpo', dpoConfig: { groupSize: 2 } },
  'PPO with adapters': { loraConfig: { rank: 2 } },
  'PPO in float16': { precision: 'float16' },
  'GRPO of a Llama model with adapters in float16, in parts': {
    ...{
      precision: 'float16',
      family: 'llama',
      algorithm: 'grpo',
      grpoConfig: { groupSize: 2 },
      loraConfig: { rank: 2 },
    },
    gradientAccumulationSteps: 2,
  },
  'DPO with adapters, in parts': {
    algorithm: 'dpo',
    dpoConfig: { groupSize: 4 },
    loraConfig: { rank: 2 },
    ppoConfig: { miniBatchSize: 4 },
    gradientAccumulationSteps: 2,
  },
}

describe.each(Object.entries(overrides))(
  'a run by %s',
  (_, { family = 'gpt2', precision = 'float32', ...override }) => {
    const kind: Kind = { family, precision }
    const config = TrainingConfig.parse({
      ...tinyRun,
      epochs: 3,
      ...override,
      ppoConfig: { ...tinyRun.ppoConfig, ...override.ppoConfig },
    })

    it('asks each prompt as often as it compares answers, reports its metrics, and resumes to the bit', async () => {
      const whole = openLog()
      await live(kind, config, whole)
      expect(whole.steps.map(({ step }) => step)).toEqual([1, 2, 3])
      const names = [
        ...Object.keys(metricsBy(config.algorithm)),
        ...(precision === 'float16' ? ['loss_scale', 'overflows'] : []),
      ]
      for (const { metrics } of whole.steps)
        for (const name of names) expect(Number.isFinite(metrics[name]), name).toBe(true)

      const asked = [...whole.samples.values()].map(({ prompt }) => prompt)
      const size = groupSizeOf(config.algorithm, ownConfig(config))
      expect(asked.length).toBeGreaterThan(4)
      asked.forEach((prompt, i) => expect(prompt).toBe(asked[i - (i % size)]))
      const votes = whole.steps.flatMap(({ receipts }) => receipts).filter(({ advantage }) => advantage !== null)
      expect(votes.length).toBeGreaterThan(0)

      const resumed = openLog()
      await expect(live(kind, config, resumed, 2)).rejects.toThrow(Interrupted)
      expect(resumed.steps).toHaveLength(1)
      await live(kind, config, resumed)
      expect(resumed.steps.map(({ digest }) => digest)).toEqual(whole.steps.map(({ digest }) => digest))
      expect(resumed.checkpoints.at(-1)).toEqual(whole.checkpoints.at(-1))
    })
  },
)
