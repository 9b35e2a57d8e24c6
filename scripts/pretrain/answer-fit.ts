/**
 * Learning to answer: cross entropy on the answers' tokens alone. The prompts are read but not
 * learnt, which frees half of a small model for what it has to say.
 */
import type { Engine } from '../../trainer/engines/engine.ts'
import {
  adamW, adamWInputs, div, Graph, gradients, momentNames, mul, neg, reduceSum,
  type AdamWOptions, type Tensor,
} from '../../trainer/graph/index.ts'
import { heldParameters, type HeldModel } from '../../trainer/models/architecture.ts'
import { hiddenStates, nextLogProbs, tokenFeeds, tokenInputs } from '../../trainer/models/forward.ts'
import type { AnswerRows, Bucket } from './rows.ts'

export type AnswerFit = {
  /** One optimizer step, the `step`-th (from 1); resolves to the loss before it, nats per answer token. */
  step(rows: AnswerRows, step: number, learningRate: number): Promise<number>
  close(): Promise<void>
}

/** Mean -log p over the tokens whose weight is 1; `weights` is an input [B, T-1], one entry a target. */
function answerLoss(graph: Graph, model: HeldModel, { batch, length }: Bucket): Tensor {
  const tokens = tokenInputs(graph, batch, length)
  const { logProbs } = nextLogProbs(graph, model, hiddenStates(graph, model, tokens), tokens.ids) // [B, T-1]
  const weights = graph.input('weights', [batch, length - 1])
  return neg(div(reduceSum(mul(logProbs, weights)), reduceSum(weights)))
}

function feeds({ ids, mask, weights }: AnswerRows, length: number): Record<string, Int32Array | Float32Array> {
  return { ...tokenFeeds(ids, mask, length), weights }
}

/** Compiles the step for one length of rows; fits of several lengths share weights and moments. */
export async function openAnswerFit(engine: Engine, model: HeldModel, bucket: Bucket, optimizer: AdamWOptions): Promise<AnswerFit> {
  const graph = new Graph()
  const loss = answerLoss(graph, model, bucket)
  const names = [...heldParameters(model)]
  const slopes = gradients(loss, names.map(([name, shape]) => graph.state(name, shape)))
  adamW(graph, names.flatMap(([name], i) => slopes.slice(i, i + 1).map((gradient) => ({ name, gradient }))), optimizer)
  graph.output('loss', loss)
  for (const [name, shape] of names) {
    for (const moment of momentNames(name)) if (!engine.states.has(moment)) engine.states.zero(moment, shape)
  }
  const program = await engine.compile(graph)
  return {
    async step(rows, step, learningRate) {
      const outputs = await program.run({ ...feeds(rows, bucket.length), ...adamWInputs(optimizer, step, learningRate) })
      return outputs.scalar('loss')
    },
    close: () => program.dispose(),
  }
}

/** exp(mean cross entropy) per answer token over batches of one length. */
export async function answerPerplexity(engine: Engine, model: HeldModel, bucket: Bucket, batches: readonly AnswerRows[]): Promise<number> {
  const graph = new Graph()
  graph.output('loss', answerLoss(graph, model, bucket))
  const program = await engine.compile(graph)
  let sum = 0
  for (const rows of batches) sum += (await program.run(feeds(rows, bucket.length))).scalar('loss')
  await program.dispose()
  return Math.exp(sum / batches.length)
}
