/** A full forward pass over rows of tokens, for training and for scoring. */
import { attend, div, exactDiv, slice, tokenLogProbs, type Graph, type Tensor } from '../graph/index.ts'
import { parametersOf, type Architecture, type HeldModel } from './architecture.ts'
import { biasByWindow, segmentedBias } from './attention.ts'

/**
 * What a forward pass reads, each int32 [B, T]. A row may hold several sequences, one after the other, each of which is
 * read as if it were alone: `segments` has the number of a token's sequence in its row, from 1, and 0 for padding.
 */
export interface Tokens {
  ids: Tensor
  positions: Tensor
  segments: Tensor
}

/** The graph inputs of a [B, T] batch: `ids`, `positions`, `segments`; `tokenFeeds` makes their values. */
export function tokenInputs(graph: Graph, batch: number, length: number): Tokens {
  const at = (name: string) => graph.input(name, [batch, length], 'int32')
  return { ids: at('ids'), positions: at('positions'), segments: at('segments') }
}

/** Feeds for `tokenInputs`: positions count from 0 in each sequence. Padding may stand anywhere. */
export function tokenFeeds(
  ids: Int32Array,
  segments: Int32Array,
  length: number,
): { ids: Int32Array; positions: Int32Array; segments: Int32Array } {
  if (segments.length !== ids.length)
    throw new Error(`tokenFeeds: ${ids.length} ids and ${segments.length} numbers of sequences`)
  exactDiv(ids.length, length, 'tokenFeeds: ids by length')
  const positions = new Int32Array(ids.length)
  for (let i = 1; i < ids.length; i++) {
    if (i % length !== 0 && segments[i] !== 0 && segments[i] === segments[i - 1]) positions[i] = positions[i - 1]! + 1
  }
  return { ids, positions, segments }
}

/** Throws, naming `what`, where a sequence is empty, too long, or holds an id outside the vocabulary. */
export function checkIds({ context, vocabSize }: Architecture, ids: ArrayLike<number>, what: string): void {
  if (ids.length < 1 || ids.length > context)
    throw new Error(`${what} has ${ids.length} tokens; the model takes 1 to ${context}`)
  const bad = Array.from(ids).find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
  if (bad !== undefined) throw new Error(`${what} holds ${bad}, which is no token of ${vocabSize}`)
}

/** The residual stream after the last block, before the final norm: [B, T, C]. */
export function residualStream(graph: Graph, model: HeldModel, { ids, positions, segments }: Tokens): Tensor {
  const { architecture } = model
  const biasOf = biasByWindow((window) => segmentedBias(segments, window))
  return architecture.residual(parametersOf(graph, model), ids, positions, (layer, q, k, v) =>
    attend(q, k, v, biasOf(architecture.slidingWindow(layer))),
  )
}

/** Final hidden states, after the last norm: [B, T, C]. Heads (language, value, reward) read these. */
export function hiddenStates(graph: Graph, model: HeldModel, tokens: Tokens): Tensor {
  return finalNorm(graph, model, residualStream(graph, model, tokens))
}

/** The norm before the heads: [..., C] -> [..., C]. */
export function finalNorm(graph: Graph, model: HeldModel, x: Tensor): Tensor {
  return model.architecture.finalNorm(parametersOf(graph, model), x)
}

/** Next-token logits of hidden states: [..., C] -> [..., V]. */
export function nextLogits(graph: Graph, model: HeldModel, hidden: Tensor): Tensor {
  return model.architecture.head(parametersOf(graph, model), hidden)
}

/**
 * Log-probability of each next token, and the logits it comes from (divided by `temperature`):
 * entry t of the result, [B, T-1], is log p(ids[t+1] | ids[..t]).
 */
export function nextLogProbs(
  graph: Graph,
  model: HeldModel,
  hidden: Tensor,
  ids: Tensor,
  temperature = 1,
): { logProbs: Tensor; logits: Tensor } {
  const length = ids.shape[1] ?? 0
  const raw = nextLogits(graph, model, slice(hidden, 1, 0, length - 1)) // [B, T, C] -> [B, T-1, V]
  const logits = temperature === 1 ? raw : div(raw, temperature)
  return { logits, logProbs: tokenLogProbs(logits, slice(ids, 1, 1, length)) }
}
