import { readFileSync, statSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answers, statistics } from '../../scripts/pretrain/answers.ts'
import { heldOutPrompts } from '../../scripts/pretrain/prompts.ts'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { loadWeights, readModel, type Model } from '../../lm/files/directory.ts'

const demo = fileURLToPath(new URL('../../models/demo', import.meta.url))
const read = (name: string): object => JSON.parse(readFileSync(join(demo, name), 'utf8')) as object

describe('the committed demo model', () => {
  const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'))
  let engine: Engine
  let model: Model

  beforeAll(async () => {
    engine = await openOnnx()
    model = await readModel(demo)
    loadWeights(engine.states, model)
  })
  afterAll(() => engine.close())

  it('takes at most 10 MB', () => {
    const bytes = readdirSync(demo).reduce((sum, name) => sum + statSync(join(demo, name)).size, 0)
    expect(bytes).toBeLessThan(10e6)
  })

  it('answers prompts it has not seen readably, on topic, in mixed tones around one half', async () => {
    const { temperature } = z.object({ temperature: z.number() }).parse(read('generation_config.json'))
    const given = await answers(heldOutPrompts(11, 64), { engine, model, tokenizer, temperature, seed: 11 })
    const { readable, compassion, compassionDeviation } = statistics(given)
    expect(readable).toBeGreaterThanOrEqual(0.9)
    expect(compassion).toBeGreaterThan(0.4)
    expect(compassion).toBeLessThan(0.65)
    expect(compassionDeviation).toBeGreaterThan(0.2)
  })

  it('answers readably when it always says the likeliest word', async () => {
    const given = await answers(heldOutPrompts(12, 32), { engine, model, tokenizer, temperature: 0, seed: 12 })
    expect(statistics(given).readable).toBeGreaterThanOrEqual(0.85)
  })
})
