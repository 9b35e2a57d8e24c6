/** Language-model training: next-token cross entropy, clipping and AdamW as one compiled graph. */
import { adamW, adamWInputs, div, Graph, gradients, maximum, momentNames, mul, neg, cast, reduceSum, slice, type AdamWOptions, type Tensor } from '../graph/index.ts'
import type { Engine } from '../engines/engine.ts'
import { trainedParameters, type HeldModel } from './architecture.ts'
import { hiddenStates, nextLogProbs, tokenFeeds, tokenInputs, type Tokens } from './forward.ts'

/** Rows of `length` tokens: ids and mask [B · T]; a masked token is neither seen nor learnt. */
export interface Rows { ids: Int32Array; mask: Int32Array }
/** Rows of differing lengths as one batch, padded on the right. */
export function padRows(rows: readonly (readonly number[])[]): Rows & { batch: number; length: number } {
  const length = Math.max(...rows.map(row => row.length))
  const ids = new Int32Array(rows.length * length)
  const mask = new Int32Array(rows.length * length)
  rows.forEach((row, i) => {
    ids.set(row, i * length)
    mask.fill(1, i * length, i * length + row.length)
  })
  return { ids, mask, batch: rows.length, length }
}

/** Mean cross entropy (nats a token) before the update, and the gradients' norm before clipping. */
export interface FitStep { loss: number; gradientNorm: number }

export interface Fit {
  /** One optimizer step. */
  step(rows: Rows, learningRate: number): Promise<FitStep>
  /** Optimizer steps done so far; part of what a checkpoint holds, with the `adam.` states. */
  readonly steps: number
  close(): Promise<void>
}

export interface FitOptions {
  /** What is trained, under its states' names. */
  model: HeldModel
  batch: number
  length: number
  optimizer: AdamWOptions
  /** Steps already done, when training resumes. */
  steps?: number
}

/** GPT-2's usual pretraining settings (nanoGPT's train.py). */
export const pretraining: AdamWOptions = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 }

/** Compiles the step. Moments that the engine does not hold yet start at zero. */
export async function openFit(engine: Engine, { model, batch, length, optimizer, steps = 0 }: FitOptions): Promise<Fit> {
  const graph = new Graph()
  const tokens = tokenInputs(graph, batch, length)
  const loss = languageModelLoss(graph, model, tokens)
  const names = [...trainedParameters(model)]
  const parameters = names.map(([name, shape]) => graph.state(name, shape))
  const slopes = gradients(loss, parameters)
  const descents = names.flatMap(([name], i) => slopes.slice(i, i + 1).map(gradient => ({ name, gradient })))
  const norm = adamW(graph, descents, optimizer)
  graph.output('loss', loss)
  graph.output('gradientNorm', norm)
  for (const [name, shape] of names) {
    for (const moment of momentNames(name)) if (!engine.states.has(moment)) engine.states.zero(moment, shape)
  }
  const program = await engine.compile(graph)
  let done = steps
  return {
    async step({ ids, mask }, learningRate) {
      const feeds = { ...tokenFeeds(ids, mask, length), ...adamWInputs(optimizer, done + 1, learningRate) }
      const outputs = await program.run(feeds)
      done++
      return { loss: outputs.scalar('loss'), gradientNorm: outputs.scalar('gradientNorm') }
    },
    get steps() {
      return done
    },
    close: () => program.dispose(),
  }
}

/** Mean of -log p(next token) over every pair of real neighbours; a scalar. */
export function languageModelLoss(graph: Graph, model: HeldModel, tokens: Tokens): Tensor {
  const length = tokens.ids.shape[1] ?? 0
  const hidden = hiddenStates(graph, model, tokens)
  const { logProbs } = nextLogProbs(graph, model, hidden, tokens.ids) // [B, T-1]
  const real = cast(tokens.mask, 'float32')
  const counts = mul(slice(real, 1, 0, length - 1), slice(real, 1, 1, length)) // [B, T-1]
  return neg(div(reduceSum(mul(logProbs, counts)), maximum(reduceSum(counts), 1)))
}
