/**
 * The two graphs of sampling with a KV cache. `prefill` reads whole prompts
 * (right-padded) and fills the cache; `decode` reads one token a sequence.
 * Each sequence's keys and values stand at its own positions from 0 on, so
 * prompts of differing lengths share a batch; what lies past a sequence's
 * position is never attended to, and is overwritten when the position comes.
 */
import { constant, gather, Graph, minimum, mul, range, reshape, softmax, sub, writeRows, type Shape, type Tensor } from '../graph/index.ts'
import { parametersOf, type Architecture, type HeldModel } from './architecture.ts'
import { attend, biasByWindow, cachedBias, causalBias } from './attention.ts'
import { finalNorm, nextLogits } from './forward.ts'

/** `batch` sequences, prompts of at most `prompt` tokens, `window` tokens in all. */
export interface DecodingShape { batch: number; prompt: number; window: number }

/** Cache states of all layers, and the shape of each: [B, K, window, D]. */
export function cacheStates({ layers, keyValueHeads, headDepth }: Architecture, { batch, window }: DecodingShape): { names: string[]; shape: Shape } {
  const names = Array.from({ length: layers }, (_, layer) => [cacheName('k', layer, batch, window), cacheName('v', layer, batch, window)]).flat()
  return { names, shape: [batch, keyValueHeads, window, headDepth] }
}

/** Inputs: ids [B, prompt], last [B] (index of each prompt's last token, over the flat batch), inverseTemperature. Output: probabilities [B, V]. */
export function prefillGraph(model: HeldModel, shape: DecodingShape): Graph {
  const { architecture } = model
  const { batch, prompt } = shape
  const graph = new Graph()
  const ids = graph.input('ids', [batch, prompt], 'int32')
  const last = graph.input('last', [batch], 'int32')
  // Padding stands where its prompt ends, so that the greatest position is a prompt's.
  const ends = reshape(sub(last, mul(range(batch), prompt)), [batch, 1])
  const positions = minimum(reshape(range(prompt), [1, prompt]), ends) // [B, T]
  const start = constant(0, [batch], 'int32')
  const biasOf = biasByWindow(window => causalBias(prompt, window))
  const x = architecture.residual(parametersOf(graph, model), ids, positions, (layer, q, k, v) => {
    remember(graph, architecture, shape, layer, k, v, start)
    return attend(q, k, v, biasOf(architecture.slidingWindow(layer)))
  }) // [B, T, C]
  outputProbabilities(graph, model, gather(reshape(x, [batch * prompt, architecture.width]), last)) // [B, T, C] -> [B, C]
  return graph
}

/** Inputs: ids [B], positions [B], inverseTemperature. Output: probabilities [B, V]. */
export function decodeGraph(model: HeldModel, shape: DecodingShape): Graph {
  const { architecture } = model
  const { batch, window: length } = shape
  const graph = new Graph()
  const ids = graph.input('ids', [batch], 'int32')
  const positions = graph.input('positions', [batch], 'int32')
  const biasOf = biasByWindow(window => cachedBias(positions, length, window))
  const column = (x: Tensor): Tensor => reshape(x, [batch, 1])
  const x = architecture.residual(parametersOf(graph, model), column(ids), column(positions), (layer, q, k, v) => {
    const cache = remember(graph, architecture, shape, layer, k, v, positions)
    return attend(q, cache.k, cache.v, biasOf(architecture.slidingWindow(layer)))
  }) // [B, 1, C]
  outputProbabilities(graph, model, reshape(x, [batch, architecture.width]))
  return graph
}

/** Writes new keys and values [B, K, n, D] into the layer's cache and returns it whole. */
function remember(graph: Graph, architecture: Architecture, shape: DecodingShape, layer: number, k: Tensor, v: Tensor, positions: Tensor): { k: Tensor; v: Tensor } {
  const { shape: cacheShape } = cacheStates(architecture, shape)
  const write = (kind: 'k' | 'v', rows: Tensor): Tensor => {
    const name = cacheName(kind, layer, shape.batch, shape.window)
    const cache = writeRows(graph.state(name, cacheShape), rows, positions)
    graph.update(name, cache)
    return cache
  }
  return { k: write('k', k), v: write('v', v) }
}

/** Residual stream [B, C] -> probabilities [B, V] at the sampling temperature. */
function outputProbabilities(graph: Graph, model: HeldModel, x: Tensor): void {
  const logits = nextLogits(graph, model, finalNorm(graph, model, x))
  graph.output('probabilities', softmax(mul(logits, graph.input('inverseTemperature', []))))
}

function cacheName(kind: 'k' | 'v', layer: number, batch: number, window: number): string {
  return `cache/${batch}x${window}/${layer}.${kind}`
}
