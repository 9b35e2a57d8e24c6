/**
 * Language-model training by next-token cross entropy: on whole texts, or on answers to prompts that
 * are excluded from the loss (supervised fine-tuning). Rows are padded on the right; batch rows of similar length to
 * keep padding small.
 */
import type { Engine, Program } from '../engines/engine.ts'
import {
  cast,
  div,
  exactDiv,
  Graph,
  maximum,
  mul,
  neg,
  reduceSum,
  slice,
  type AdamWOptions,
  type Tensor,
} from '../graph/index.ts'
import { trainedParameters, type HeldModel } from '../architectures/architecture.ts'
import { openDescent, type Descent } from './optimizer-step.ts'
import { hiddenStates, nextLogProbs, tokenFeeds, tokenInputs, type Tokens } from '../architectures/forward.ts'
import { openLru } from '../lru.ts'

/** `batch` rows of `length` tokens, one after another. */
export interface Rows {
  batch: number
  length: number
  ids: Int32Array
  /** 1 for a real token, 0 for padding. */
  mask: Int32Array
  /**
   * 1 for a token in the loss; by default every real one. A row's first token is never
   * predicted.
   */
  learnt?: Int32Array
}

/**
 * Rows of differing lengths as one batch of `length` (the longest row's by default), whose first `promptLengths[i]`
 * tokens are excluded from the loss.
 */
export function padRows(
  rows: readonly (readonly number[])[],
  promptLengths?: readonly number[],
  length = rows.reduce((most, row) => Math.max(most, row.length), 0),
): Rows {
  const ids = new Int32Array(rows.length * length)
  const mask = new Int32Array(rows.length * length)
  const learnt = new Int32Array(rows.length * length)
  rows.forEach((row, i) => {
    if (row.length > length) throw new Error(`row ${i} has ${row.length} tokens, which do not fit into ${length}`)
    const [start, end] = [i * length, i * length + row.length]
    ids.set(row, start)
    mask.fill(1, start, end)
    learnt.fill(1, start + (promptLengths?.[i] ?? 0), end)
  })
  return { batch: rows.length, length, ids, mask, ...(promptLengths && { learnt }) }
}

/** Mean cross entropy (nats a token) before the update, and the gradients' norm before clipping. */
export interface FitStep {
  loss: number
  gradientNorm: number
}

export interface Fit {
  /** One optimizer step. Each new batch shape is compiled; the most recent few are kept. */
  step(rows: Rows, learningRate: number): Promise<FitStep>
  /**
   * Optimizer steps done so far; part of what a checkpoint holds, with the `adam.` states and, in float16, the
   * `loss-scale/` ones.
   */
  readonly steps: number
  close(): Promise<void>
}

export interface FitOptions {
  /** The trained parameters by state name: the adapters only, if there are any. */
  model: HeldModel
  optimizer: AdamWOptions
  /** Gradient accumulation: parts into which a batch is split to fit into memory; 1 by default. */
  accumulation?: number
  /** Steps already done, when training resumes. */
  steps?: number
}

/** GPT-2's usual pretraining settings (nanoGPT's train.py). */
export const pretraining: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  maxGradientNorm: 1,
}

const shapesKept = 4

/** Initialises moments to zero and the loss scale, where the engine does not hold them yet. */
export function openFit(engine: Engine, { model, optimizer, accumulation = 1, steps = 0 }: FitOptions): Fit {
  const compiled = openLru<Descent>(shapesKept, (descent) => descent.close())
  const compile = (batch: number, length: number) => () =>
    openDescent(engine, {
      ...lossGraph(model, batch, length),
      trained: trainedParameters(model),
      optimizer,
      parts: accumulation,
    })
  let done = steps
  return {
    async step(rows, learningRate) {
      const { batch, length } = rows
      const each = exactDiv(batch, accumulation, 'the rows of a batch by its parts')
      const descent = await compiled.get(`${batch}/${length}`, compile(each, length))
      const { loss = NaN, gradientNorm = NaN } = await descent.run(partsOf(rows, accumulation), {
        step: done + 1,
        learningRate,
      })
      done++
      return { loss, gradientNorm }
    },
    get steps() {
      return done
    },
    close: () => compiled.close(),
  }
}

/** Evaluation: mean of -log p over the loss tokens of all batches, nats per token. */
export async function meanLoss(engine: Engine, model: HeldModel, batches: readonly Rows[]): Promise<number> {
  const programs = new Map<string, Program>()
  let sum = 0
  let count = 0
  for (const rows of batches) {
    const { batch, length } = rows
    const program = programs.get(`${batch}/${length}`) ?? (await engine.compile(lossGraph(model, batch, length).graph))
    programs.set(`${batch}/${length}`, program)
    for (const feeds of partsOf(rows, 1)) {
      sum += feeds.total * (await program.run(feeds)).scalar('loss')
      count += feeds.total
    }
  }
  for (const program of programs.values()) await program.dispose()
  return sum / count
}

function lossGraph(model: HeldModel, batch: number, length: number): { graph: Graph; loss: Tensor } {
  const graph = new Graph()
  const given = { learnt: graph.input('learnt', [batch, length], 'int32'), total: graph.input('total', []) }
  const loss = languageModelLoss(graph, model, tokenInputs(graph, batch, length), given)
  graph.output('loss', loss)
  return { graph, loss }
}

/** The feeds of each part of a batch, with the whole batch's count of loss tokens. */
function partsOf({ batch, length, ids, mask, learnt = mask }: Rows, parts: number) {
  const counted = learnt.map((wanted, i) => (i % length === 0 ? 0 : wanted * (mask[i] ?? 0) * (mask[i - 1] ?? 0)))
  const total = Math.max(
    1,
    counted.reduce((sum, one) => sum + one, 0),
  )
  const size = exactDiv(batch, parts, 'the rows of a batch by its parts') * length
  return Array.from({ length: parts }, (_, part) => {
    const cut = (all: Int32Array) => all.subarray(part * size, (part + 1) * size)
    return { ...tokenFeeds(cut(ids), cut(mask), length), learnt: cut(learnt), total }
  })
}

export interface Learnt {
  /** 1 for a token in the loss: int32 [B, T]. */
  learnt: Tensor
  /** The divisor of the sum; a scalar. */
  total: Tensor
}

/** Mean of -log p(next token) over every pair of adjacent real tokens whose second is in the loss; a scalar. */
export function languageModelLoss(graph: Graph, model: HeldModel, tokens: Tokens, given?: Learnt): Tensor {
  const length = tokens.ids.shape[1] ?? 0
  const hidden = hiddenStates(graph, model, tokens)
  const { logProbs } = nextLogProbs(graph, model, hidden, tokens.ids) // [B, T-1]
  const real = cast(tokens.segments, 'float32')
  const pairs = mul(slice(real, 1, 0, length - 1), slice(real, 1, 1, length)) // [B, T-1]
  const counts = given ? mul(pairs, slice(cast(given.learnt, 'float32'), 1, 1, length)) : pairs
  return neg(div(reduceSum(mul(logProbs, counts)), given?.total ?? maximum(reduceSum(counts), 1)))
}
