/** The policy and its value head as graph operations over a laid-out batch. */
import { div, entropy, gather, layerNorm, matmul, add, mul, reshape, tokenLogProbs, type Graph, type Shape, type Tensor } from '../graph/index.ts'
import type { Gpt2Config } from '../models/config.ts'
import { attend, attentionMask, block, gpt2Logits, gpt2Parameters, parametersOf, tokenFeeds, tokenInputs, type Tokens } from '../models/gpt2.ts'
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
export function policyParameters(config: Gpt2Config, prefix = POLICY): Map<string, Shape> {
  return new Map([...gpt2Parameters(config, prefix), ...valueParameters(config, prefix)])
}

/** The value head's parameters, all 0 at the start. */
export function valueParameters(config: Gpt2Config, prefix = POLICY): Map<string, Shape> {
  return new Map<string, Shape>([
    [prefix + VALUE_WEIGHT, [config.width, 1]],
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
export function policyGraph(graph: Graph, config: Gpt2Config, shape: BatchShape, temperature: number, prefix = POLICY): PolicyTensors {
  const { rows, length, responses } = shape
  const parameter = parametersOf(graph, config, prefix)
  const residual = reshape(trunk(graph, config, tokenInputs(graph, rows, length), prefix), [rows * length, config.width]) // [B, T, C] -> [B·T, C]
  const hidden = layerNorm(residual, parameter('ln_f.weight'), parameter('ln_f.bias'), config.epsilon)
  const sources = gather(hidden, graph.input('sources', [rows * responses], 'int32')) // -> [B·R, C]
  const raw = gpt2Logits(graph, config, sources, prefix) // -> [B·R, V]
  const logits = temperature === 1 ? raw : div(raw, temperature)
  const actions = reshape(graph.input('actions', [rows, responses], 'int32'), [rows * responses])
  return { residual, hidden, sources, logits, logprobs: reshape(tokenLogProbs(logits, actions), [rows, responses]) }
}

/** The residual stream after the last block: [B, T, C]. */
function trunk(graph: Graph, config: Gpt2Config, tokens: Tokens, prefix: string): Tensor {
  const parameter = parametersOf(graph, config, prefix)
  const visible = attentionMask(tokens.mask)
  let x = add(gather(parameter('wte.weight'), tokens.ids), gather(parameter('wpe.weight'), tokens.positions))
  for (let layer = 0; layer < config.layers; layer++) {
    x = block(x, config, (name) => parameter(`h.${layer}.${name}`), (q, k, v) => attend(q, k, v, visible))
  }
  return x
}

/** V of each state from which a response token was drawn: [B·R, C] -> [B, R]. */
export function valueGraph(graph: Graph, config: Gpt2Config, sources: Tensor, { rows, responses }: BatchShape, prefix = POLICY): Tensor {
  const weight = graph.state(prefix + VALUE_WEIGHT, [config.width, 1])
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
