/**
 * The graphs of sampling with a KV cache. `prefill` reads whole prompts (right-padded) and fills the
 * cache; `decode` reads one token per sequence; `carry` copies sequences into a smaller batch or a longer
 * window. Each sequence's keys and values are stored at its own positions from 0 on, so prompts of differing lengths
 * share a batch; entries past a sequence's position are never attended to, and are overwritten later.
 */
import {
  addAlong,
  attend,
  broadcastTo,
  concat,
  constant,
  div,
  gather,
  Graph,
  greater,
  less,
  minimum,
  mul,
  range,
  reshape,
  sameShape,
  sizeOf,
  softmax,
  sub,
  where,
  writeRows,
  type Shape,
  type Tensor,
} from '../graph/index.ts'
import { parametersOf, type HeldModel } from '../architectures/architecture.ts'
import { biasByWindow, cachedBias, causalBias } from '../architectures/attention.ts'
import { finalNorm, nextLogits } from '../architectures/forward.ts'

/** `batch` sequences, in a cache of `window` tokens each; `penalised` ones remember which tokens they hold. */
export interface DecodingShape {
  batch: number
  window: number
  penalised: boolean
}

/**
 * The states of a batch of sequences, by name: keys and values [B, K, window, D] of every layer, and the tokens seen
 * [B, V].
 */
export function cacheStates(model: HeldModel, shape: DecodingShape): Map<string, Shape> {
  const { layers, keyValueHeads, headDepth, vocabSize } = model.architecture
  const states = new Map<string, Shape>()
  for (let layer = 0; layer < layers; layer++) {
    for (const kind of ['k', 'v'] as const)
      states.set(cacheName(model, shape, layer, kind), [shape.batch, keyValueHeads, shape.window, headDepth])
  }
  return shape.penalised ? states.set(seenName(model, shape), [shape.batch, vocabSize]) : states
}

/** Counts of the tokens that each sequence holds, prompt included; only with a penalty. */
export const seenName = (model: HeldModel, shape: DecodingShape): string => `${cachePrefix(model, shape)}seen`

const cacheName = (model: HeldModel, shape: DecodingShape, layer: number, kind: 'k' | 'v'): string =>
  `${cachePrefix(model, shape)}${layer}.${kind}`
const cachePrefix = ({ prefix = '' }: HeldModel, { batch, window }: DecodingShape): string =>
  `cache/${prefix}${batch}x${window}/`

/**
 * Inputs: ids [B, prompt], last [B] (index of each prompt's last token, over the flat batch),
 * inverseTemperature, and where penalised penalty. Outputs: probabilities [B, V], and where penalised choice [B, V].
 */
export function prefillGraph(model: HeldModel, shape: DecodingShape, prompt: number): Graph {
  const { architecture } = model
  const { batch } = shape
  const graph = new Graph()
  const ids = graph.input('ids', [batch, prompt], 'int32')
  const last = graph.input('last', [batch], 'int32')
  // Padding repeats the position at which its prompt ends, so that the greatest position is a real token's.
  const ends = reshape(sub(last, mul(range(batch), prompt)), [batch, 1])
  const positions = minimum(reshape(range(prompt), [1, prompt]), ends) // [B, T]
  const start = constant(0, [batch], 'int32')
  const biasOf = biasByWindow((window) => causalBias(prompt, window))
  const x = architecture.residual(parametersOf(graph, model), ids, positions, (layer, q, k, v) => {
    remember(graph, model, shape, layer, k, v, start)
    return attend(q, k, v, biasOf(architecture.slidingWindow(layer)))
  }) // [B, T, C]
  const seen = shape.penalised ? graph.state(seenName(model, shape), [batch, architecture.vocabSize]) : null
  outputProbabilities(graph, model, gather(reshape(x, [batch * prompt, architecture.width]), last), seen) // [B, T, C] -> [B, C]
  return graph
}

