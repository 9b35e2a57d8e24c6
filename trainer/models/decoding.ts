/**
 * The two graphs of sampling with a KV cache. `prefill` reads whole prompts
 * (right-padded) and fills the cache; `decode` reads one token a sequence.
 * Each sequence's keys and values stand at its own positions from 0 on, so
 * prompts of differing lengths share a batch; what lies past a sequence's
 * position is never attended to, and is overwritten when the position comes.
 */
import { add, constant, exactDiv, gather, Graph, greater, layerNorm, mul, range, reshape, softmax, where, writeRows, type Shape, type Tensor } from '../graph/index.ts'
import type { Gpt2Config } from './config.ts'
import { attend, block, gpt2Logits, parametersOf, unseen } from './gpt2.ts'

/** `batch` sequences, prompts of at most `prompt` tokens, `window` tokens in all. */
export interface DecodingShape { batch: number; prompt: number; window: number }

/** Cache states of one layer, and their shape [B, H, window, D]. */
export function cacheStates(config: Gpt2Config, { batch, window }: DecodingShape): { names: string[]; shape: Shape } {
  const names = Array.from({ length: config.layers }, (_, layer) => [cacheName('k', layer, batch, window), cacheName('v', layer, batch, window)]).flat()
  return { names, shape: [batch, config.heads, window, exactDiv(config.width, config.heads, 'width by heads')] }
}

/** Inputs: ids [B, prompt], last [B] (index of each prompt's last token, over the flat batch), inverseTemperature. Output: probabilities [B, V]. */
export function prefillGraph(config: Gpt2Config, shape: DecodingShape, prefix: string): Graph {
  const { batch, prompt } = shape
  const graph = new Graph()
  const parameter = parametersOf(graph, config, prefix)
  const ids = graph.input('ids', [batch, prompt], 'int32')
  const start = constant(0, [batch], 'int32')
  const future = greater(reshape(range(prompt), [1, prompt]), reshape(range(prompt), [prompt, 1]))
  const causal = where(future, constant(unseen), constant(0)) // [T, T]
  let x = add(gather(parameter('wte.weight'), ids), gather(parameter('wpe.weight'), range(prompt))) // [B, T, C]
  for (let layer = 0; layer < config.layers; layer++) {
    x = block(x, config, name => parameter(`h.${layer}.${name}`), (q, k, v) => {
      remember(graph, config, shape, layer, k, v, start)
      return attend(q, k, v, causal)
    })
  }
  const last = gather(reshape(x, [batch * prompt, config.width]), graph.input('last', [batch], 'int32')) // [B, T, C] -> [B, C]
  outputProbabilities(graph, config, last, prefix)
  return graph
}

/** Inputs: ids [B], positions [B], inverseTemperature. Output: probabilities [B, V]. */
export function decodeGraph(config: Gpt2Config, shape: DecodingShape, prefix: string): Graph {
  const { batch, window } = shape
  const graph = new Graph()
  const parameter = parametersOf(graph, config, prefix)
  const ids = graph.input('ids', [batch], 'int32')
  const positions = graph.input('positions', [batch], 'int32')
  const future = greater(reshape(range(window), [1, window]), reshape(positions, [batch, 1]))
  const bias = reshape(where(future, constant(unseen), constant(0)), [batch, 1, 1, window])
  const embedded = add(gather(parameter('wte.weight'), ids), gather(parameter('wpe.weight'), positions)) // [B, C]
  let x = reshape(embedded, [batch, 1, config.width])
  for (let layer = 0; layer < config.layers; layer++) {
    x = block(x, config, name => parameter(`h.${layer}.${name}`), (q, k, v) => {
      const cache = remember(graph, config, shape, layer, k, v, positions)
      return attend(q, cache.k, cache.v, bias)
    })
  }
  outputProbabilities(graph, config, reshape(x, [batch, config.width]), prefix)
  return graph
}

/** Writes new keys and values [B, H, n, D] into the layer's cache and returns it whole. */
function remember(graph: Graph, config: Gpt2Config, shape: DecodingShape, layer: number, k: Tensor, v: Tensor, positions: Tensor): { k: Tensor; v: Tensor } {
  const { shape: cacheShape } = cacheStates(config, shape)
  const write = (kind: 'k' | 'v', rows: Tensor): Tensor => {
    const name = cacheName(kind, layer, shape.batch, shape.window)
    const cache = writeRows(graph.state(name, cacheShape), rows, positions)
    graph.update(name, cache)
    return cache
  }
  return { k: write('k', k), v: write('v', v) }
}

/** Hidden states [B, C] before the last norm -> probabilities [B, V] at the sampling temperature. */
function outputProbabilities(graph: Graph, config: Gpt2Config, x: Tensor, prefix: string): void {
  const parameter = parametersOf(graph, config, prefix)
  const hidden = layerNorm(x, parameter('ln_f.weight'), parameter('ln_f.bias'), config.epsilon)
  const logits = gpt2Logits(graph, config, hidden, prefix)
  graph.output('probabilities', softmax(mul(logits, graph.input('inverseTemperature', []))))
}

function cacheName(kind: 'k' | 'v', layer: number, batch: number, window: number): string {
  return `cache/${batch}x${window}/${layer}.${kind}`
}
