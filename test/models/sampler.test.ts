import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileURLToPath } from 'node:url'
import { Graph, logSoftmax, mul } from '../../lm/graph/index.ts'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { loadWeights, readModel, type Model } from '../../lm/files/directory.ts'
import { hiddenStates, nextLogits, tokenFeeds, tokenInputs } from '../../lm/architectures/forward.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import { openSampler, type Sample, type Sampler } from '../../lm/sampling/sampler.ts'

// See test/fixtures/README.md.
const directory = fileURLToPath(new URL('../fixtures/gpt2-tiny', import.meta.url))
let engine: Engine
let model: Model
let sampler: Sampler

beforeAll(async () => {
  engine = await openOnnx()
  model = await readModel(directory)
  loadWeights(engine.states, model)
  sampler = openSampler(engine, model)
})
afterAll(async () => {
  await sampler.close()
  await engine.close()
})

const prompts = [[5], [7, 9, 11, 2, 4, 100, 198], [3, 3, 3], Array.from({ length: 19 }, (_, i) => i * 10)]
const request = { prompts, seeds: [1, 2, 3, 4], maxNewTokens: 14, temperature: 0.8, stopTokens: [] }

describe('sampling', () => {
  test('a greedy continuation through the cache is the one transformers gives', async () => {
    const expected = await openSafetensors(`${directory}/expected.safetensors`)
    const {
      shape: [batch = 0, length = 0],
      data,
    } = expected.int32('greedy')
    const rows = Array.from({ length: batch }, (_, i) => Array.from(data.subarray(i * length, (i + 1) * length)))
    const samples = await sampler.sample({
      ...request,
      prompts: rows.map((row) => row.slice(0, 6)),
      maxNewTokens: length - 6,
      temperature: 0,
    })
    expect(samples.map((sample) => Array.from(sample.tokens))).toEqual(rows.map((row) => row.slice(6)))
  })

  test('a log-probability through the cache is the one that a full forward pass gives, untruncated', async () => {
    const samples = await sampler.sample({ ...request, topK: 20, topP: 0.9 })
    const full = await fullLogProbs(samples, request.temperature)
    samples.forEach((sample, i) => {
      expect(sample.tokens.length).toBe(14)
      sample.logProbs.forEach((value, t) => expect(Math.abs(value - (full[i]?.[t] ?? NaN))).toBeLessThan(1e-4))
    })
  })

  test('the same seeds give the same tokens and log-probabilities bit for bit', async () => {
    const [first, again] = [await sampler.sample(request), await sampler.sample(request)]
    expect(again).toEqual(first)
    const other = await sampler.sample({ ...request, seeds: [5, 6, 7, 8] })
    expect(other).not.toEqual(first)
  })

  test('a sequence ends at the end token, and its neighbours go on unchanged', async () => {
    const free = await sampler.sample(request)
    const eosToken = free[1]?.tokens[4] ?? -1
    const ended = await sampler.sample({ ...request, stopTokens: [eosToken] })
    ended.forEach((sample, i) => {
      const whole = Array.from(free[i]?.tokens ?? [])
      const end = whole.indexOf(eosToken)
      expect(Array.from(sample.tokens)).toEqual(end < 0 ? whole : whole.slice(0, end + 1))
      expect(sample.finish).toBe(end < 0 ? 'length' : 'eos')
    })
  })

  test('sequences that have ended leave the batch, and the others go on unchanged in a smaller one', async () => {
    const many = Array.from({ length: 40 }, (_, i) => prompts[i % 4] ?? [])
    const wide = { ...request, prompts: many, seeds: many.map((_, i) => i), temperature: 1.5 }
    const free = await sampler.sample(wide)
    const stopTokens = Array.from({ length: 40 }, (_, i) => 5 * i)
    const sizes = new Set<string | undefined>()
    const ended = await sampler.sample({
      ...wide,
      stopTokens,
      onToken: () => sizes.add(engine.states.names('cache/')[0]?.match(/\d+x/)?.[0]),
    })
    expect([...sizes].slice(0, 2)).toEqual(['40x', '20x'])
    ended.forEach((sample, i) => {
      const whole = Array.from(free[i]?.tokens ?? [])
      const end = whole.findIndex((token) => stopTokens.includes(token))
      expect(Array.from(sample.tokens)).toEqual(end < 0 ? whole : whole.slice(0, end + 1))
      sample.logProbs.forEach((value, t) => expect(Math.abs(value - (free[i]?.logProbs[t] ?? NaN))).toBeLessThan(1e-5))
    })
  })

  test('the cache grows with its sequences, and what they have said is carried over', async () => {
    const windows = new Set<string | undefined>()
    const long = { ...request, maxNewTokens: 40, repetitionPenalty: 1.3 }
    const samples = await sampler.sample({
      ...long,
      onToken: () => windows.add(engine.states.names('cache/')[0]?.match(/x\d+/)?.[0]),
    })
    expect([...windows]).toEqual(['x32', 'x48', 'x64'])
    const full = await fullLogProbs(samples, request.temperature)
    samples.forEach((sample, i) =>
      sample.logProbs.forEach((value, t) => expect(Math.abs(value - (full[i]?.[t] ?? NaN))).toBeLessThan(1e-4)),
    )
  })

  test("a repetition penalty bears on the choice alone: log-probabilities stay the model's own", async () => {
    const samples = await sampler.sample({ ...request, repetitionPenalty: 1.5 })
    const full = await fullLogProbs(samples, request.temperature)
    samples.forEach((sample, i) =>
      sample.logProbs.forEach((value, t) => expect(Math.abs(value - (full[i]?.[t] ?? NaN))).toBeLessThan(1e-4)),
    )
    expect(samples).not.toEqual(await sampler.sample(request))
    const banned = await sampler.sample({ ...request, repetitionPenalty: 1e6, temperature: 0 })
    banned.forEach(({ tokens }, i) =>
      expect(new Set([...tokens, ...(prompts[i] ?? [])]).size).toBe(tokens.length + new Set(prompts[i]).size),
    )
  })

  test('two batches of the same weights cannot be decoded at once', async () => {
    const other = openSampler(engine, model)
    const both = await Promise.allSettled([sampler.sample(request), other.sample(request)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find((result) => result.status === 'rejected')).toMatchObject({
      reason: { message: expect.stringContaining('another batch of these weights is being decoded') },
    })
    const twice = await Promise.allSettled([sampler.sample(request), sampler.sample(request)])
    expect(twice[1]).toMatchObject({ reason: { message: 'sample: a batch is already being sampled' } })
    await other.close()
  })

  test('every token is announced once, in order, as it is drawn', async () => {
    const heard: number[][] = prompts.map(() => [])
    const samples = await sampler.sample({
      ...request,
      onToken(index, token, position) {
        expect(position).toBe(heard[index]?.length)
        heard[index]?.push(token)
      },
    })
    expect(heard).toEqual(samples.map((sample) => Array.from(sample.tokens)))
  })

  test('sampling stops at the context, however many tokens were asked for', async () => {
    const [sample] = await sampler.sample({
      ...request,
      prompts: [Array.from({ length: 60 }, () => 1)],
      seeds: [1],
      maxNewTokens: 30,
    })
    expect(sample?.tokens.length).toBe(model.architecture.context - 60)
  })

  test('an abort stops sampling before the next token, and the sampler stays usable', async () => {
    const controller = new AbortController()
    let tokens = 0
    const sampling = sampler.sample({
      ...request,
      signal: controller.signal,
      onToken() {
        tokens++
        if (tokens === 8) controller.abort(new Error('paused'))
      },
    })
    await expect(sampling).rejects.toThrow('paused')
    expect(tokens).toBe(8)
    expect(await sampler.sample(request)).toHaveLength(4)
  })

  test('the event loop runs between tokens', async () => {
    let turns = 0
    let running = true
    const turn = (): void => {
      turns++
      if (running) setImmediate(turn)
    }
    turn()
    const turnsAtToken: number[] = []
    await sampler.sample({
      ...request,
      onToken(index) {
        if (index === 0) turnsAtToken.push(turns)
      },
    })
    running = false
    expect(turnsAtToken).toHaveLength(request.maxNewTokens)
    expect(new Set(turnsAtToken).size).toBe(request.maxNewTokens)
  })

  test('sampled first tokens are distributed as the softmax says', async () => {
    const [, prompt = []] = prompts
    const count = 4096
    const [logProbs] = await fullRows([prompt], 1)
    const probabilities = Float64Array.from(logProbs?.at(-1) ?? [], Math.exp)
    const samples = await sampler.sample({
      ...request,
      prompts: Array.from({ length: count }, () => prompt),
      seeds: Array.from({ length: count }, (_, i) => i),
      maxNewTokens: 1,
      temperature: 1,
    })
    const counts = new Float64Array(probabilities.length)
    for (const {
      tokens: [token = -1],
    } of samples)
      counts[token] = (counts[token] ?? 0) + 1
    // Pearson's statistic has mean k-1 and variance 2(k-1); six deviations leave no chance of a false alarm.
    const statistic = probabilities.reduce((sum, p, i) => sum + ((counts[i] ?? 0) - count * p) ** 2 / (count * p), 0)
    const freedom = probabilities.length - 1
    expect(Math.abs(statistic - freedom)).toBeLessThan(6 * Math.sqrt(2 * freedom))
  })

  test('no cache outlives its batch, so what a diverged model left in one reaches no other', async () => {
    const before = await sampler.sample(request)
    expect(engine.states.names('cache/')).toEqual([])
    const controller = new AbortController()
    const aborted = sampler.sample({
      ...request,
      signal: controller.signal,
      onToken: () => controller.abort(new Error('paused')),
    })
    await expect(aborted).rejects.toThrow('paused')
    expect(engine.states.names('cache/')).toEqual([])
    expect(await sampler.sample(request)).toEqual(before)
  })

  test('the engine holds no more after 100 batches than after one', async () => {
    const short = { ...request, maxNewTokens: 2 }
    await sampler.sample(short)
    const { bytes } = engine.states
    const names = engine.states.names()
    for (let i = 0; i < 100; i++) await sampler.sample(short)
    expect(engine.states.bytes).toBe(bytes)
    expect(engine.states.names()).toEqual(names)
  })

  test.each([
    ['no prompts', { prompts: [], seeds: [] }, 'no prompts'],
    ['an empty prompt', { prompts: [[]], seeds: [1] }, 'prompt 0 has 0 tokens'],
    [
      'a prompt that fills the context',
      { prompts: [new Int32Array(64)], seeds: [1] },
      'prompt 0 has 64 tokens, which leaves',
    ],
    ['a token beyond the vocabulary', { prompts: [[199]], seeds: [1] }, 'prompt 0 holds 199, which is no token of 199'],
    ['a seed too few', { seeds: [1] }, '4 prompts and 1 seeds'],
    ['a repetition penalty of nothing', { repetitionPenalty: 0 }, 'repetitionPenalty is 0'],
    ['a negative temperature', { temperature: -1 }, 'temperature is -1'],
  ])('%s is refused by name', async (_, change, message) => {
    await expect(sampler.sample({ ...request, ...change })).rejects.toThrow(message)
  })
})

/** Log-probabilities of the sampled tokens by one forward pass over prompt and sample. */
async function fullLogProbs(samples: readonly Sample[], temperature: number): Promise<number[][]> {
  const rows = prompts.map((prompt, i) => [...prompt, ...(samples[i]?.tokens ?? [])])
  const all = await fullRows(rows, temperature)
  return samples.map(({ tokens }, i) =>
    Array.from(tokens, (token, t) => all[i]?.[(prompts[i]?.length ?? 0) - 1 + t]?.[token] ?? NaN),
  )
}

/** Every position's log-probabilities, of left-padded rows. */
async function fullRows(rows: readonly (readonly number[])[], temperature: number): Promise<Float32Array[][]> {
  const { vocabSize } = model.architecture
  const length = Math.max(...rows.map((row) => row.length))
  const padding = rows.map((row) => length - row.length)
  const ids = Int32Array.from(rows.flatMap((row, i) => [...Array.from({ length: padding[i] ?? 0 }, () => 0), ...row]))
  const mask = Int32Array.from(padding.flatMap((before) => Array.from({ length }, (_, t) => (t < before ? 0 : 1))))
  const graph = new Graph()
  const scale = graph.input('scale', [])
  const logits = nextLogits(graph, model, hiddenStates(graph, model, tokenInputs(graph, rows.length, length)))
  graph.output('logProbs', logSoftmax(mul(logits, scale)))
  const program = await engine.compile(graph)
  const values = (await program.run({ ...tokenFeeds(ids, mask, length), scale: 1 / temperature })).float32('logProbs')
  await program.dispose()
  return rows.map((row, i) =>
    row.map((_, t) => {
      const at = (i * length + (padding[i] ?? 0) + t) * vocabSize
      return values.slice(at, at + vocabSize)
    }),
  )
}
