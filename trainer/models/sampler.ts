/**
 * Batched autoregressive sampling with a KV cache.
 *
 * A token's log-probability is under the model's distribution at the sampling
 * temperature, untruncated: log softmax(logits / temperature)[token]. Top-k
 * and top-p narrow the choice alone, so PPO's ratio starts at one. At
 * temperature 0 the likeliest token is taken and its log-probability is the one
 * at temperature 1.
 *
 * The n-th token of a sequence is drawn with the n-th number of its own seed's
 * stream, whatever is drawn beside it in the batch. The same batch gives the same
 * bits; another batch's shape may round a log-probability's last bit differently.
 */
import type { Engine, Program } from '../engines/engine.ts'
import { drawToken, greedyToken } from './choose.ts'
import type { Architecture, HeldModel } from './architecture.ts'
import { cacheStates, decodeGraph, prefillGraph, type DecodingShape } from './decoding.ts'
import { checkIds } from './forward.ts'
import { uniformAt } from './random.ts'

export interface SamplingRequest {
  /** One or more tokens each, of differing lengths. */
  prompts: readonly ArrayLike<number>[]
  /** One seed a prompt. */
  seeds: readonly number[]
  /** Fewer are drawn where a sequence ends, or fills the model's context. */
  maxNewTokens: number
  temperature: number
  topK?: number
  topP?: number
  /** A sequence ends with the first of these tokens, which is part of it. */
  stopTokens: readonly number[]
  /** Called for every token as it is drawn; `index` is the prompt's, `position` counts the new tokens from 0. */
  onToken?: (index: number, token: number, position: number) => void
  /** Sampling rejects with the signal's reason before the next token. */
  signal?: AbortSignal
}

export interface Sample {
  /** New tokens, the end token included. */
  tokens: Int32Array
  logProbs: Float32Array
  finish: 'eos' | 'length'
}

export interface Sampler {
  /** Samples all prompts as one batch. The event loop runs between tokens. One call at a time. */
  sample(request: SamplingRequest): Promise<Sample[]>
  /** Frees the compiled graphs and the caches. */
  close(): Promise<void>
}

/** Prompts and windows are rounded up to multiples of this, so that few graphs are compiled. */
const granularity = 16
/** Compiled shapes kept; the one unused longest goes first. */
const maxShapes = 6

interface Compiled { shape: DecodingShape; prefill: Program; decode: Program }

/** Samples from the weights that the engine holds. */
export function openSampler(engine: Engine, model: HeldModel): Sampler {
  const { architecture } = model
  const compiled = new Map<string, Compiled>()
  let busy = false
  return {
    async sample(request) {
      if (busy) throw new Error('sample: a batch is being sampled already')
      busy = true
      try {
        return await sampleBatch(await programsFor(shapeOf(request, architecture)), request, architecture)
      } finally {
        busy = false
      }
    },
    async close() {
      for (const entry of compiled.values()) await free(entry)
      compiled.clear()
    },
  }

  async function programsFor(shape: DecodingShape): Promise<Compiled> {
    const key = `${shape.batch} ${shape.prompt} ${shape.window}`
    const entry = compiled.get(key) ?? {
      shape,
      prefill: await engine.compile(prefillGraph(model, shape)),
      decode: await engine.compile(decodeGraph(model, shape)),
    }
    compiled.delete(key)
    compiled.set(key, entry) // the last is the one used last
    const [oldest] = compiled
    if (oldest && compiled.size > maxShapes) {
      compiled.delete(oldest[0])
      await free(oldest[1])
    }
    const cache = cacheStates(architecture, shape)
    // What a diverged model left behind must not reach this batch: 0 · NaN is NaN.
    for (const name of cache.names) engine.states.zero(name, cache.shape)
    return entry
  }

  async function free({ shape, prefill, decode }: Compiled): Promise<void> {
    await prefill.dispose()
    await decode.dispose()
    for (const name of cacheStates(architecture, shape).names) if (engine.states.has(name)) engine.states.delete(name)
  }
}

async function sampleBatch({ shape, prefill, decode }: Compiled, request: SamplingRequest, { context, vocabSize }: Architecture): Promise<Sample[]> {
  const { prompts, signal, temperature } = request
  const rows = prompts.map((prompt, index) => openRow(request, index, Math.min(request.maxNewTokens, context - prompt.length)))
  const scale = { inverseTemperature: temperature === 0 ? 1 : 1 / temperature }
  const ids = new Int32Array(shape.batch * shape.prompt)
  prompts.forEach((prompt, i) => ids.set(Int32Array.from(prompt), i * shape.prompt))
  signal?.throwIfAborted()
  let outputs = await prefill.run({ ids, last: prompts.map((prompt, i) => i * shape.prompt + prompt.length - 1), ...scale })
  for (;;) {
    const probabilities = outputs.float32('probabilities') // [B, V]
    rows.forEach((row, i) => row.take(probabilities.subarray(i * vocabSize, (i + 1) * vocabSize)))
    if (rows.every(row => row.done())) return rows.map(row => row.sample())
    signal?.throwIfAborted()
    // A finished sequence repeats its last token in its last place, where nobody reads it.
    outputs = await decode.run({ ids: rows.map(row => row.lastToken()), positions: rows.map(row => row.lastPosition()), ...scale })
  }
}

/** One sequence as it grows. */
function openRow({ prompts, seeds, temperature, topK = 0, topP = 1, stopTokens, onToken }: SamplingRequest, index: number, limit: number) {
  const promptLength = prompts[index]?.length ?? 0
  const seed = seeds[index] ?? 0
  const tokens: number[] = []
  const logProbs: number[] = []
  const ended = (): boolean => stopTokens.includes(tokens.at(-1) ?? -1)
  const done = (): boolean => ended() || tokens.length >= limit
  return {
    done,
    /** Draws the next token from probabilities [V], unless the sequence is done. */
    take(probabilities: Float32Array): void {
      if (done()) return
      const token = temperature === 0 ? greedyToken(probabilities) : drawToken(probabilities, uniformAt(seed, tokens.length), { topK, topP })
      logProbs.push(Math.log(probabilities[token] ?? 0))
      tokens.push(token)
      onToken?.(index, token, tokens.length - 1)
    },
    lastToken: () => tokens.at(-1) ?? 0,
    lastPosition: () => promptLength + tokens.length - 1,
    sample: (): Sample => ({ tokens: Int32Array.from(tokens), logProbs: Float32Array.from(logProbs), finish: ended() ? 'eos' : 'length' }),
  }
}

function shapeOf({ prompts, seeds, maxNewTokens, temperature }: SamplingRequest, architecture: Architecture): DecodingShape {
  const { context } = architecture
  if (prompts.length === 0) throw new Error('sample: no prompts')
  if (seeds.length !== prompts.length) throw new Error(`sample: ${prompts.length} prompts and ${seeds.length} seeds`)
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) throw new Error(`sample: maxNewTokens is ${maxNewTokens}`)
  if (!(temperature >= 0 && temperature < Infinity)) throw new Error(`sample: temperature is ${temperature}`)
  prompts.forEach((prompt, i) => {
    checkIds(architecture, prompt, `sample: prompt ${i}`)
    if (prompt.length === context) throw new Error(`sample: prompt ${i} has ${context} tokens, which leaves the model's context of ${context} no room for more`)
  })
  const longest = Math.max(...prompts.map(prompt => prompt.length))
  const round = (size: number): number => Math.min(context, Math.ceil(size / granularity) * granularity)
  return { batch: prompts.length, prompt: round(longest), window: round(longest + maxNewTokens) }
}
