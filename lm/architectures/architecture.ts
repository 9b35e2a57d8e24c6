/**
 * What a family of language models must provide. Training, sampling, the policy and the reward model are
 * built from this alone (forward.ts, kv-cache-graphs.ts), so a further family is one more file beside
 * gpt2.ts and llama.ts.
 */
import { add, linear, matmul, type Graph, type Shape, type Tensor } from '../graph/index.ts'
import { heldShape } from './projection-layout.ts'

/**
 * A decoder-only transformer of given sizes. B sequences of T tokens, C wide; H query heads, K key and value heads of
 * depth D; V tokens.
 */
export interface Architecture {
  /** The contents of the model's `config.json`. */
  readonly config: Readonly<Record<string, unknown>>
  readonly vocabSize: number
  /** Longest sequence, in tokens. */
  readonly context: number
  /** C. */
  readonly width: number
  readonly layers: number
  /** K; each serves H / K query heads. */
  readonly keyValueHeads: number
  /** D. */
  readonly headDepth: number
  /** Tokens that end a text; there may be none. */
  readonly eosTokens: readonly number[]
  /** Hugging Face's parameter names and shapes, in a fixed order. */
  readonly parameters: ReadonlyMap<string, Shape>
  /**
   * Whether files store this parameter, a projection's weight, as [in, out]. Engines hold all as [out, in]
   * (projection-layout.ts).
   */
  storedInOut(name: string): boolean
  /** How many of the latest tokens, itself included, a token of this layer sees; null for all. */
  slidingWindow(layer: number): number | null
  /** Standard deviation of a new model's entries of a parameter with two axes. */
  initialDeviation(name: string): number
  /** The residual stream after the last block: ids [B, T], positions [B, T] or [1, T] -> [B, T, C]. */
  residual(parameters: Parameters, ids: Tensor, positions: Tensor, attention: Attention): Tensor
  /** The norm before the head: [..., C] -> [..., C]. */
  finalNorm(parameters: Parameters, x: Tensor): Tensor
  /** Next-token logits of normed states: [..., C] -> [..., V]. */
  head(parameters: Parameters, hidden: Tensor): Tensor
}

/** What a layer's queries [B, H, T, D] find in its keys and values [B, K, T, D]: [B, H, T, D]. */
export type Attention = (layer: number, q: Tensor, k: Tensor, v: Tensor) => Tensor

/** A model held by an engine: its architecture, and the prefix of its states' names (empty by default). */
export interface HeldModel {
  readonly architecture: Architecture
  readonly prefix?: string
  /** Adapters on top of these parameters (lora.ts). */
  readonly adapters?: Adapters
}

/** Low-rank terms that are added to projections: `scale · x Aᵀ Bᵀ`. */
export interface Adapters {
  readonly scale: number
  /** By the projection's name. */
  readonly pairs: ReadonlyMap<string, AdapterPair>
}

/** The states of one adapter: A [rank, in] and B [out, rank]. */
export interface AdapterPair {
  readonly a: { name: string; shape: Shape }
  readonly b: { name: string; shape: Shape }
}

/** The parameters of one model as tensors of one graph. */
export interface Parameters {
  /** A parameter by its Hugging Face name. */
  tensor(name: string): Tensor
  /**
   * x [..., in] through the projection `name` (its `.weight`, and its `.bias` where it has one) ->
   * [..., out]. Every projection of every family's blocks goes through this function: the one place where adapters are
   * added.
   */
  project(x: Tensor, name: string): Tensor
}

export function parametersOf(graph: Graph, { architecture, prefix = '', adapters }: HeldModel): Parameters {
  const tensor = (name: string): Tensor => graph.state(prefix + name, heldShape(architecture, name))
  return {
    tensor,
    project(x, name) {
      const bias = architecture.parameters.has(`${name}.bias`) ? tensor(`${name}.bias`) : null
      const projected = linear(x, tensor(`${name}.weight`), bias, { transposed: true })
      const pair = adapters?.pairs.get(name)
      if (!adapters || !pair) return projected
      const low = matmul(x, graph.state(pair.a.name, pair.a.shape), { transposeB: true }) // [..., in] -> [..., rank]
      return add(
        projected,
        matmul(low, graph.state(pair.b.name, pair.b.shape), { transposeB: true, alpha: adapters.scale }),
      )
    },
  }
}

/**
 * Names and shapes of the states that training changes: the adapters' where there are any, else the model's own, in a
 * fixed order.
 */
export function trainedParameters(model: HeldModel): Map<string, Shape> {
  if (!model.adapters) return heldParameters(model)
  return new Map(
    [...model.adapters.pairs.values()].flatMap(({ a, b }) =>
      [a, b].map(({ name, shape }): [string, Shape] => [name, shape]),
    ),
  )
}

/** Names and shapes of the states that hold a model's parameters, in their fixed order. */
export function heldParameters({ architecture, prefix = '' }: HeldModel): Map<string, Shape> {
  return new Map([...architecture.parameters.keys()].map((name) => [prefix + name, heldShape(architecture, name)]))
}
