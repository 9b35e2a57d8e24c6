/**
 * Decodes batches of sequences token by token, with the compiled graphs that this needs. The cost of a step
 * grows with batch and cache, so both are sized to fit: the cache grows with the sequences, and the batch shrinks when
 * some have ended.
 */
import type { Engine, Outputs, Program } from '../engines/engine.ts'
import type { Graph } from '../graph/index.ts'
import type { HeldModel } from '../architectures/architecture.ts'
import { cacheStates, carryGraph, decodeGraph, prefillGraph, seenName, type DecodingShape } from './kv-cache-graphs.ts'
import { openLru } from '../lru.ts'

export interface DecoderOptions {
  inverseTemperature: number
  /** 1 for none. */
  repetitionPenalty: number
}

export interface Decoder {
  /** A new batch of prompts with one token or more each, with a cache of its own. */
  open(prompts: readonly ArrayLike<number>[], options: DecoderOptions): Promise<DecodingBatch>
  /** Frees the compiled graphs. */
  close(): Promise<void>
}

/** Of each sequence, [B, V]; valid until the next step. */
export interface Next {
  /** The model's distribution at the sampling temperature. */
  probabilities: Float32Array
  /** The distribution to sample from: the same, with the repetition penalty. */
  choice: Float32Array
}

export interface DecodingBatch {
  /** Reads the prompts. Called first, once. */
  prefill(): Promise<Next>
  /** Reads one more token of each sequence, at these positions. */
  decode(ids: readonly number[], positions: readonly number[]): Promise<Next>
  /** Keeps only some of the sequences: the i-th is then the former `rows[i]`-th. */
  shrink(rows: readonly number[]): Promise<void>
  /** Frees the cache. */
  close(): void
}

/** Compiled graphs kept; the least recently used is evicted. */
const maxPrograms = 48

/**
 * Prompts are rounded up to 4, 8, 12, 16, 20, …, 32, 40, …, 64, 80, … tokens: a trade-off between few graphs and little
 * padding.
 */
const promptLength = (longest: number): number => roundedUp(longest, { least: 4, perDoubling: 4 })
/** Caches hold 16, 32, 48, 64, 96, 128, 192, … tokens. */
const windowLength = (longest: number): number => roundedUp(longest, { least: 16, perDoubling: 2 })

export function openDecoder(engine: Engine, model: HeldModel): Decoder {
  const { context, vocabSize } = model.architecture
  const programs = openLru<Program>(maxPrograms, (program) => program.dispose())
  // Always in float32, also when training in float16: rounding every weight for one token costs more than it saves.
  const compiled = (key: string, graph: () => Graph): Promise<Program> =>
    programs.get(key, () => engine.compile(graph(), 'float32'))

  async function openBatch(
    prompts: readonly ArrayLike<number>[],
    { inverseTemperature, repetitionPenalty }: DecoderOptions,
  ): Promise<DecodingBatch> {
    const penalised = repetitionPenalty !== 1
    const scale: Record<string, number> = penalised
      ? { inverseTemperature, penalty: repetitionPenalty }
      : { inverseTemperature }
    const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0)
    const prompt = Math.min(context, promptLength(longest))
    let shape: DecodingShape = { batch: prompts.length, window: Math.min(context, windowLength(prompt + 1)), penalised }
    let into = placesFor(shape)
    const kind = ({ batch, window }: DecodingShape): string => `${batch}x${window}${penalised ? ' penalised' : ''}`
    const prefill = await compiled(`prefill ${prompt} ${kind(shape)}`, () => prefillGraph(model, shape, prompt))
    openCache(shape, prompts)

    async function carry(next: DecodingShape, feeds: { rows?: readonly number[] }): Promise<void> {
      const program = await compiled(`carry ${kind(shape)} to ${kind(next)}`, () => carryGraph(model, shape, next))
      checkFree(next)
      const left = shape
      try {
        await program.run(feeds)
        shape = next
        into = placesFor(shape)
      } finally {
        freeCache(shape === next ? left : next)
      }
    }

    return {
      async prefill() {
        const ids = new Int32Array(prompts.length * prompt)
        prompts.forEach((given, i) => ids.set(Int32Array.from(given), i * prompt))
        return nextOf(
          await prefill.run({ ids, last: prompts.map(({ length }, i) => i * prompt + length - 1), ...scale }, into),
          penalised,
        )
      },
      async decode(ids, positions) {
        const length = positions.reduce((last, position) => Math.max(last, position), -1) + 1
        if (length > shape.window) await carry({ ...shape, window: Math.min(context, windowLength(length)) }, {})
        const program = await compiled(`decode ${kind(shape)}`, () => decodeGraph(model, shape))
        return nextOf(await program.run({ ids, positions, ...scale }, into), penalised)
      },
      shrink: (rows) => carry({ ...shape, batch: rows.length }, { rows }),
      close: () => freeCache(shape),
    }
  }

  /** Buffers for a step's distributions. */
  function placesFor({ batch, penalised }: DecodingShape): Record<string, Float32Array> {
    const places = (): Float32Array => new Float32Array(batch * vocabSize)
    return penalised ? { probabilities: places(), choice: places() } : { probabilities: places() }
  }

  function freeCache(shape: DecodingShape): void {
    for (const name of cacheStates(model, shape).keys()) if (engine.states.has(name)) engine.states.delete(name)
  }

  function checkFree(shape: DecodingShape): void {
    const taken = [...cacheStates(model, shape).keys()].find((name) => engine.states.has(name))
    if (taken !== undefined) throw new Error(`${taken} is in use: another batch of these weights is being decoded`)
  }

  /** Zeroed, so that no NaN of a diverged model reaches this batch: 0 · NaN is NaN. */
  function openCache(shape: DecodingShape, prompts: readonly ArrayLike<number>[]): void {
    checkFree(shape)
    for (const [name, size] of cacheStates(model, shape)) engine.states.zero(name, size)
    if (!shape.penalised) return
    const seen = new Float32Array(shape.batch * vocabSize)
    prompts.forEach((given, i) => {
      for (const id of Array.from(given)) seen[i * vocabSize + id] = 1
    })
    engine.states.set(seenName(model, shape), [shape.batch, vocabSize], seen)
  }

  return { open: openBatch, close: () => programs.close() }
}

/**
 * `length` rounded up to a multiple of `least`, or of a fraction of the power of two below it, whichever is greater.
 */
function roundedUp(length: number, { least, perDoubling }: { least: number; perDoubling: number }): number {
  const step = Math.max(least, 2 ** Math.floor(Math.log2(length)) / perDoubling)
  return Math.ceil(length / step) * step
}

function nextOf(outputs: Outputs, penalised: boolean): Next {
  const probabilities = outputs.float32('probabilities')
  return { probabilities, choice: penalised ? outputs.float32('choice') : probabilities }
}
