/** The policy and its value head as graph operations over a laid-out batch. */
import { div, entropy, gather, matmul, add, mul, reshape, tokenLogProbs, type Graph, type Shape, type Tensor } from '../graph/index.ts'
import { heldParameters, type Architecture } from '../models/architecture.ts'
import { finalNorm, nextLogits, residualStream, tokenFeeds, tokenInputs } from '../models/forward.ts'
import type { BatchLayout, BatchShape } from './layout.ts'

/** Prefixes of the engine's states. */
export const POLICY = 'policy/'
export const REFERENCE = 'reference/'

const VALUE_WEIGHT = 'value.weight'
const VALUE_BIAS = 'value.bias'

/**
 * The value head's output is multiplied by this. Adam moves every parameter by about the learning
 * rate whatever its gradient's size, so the factor is how much faster the head learns than the trunk.
 */
const VALUE_SCALE = 30

/** Every trained parameter under `prefix`: the language model's and the value head's. */
export function policyParameters(architecture: Architecture, prefix = POLICY): Map<string, Shape> {
  return new Map([...heldParameters({ architecture, prefix }), ...valueParameters(architecture, prefix)])
}

/** The value head's parameters, all 0 at the start. */
export function valueParameters({ width }: Architecture, prefix = POLICY): Map<string, Shape> {
  return new Map<string, Shape>([
    [prefix + VALUE_WEIGHT, [width, 1]],
    [prefix + VALUE_BIAS, [1]],
  ])
}

export interface PolicyTensors {
  /** The residual stream after the last block, before the final norm: [B·T, C]. */
  residual: Tensor
  /** Final hidden states from which each response token was predicted: [B·R, C]. */
  sources: Tensor
  /** All final hidden states: [B·T, C]. */
  hidden: Tensor
  /** log π(action) at the sampling temperature: [B, R]. Arbitrary where padded. */
  logprobs: Tensor
  /** [B·R, V], divided by the temperature. */
  logits: Tensor
}

/** Trunk and language head. Only response positions reach the head. */
export function policyGraph(graph: Graph, architecture: Architecture, shape: BatchShape, temperature: number, prefix = POLICY): PolicyTensors {
  const { rows, length, responses } = shape
  const model = { architecture, prefix }
  const residual = reshape(residualStream(graph, model, tokenInputs(graph, rows, length)), [rows * length, architecture.width]) // [B, T, C] -> [B·T, C]
  const hidden = finalNorm(graph, model, residual)
  const sources = gather(hidden, graph.input('sources', [rows * responses], 'int32')) // -> [B·R, C]
  const raw = nextLogits(graph, model, sources) // -> [B·R, V]
  const logits = temperature === 1 ? raw : div(raw, temperature)
  const actions = reshape(graph.input('actions', [rows, responses], 'int32'), [rows * responses])
  return { residual, hidden, sources, logits, logprobs: reshape(tokenLogProbs(logits, actions), [rows, responses]) }
}

/** V of each state from which a response token was drawn: [B·R, C] -> [B, R]. */
export function valueGraph(graph: Graph, { width }: Architecture, sources: Tensor, { rows, responses }: BatchShape, prefix = POLICY): Tensor {
  const weight = graph.state(prefix + VALUE_WEIGHT, [width, 1])
  const bias = graph.state(prefix + VALUE_BIAS, [1])
  return mul(reshape(add(matmul(sources, weight), bias), [rows, responses]), VALUE_SCALE)
}

/** Entropy of each response position's distribution, nats: [B·R, V] -> [B, R]. */
export function entropyGraph(logits: Tensor, { rows, responses }: BatchShape): Tensor {
  return reshape(entropy(logits), [rows, responses])
}

/** What `policyGraph` reads. */
export function policyFeeds(layout: BatchLayout, { length }: BatchShape): Record<string, Int32Array> {
  return { ...tokenFeeds(layout.ids, layout.mask, length), sources: layout.sources, actions: layout.actions }
}
