/**
 * Batched autoregressive sampling with a KV cache.
 *
 * A token's log-probability is under the model's distribution at the sampling
 * temperature, untruncated: log softmax(logits / temperature)[token]. Top-k,
 * top-p and the repetition penalty affect only the choice, so PPO's ratio starts at one. At
 * temperature 0 the likeliest token is taken and its log-probability is the one
 * at temperature 1.
 *
 * Finished sequences leave the batch: once the others fit into half of it, it shrinks.
 *
 * The n-th token of a sequence is drawn with the n-th number of its own seed's
 * stream, whatever else is in the batch. The same batch gives the same
 * bits; another batch's shape may round a log-probability's last bit differently.
 */
import type { Engine } from '../engines/engine.ts'
import type { Architecture, HeldModel } from '../architectures/architecture.ts'
import { drawToken, greedyToken } from './token-choice.ts'
import { openDecoder, type Decoder } from './decoder.ts'
import { checkIds } from '../architectures/forward.ts'
import { uniformAt } from './random.ts'

export interface SamplingRequest {
  /** One or more tokens each, of differing lengths. */
  prompts: readonly ArrayLike<number>[]
  /** One seed a prompt. */
  seeds: readonly number[]
  /** A sequence may end earlier, or fill the model's context. */
  maxNewTokens: number
  temperature: number
  topK?: number
  topP?: number
  /** Above 1, tokens that a sequence or its prompt holds become less likely; 1 by default. */
  repetitionPenalty?: number
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
  /** Frees the compiled graphs. */
  close(): Promise<void>
}

/** The smallest batch: below it a step's time hardly depends on the size. */
const leastBatch = 8

/** Samples from the weights that the engine holds. */
export function openSampler(engine: Engine, model: HeldModel): Sampler {
  const decoder = openDecoder(engine, model)
  let busy = false
  return {
    async sample(request) {
      if (busy) throw new Error('sample: a batch is already being sampled')
      check(request, model.architecture)
      busy = true
      try {
        return await sampleBatch(decoder, request, model.architecture)
      } finally {
        busy = false
      }
    },
    close: () => decoder.close(),
  }
}

async function sampleBatch(
  decoder: Decoder,
  request: SamplingRequest,
  { context, vocabSize }: Architecture,
): Promise<Sample[]> {
  const { prompts, signal, temperature, maxNewTokens, repetitionPenalty = 1 } = request
  const sequences = prompts.map((prompt, index) =>
    openSequence(request, index, Math.min(maxNewTokens, context - prompt.length)),
  )
  signal?.throwIfAborted()
  const batch = await decoder.open(prompts, {
    inverseTemperature: temperature === 0 ? 1 : 1 / temperature,
    repetitionPenalty,
  })
  let rows = sequences // rows[i] is the sequence in the batch's i-th row
  try {
    let next = await batch.prefill()
    for (;;) {
      const of = (all: Float32Array, i: number): Float32Array => all.subarray(i * vocabSize, (i + 1) * vocabSize)
      for (const [i, row] of rows.entries()) if (!row.done()) row.take(of(next.choice, i), of(next.probabilities, i))
      const live = rows.filter((row) => !row.done())
      if (live.length === 0) return sequences.map((sequence) => sequence.sample())
      signal?.throwIfAborted()
      const size = smallerSize(rows.length, live.length)
      if (size < rows.length) {
        // Unused rows go to finished sequences, which are ignored.
        const kept = [...live, ...rows.filter((row) => row.done())].slice(0, size)
        await batch.shrink(kept.map((row) => rows.indexOf(row)))
        rows = kept
      }
      // A finished sequence repeats its last token at its last position.
      next = await batch.decode(
        rows.map((row) => row.lastToken()),
        rows.map((row) => row.lastPosition()),
      )
    }
  } finally {
    batch.close()
  }
}

/**
 * Halved as long as the live sequences fit: the cost of a step is about proportional to its batch, and each size is
 * compiled once.
 */
function smallerSize(size: number, live: number): number {
  const half = Math.ceil(size / 2)
  return half >= leastBatch && live <= half ? smallerSize(half, live) : size
}

/** A sequence being generated. */
function openSequence(
  { prompts, seeds, temperature, topK = 0, topP = 1, stopTokens, onToken }: SamplingRequest,
  index: number,
  limit: number,
) {
  const promptLength = prompts[index]?.length ?? 0
  const seed = seeds[index] ?? 0
  const tokens: number[] = []
  const logProbs: number[] = []
  const ended = (): boolean => stopTokens.includes(tokens.at(-1) ?? -1)
  return {
    done: () => ended() || tokens.length >= limit,
    /** Chooses the next token from one distribution [V], and records its probability in the other. */
    take(choice: Float32Array, probabilities: Float32Array): void {
      const token =
        temperature === 0 ? greedyToken(choice) : drawToken(choice, uniformAt(seed, tokens.length), { topK, topP })
      logProbs.push(Math.log(probabilities[token] ?? 0))
      tokens.push(token)
      onToken?.(index, token, tokens.length - 1)
    },
    lastToken: () => tokens.at(-1) ?? 0,
    lastPosition: () => promptLength + tokens.length - 1,
    sample: (): Sample => ({
      tokens: Int32Array.from(tokens),
      logProbs: Float32Array.from(logProbs),
      finish: ended() ? 'eos' : 'length',
    }),
  }
}

function check(
  { prompts, seeds, maxNewTokens, temperature, repetitionPenalty = 1 }: SamplingRequest,
  architecture: Architecture,
): void {
  const { context } = architecture
  if (prompts.length === 0) throw new Error('sample: no prompts')
  if (seeds.length !== prompts.length) throw new Error(`sample: ${prompts.length} prompts and ${seeds.length} seeds`)
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) throw new Error(`sample: maxNewTokens is ${maxNewTokens}`)
  if (!(temperature >= 0 && temperature < Infinity)) throw new Error(`sample: temperature is ${temperature}`)
  if (!(repetitionPenalty > 0 && repetitionPenalty < Infinity))
    throw new Error(`sample: repetitionPenalty is ${repetitionPenalty}`)
  prompts.forEach((prompt, i) => {
    checkIds(architecture, prompt, `sample: prompt ${i}`)
    if (prompt.length === context)
      throw new Error(
        `sample: prompt ${i} has ${context} tokens, which leaves the model's context of ${context} no room for more`,
      )
  })
}
