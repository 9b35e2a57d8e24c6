/** Batches of sequences in the engine, token by token, and the compiled graphs that they run on. */
import type { Engine, Outputs, Program } from '../engines/engine.ts'
import type { Graph } from '../graph/index.ts'
import type { HeldModel } from './architecture.ts'
import { cacheStates, decodeGraph, prefillGraph, seenName, shrinkGraph, type DecodingShape } from './decoding.ts'
import { openRecent } from './recent.ts'

export interface DecoderOptions {
  window: number
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

/** Of each sequence, [B, V]. */
export interface Next {
  /** The model's distribution at the sampling temperature. */
  probabilities: Float32Array
  /** The one to choose by: the same, but for the repetition penalty. */
  choice: Float32Array
}

export interface DecodingBatch {
  /** After the prompts. Comes first, once. */
  prefill(): Promise<Next>
  /** After one more token of each sequence, at these positions. */
  decode(ids: readonly number[], positions: readonly number[]): Promise<Next>
  /** Goes on with some of the sequences alone: the i-th is then what the `rows[i]`-th was. */
  shrink(rows: readonly number[]): Promise<void>
  /** Frees the cache. */
  close(): void
}

/** Prompts are rounded up to a multiple of this, so that few graphs are compiled. */
const granularity = 16
/** Compiled graphs kept; the one unused longest goes first. */
const maxPrograms = 24

export function openDecoder(engine: Engine, model: HeldModel): Decoder {
  const programs = openRecent<Program>(maxPrograms, program => program.dispose())
  const compiled = (key: string, graph: () => Graph): Promise<Program> => programs.get(key, () => engine.compile(graph(), 'float32')) // rounding every weight for one token costs more than it saves

  async function openBatch(prompts: readonly ArrayLike<number>[], { window, inverseTemperature, repetitionPenalty }: DecoderOptions): Promise<DecodingBatch> {
    const penalised = repetitionPenalty !== 1
    const scale: Record<string, number> = penalised ? { inverseTemperature, penalty: repetitionPenalty } : { inverseTemperature }
    let shape: DecodingShape = { batch: prompts.length, window, penalised }
    const kind = (): string => `${shape.batch}x${window}${penalised ? ' penalised' : ''}`
    const prompt = Math.min(window, Math.ceil(Math.max(...prompts.map(({ length }) => length)) / granularity) * granularity)
    const prefill = await compiled(`prefill ${prompt} ${kind()}`, () => prefillGraph(model, shape, prompt))
    openCache(shape, prompts)
    return {
      async prefill() {
        const ids = new Int32Array(prompts.length * prompt)
        prompts.forEach((given, i) => ids.set(Int32Array.from(given), i * prompt))
        return nextOf(await prefill.run({ ids, last: prompts.map(({ length }, i) => i * prompt + length - 1), ...scale }), penalised)
      },
      async decode(ids, positions) {
        const program = await compiled(`decode ${kind()}`, () => decodeGraph(model, shape))
        return nextOf(await program.run({ ids, positions, ...scale }), penalised)
      },
      async shrink(rows) {
        const program = await compiled(`shrink to ${rows.length} ${kind()}`, () => shrinkGraph(model, shape, rows.length))
        const smaller = { ...shape, batch: rows.length }
        openCache(smaller)
        const left = shape
        try {
          await program.run({ rows })
          shape = smaller
        } finally {
          freeCache(shape === smaller ? left : smaller)
        }
      },
      close: () => freeCache(shape),
    }
  }

  function freeCache(shape: DecodingShape): void {
    for (const name of cacheStates(model, shape).keys()) engine.states.delete(name)
  }

  /** Zeros, so that nothing that a diverged model left behind reaches this batch: 0 · NaN is NaN. */
  function openCache(shape: DecodingShape, prompts: readonly ArrayLike<number>[] = []): void {
    const states = cacheStates(model, shape)
    const [taken] = [...states.keys()].filter(name => engine.states.has(name))
    if (taken !== undefined) throw new Error(`${taken} is in use: another batch of these weights is being decoded`)
    for (const [name, size] of states) engine.states.zero(name, size)
    if (!shape.penalised || prompts.length === 0) return
    const seen = new Float32Array(shape.batch * model.architecture.vocabSize)
    prompts.forEach((given, i) => {
      for (const id of Array.from(given)) seen[i * model.architecture.vocabSize + id] = 1
    })
    engine.states.set(seenName(model, shape), [shape.batch, model.architecture.vocabSize], seen)
  }

  return { open: openBatch, close: () => programs.close() }
}

function nextOf(outputs: Outputs, penalised: boolean): Next {
  const probabilities = outputs.float32('probabilities')
  return { probabilities, choice: penalised ? outputs.float32('choice') : probabilities }
}