/** Inputs: ids [B], positions [B], inverseTemperature, and where penalised penalty. Outputs as `prefillGraph`'s. */
export function decodeGraph(model: HeldModel, shape: DecodingShape): Graph {
  const { architecture } = model
  const { batch, window: length } = shape
  const graph = new Graph()
  const ids = graph.input('ids', [batch], 'int32')
  const positions = graph.input('positions', [batch], 'int32')
  const biasOf = biasByWindow((window) => cachedBias(positions, length, window))
  const column = (x: Tensor): Tensor => reshape(x, [batch, 1])
  const x = architecture.residual(parametersOf(graph, model), column(ids), column(positions), (layer, q, k, v) => {
    const cache = remember(graph, model, shape, layer, k, v, positions)
    return attend(q, cache.k, cache.v, biasOf(architecture.slidingWindow(layer)))
  }) // [B, 1, C]
  outputProbabilities(
    graph,
    model,
    reshape(x, [batch, architecture.width]),
    shape.penalised ? see(graph, model, shape, ids) : null,
  )
  return graph
}

/**
 * Fills the caches of `next` from those of `shape`, with zeros where a longer window has room. Where the batch
 * shrinks there is an input rows [smaller]: sequence i is the former sequence `rows[i]`.
 */
export function carryGraph(model: HeldModel, shape: DecodingShape, next: DecodingShape): Graph {
  const graph = new Graph()
  const rows = next.batch === shape.batch ? null : graph.input('rows', [next.batch], 'int32')
  const targets = [...cacheStates(model, next)]
  ;[...cacheStates(model, shape)].forEach(([name, size], i) => {
    const [to = '', toSize = []] = targets[i] ?? []
    const from = graph.state(name, size)
    const kept = rows
      ? reshape(gather(reshape(from, [shape.batch, sizeOf(size) / shape.batch]), rows), [next.batch, ...size.slice(1)])
      : from
    graph.state(to, toSize)
    graph.update(to, lengthened(kept, toSize))
  })
  return graph
}

/** A cache [B, K, window, D] padded with zeros; other states unchanged. */
function lengthened(cache: Tensor, size: Shape): Tensor {
  if (sameShape(cache.shape, size)) return cache
  const room = size.map((length, axis) => (axis === 2 ? length - (cache.shape[axis] ?? 0) : length))
  return concat([cache, broadcastTo(constant(0), room)], 2)
}

/** Writes new keys and values [B, K, n, D] into the layer's cache and returns it whole. */
function remember(
  graph: Graph,
  model: HeldModel,
  shape: DecodingShape,
  layer: number,
  k: Tensor,
  v: Tensor,
  positions: Tensor,
): { k: Tensor; v: Tensor } {
  const { keyValueHeads, headDepth } = model.architecture
  const write = (kind: 'k' | 'v', rows: Tensor): Tensor => {
    const name = cacheName(model, shape, layer, kind)
    const cache = writeRows(graph.state(name, [shape.batch, keyValueHeads, shape.window, headDepth]), rows, positions)
    graph.update(name, cache)
    return cache
  }
  return { k: write('k', k), v: write('v', v) }
}

/** Counts ids [B] among the tokens seen, and returns the counts [B, V]. */
function see(graph: Graph, model: HeldModel, shape: DecodingShape, ids: Tensor): Tensor {
  const name = seenName(model, shape)
  const seen = addAlong(graph.state(name, [shape.batch, model.architecture.vocabSize]), constant(1, [shape.batch]), ids)
  graph.update(name, seen)
  return seen
}

/**
 * Residual stream [B, C] -> probabilities [B, V] at the sampling temperature, and, where tokens seen
 * are penalised, those to choose by. A penalty divides a seen token's positive logit and multiplies
 * its negative one, before the temperature (Keskar et al. 2019, as transformers has it).
 */
function outputProbabilities(graph: Graph, model: HeldModel, x: Tensor, seen: Tensor | null): void {
  const logits = nextLogits(graph, model, finalNorm(graph, model, x))
  const inverseTemperature = graph.input('inverseTemperature', [])
  graph.output('probabilities', softmax(mul(logits, inverseTemperature)))
  if (!seen) return
  const penalty = graph.input('penalty', [])
  const penalised = where(less(logits, 0), mul(logits, penalty), div(logits, penalty))
  graph.output('choice', softmax(mul(where(greater(seen, 0), penalised, logits), inverseTemperature)))
}
