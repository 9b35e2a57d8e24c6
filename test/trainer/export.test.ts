/** What a run has learnt, as a model of its own. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { writeLearntModel } from '../../trainer/loop/export.ts'
import { describeModel } from '../../lm/files/describe.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import { logWorld, openLog, twoPeople } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-learnt-'))
  for (const family of ['llama', 'gpt2'] as const) await writeTinyModel(join(dir, family), family)
})
afterAll(() => rm(dir, { recursive: true }))

// GPT-2's projections are held the other way round than they are stored.
const projections = { llama: 'model.layers.0.self_attn.q_proj', gpt2: 'transformer.h.0.attn.c_attn' } as const
const runs = (['llama', 'gpt2'] as const).flatMap((family) => [
  { family, trained: 'the whole model', rank: 0 },
  { family, trained: 'adapters', rank: 2 },
])

describe.each(runs)('of a run that trains $trained of $family', ({ family, rank }) => {
  const config = TrainingConfig.parse({ ...tinyRun, epochs: 2, loraConfig: { rank } })

  it('the kept model is the policy to the bit, with the base’s tokenizer and prompts', async () => {
    const baseDir = join(dir, family)
    const [checkpoints, kept] = [join(dir, `run-${family}-${rank}`), join(dir, `kept-${family}-${rank}`)]
    const store = openCheckpoints(checkpoints)
    const log = openLog()
    const run = await openRun({
      sessionId: 'learnt',
      config,
      modelDir: baseDir,
      saved: null,
      engine: await openOnnx({ threads: 1 }),
    })
    await trainLive(run, logWorld(log, { store, people: twoPeople(config.epochs) }))
    const policy = await run.learner.policyWeights()
    await run.close()

    const hash = log.checkpoints.at(-1)?.hash ?? ''
    await writeLearntModel(kept, { checkpoints, hash, config, baseDir, baseName: 'maker/base' })
    const [before, after] = [await readModel(baseDir), await readModel(kept)]
    for (const name of before.architecture.parameters.keys())
      expect(after.weights.get(name)?.data, name).toEqual(policy.get(name)?.data)
    const projection = projections[family]
    expect(after.weights.get(`${projection}.weight`)?.data).not.toEqual(
      before.weights.get(`${projection}.weight`)?.data,
    )
    expect(await describeModel(kept)).toMatchObject({
      family,
      prompts: (await describeModel(baseDir)).prompts,
      tokenizer: { chatTemplate: true },
    })

    if (rank === 0) return expect(await readdir(kept)).not.toContain('adapters')
    expect(JSON.parse(await readFile(join(kept, 'adapters', 'adapter_config.json'), 'utf8'))).toMatchObject({
      r: rank,
      base_model_name_or_path: 'maker/base',
    })
    expect((await openSafetensors(join(kept, 'adapters', 'adapter_model.safetensors'))).names).toContain(
      `base_model.model.${projection}.lora_A.weight`,
    )
  })
})

it('a checkpoint that was pruned is an error that says so', async () => {
  const config = TrainingConfig.parse({})
  await expect(
    writeLearntModel(join(dir, 'none'), {
      checkpoints: dir,
      hash: 'gone',
      config,
      baseDir: join(dir, 'gpt2'),
      baseName: 'base',
    }),
  ).rejects.toMatchObject({ code: 'ENOENT' })
})
