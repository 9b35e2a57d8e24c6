/** The policy and its value head as graph operations over a laid-out batch. */
import type { StateStore } from '../../lm/engines/engine.ts'
import {
  add,
  div,
  entropy,
  gather,
  matmul,
  momentNames,
  mul,
  reshape,
  tokenLogProbs,
  type Graph,
  type Shape,
  type Tensor,
} from '../../lm/graph/index.ts'
import {
  heldParameters,
  trainedParameters,
  type Architecture,
  type HeldModel,
} from '../../lm/architectures/architecture.ts'
import { loadWeights, type Model } from '../../lm/files/directory.ts'
import { finalNorm, nextLogits, residualStream, tokenFeeds, tokenInputs } from '../../lm/architectures/forward.ts'
import { adaptersOf, initialiseAdapters, type LoraConfig } from '../../lm/architectures/lora.ts'
import type { BatchLayout, BatchShape } from './layout.ts'

/** Prefixes of the engine's states. */
export const POLICY = 'policy/'
export const REFERENCE = 'reference/'

const VALUE_WEIGHT = `${POLICY}value.weight`
const VALUE_BIAS = `${POLICY}value.bias`

/**
 * The value head's output is multiplied by this. Adam moves every parameter by about the learning
 * rate whatever its gradient's size, so the factor is how much faster the head learns than the trunk.
 */
const VALUE_SCALE = 30

/** The policy and its reference, as held by an engine. */
export interface HeldPolicy {
  /** The whole model, or adapters on the reference's parameters. */
  readonly model: HeldModel
  /** The policy as it was before the run; never changes. */
  readonly reference: HeldModel
  readonly valueHead: boolean
  /** States that an update changes, without Adam's moments. */
  readonly trained: ReadonlyMap<string, Shape>
}

/**
 * The states of a policy. With `lora` the base's parameters are held once, shared by policy and
 * reference.
 */
export function heldPolicy(
  architecture: Architecture,
  { valueHead, lora }: { valueHead: boolean; lora: LoraConfig | null },
): HeldPolicy {
  const reference = { architecture, prefix: REFERENCE }
  const model = lora
    ? { ...reference, adapters: adaptersOf(architecture, lora, POLICY) }
    : { architecture, prefix: POLICY }
  return {
    model,
    reference,
    valueHead,
    trained: new Map([...trainedParameters(model), ...(valueHead ? valueParameters(architecture) : [])]),
  }
}

/** Initialises every state of a policy; moments are 0. `seed` is for the adapters. */
export function loadPolicy(
  states: StateStore,
  base: Model,
  { model, trained, valueHead }: HeldPolicy,
  seed: number,
): void {
  loadWeights(states, base, REFERENCE)
  if (model.adapters) initialiseAdapters(states, model.adapters, seed)
  else loadWeights(states, base, POLICY)
  if (valueHead) for (const [name, shape] of valueParameters(base.architecture)) states.zero(name, shape)
  for (const [name, shape] of momentStates(trained)) states.zero(name, shape)
}

/** Frees every state of a policy. */
export function releasePolicy(states: StateStore, { trained, reference }: HeldPolicy): void {
  for (const own of [trained, momentStates(trained), heldParameters(reference)])
    for (const name of own.keys()) states.delete(name)
}

/** Adam's moments of every trained parameter. */
export function momentStates(trained: ReadonlyMap<string, Shape>): Map<string, Shape> {
  return new Map(
    [...trained].flatMap(([name, shape]) => momentNames(name).map((moment): [string, Shape] => [moment, shape])),
  )
}

/** The value head's parameters, all 0 at the start. */
function valueParameters({ width }: Architecture): Map<string, Shape> {
  return new Map<string, Shape>([
    [VALUE_WEIGHT, [width, 1]],
    [VALUE_BIAS, [1]],
  ])
}

export interface PolicyTensors {
  /** The residual stream after the last block, before the final norm: [B·T, C]. */
  residual: Tensor
  /** Final hidden states from which each response token was predicted: [M, C]. */
  sources: Tensor
  /** All final hidden states: [B·T, C]. */
  hidden: Tensor
  /** log π(action) at the sampling temperature: [N, R]. Arbitrary where padded. */
  logprobs: Tensor
  /** [M, V], divided by the temperature. */
  logits: Tensor
  /** Figures of response tokens by their rollouts: [M] or [M, 1] -> [N, R]. Arbitrary where padded. */
  byRollout: (x: Tensor) => Tensor
}

/** Trunk and language head. Only response positions reach the head. */
export function policyGraph(graph: Graph, model: HeldModel, shape: BatchShape, temperature: number): PolicyTensors {
  const { rollouts, rows, length, responses, answered } = shape
  const { width } = model.architecture
  const residual = reshape(residualStream(graph, model, tokenInputs(graph, rows, length)), [rows * length, width]) // [B, T, C] -> [B·T, C]
  const hidden = finalNorm(graph, model, residual)
  const sources = gather(hidden, graph.input('sources', [answered], 'int32')) // -> [M, C]
  const raw = nextLogits(graph, model, sources) // -> [M, V]
  const logits = temperature === 1 ? raw : div(raw, temperature)
  const cells = graph.input('cells', [rollouts * responses], 'int32')
  const byRollout = (x: Tensor): Tensor => reshape(gather(reshape(x, [answered, 1]), cells), [rollouts, responses])
  const logprobs = byRollout(tokenLogProbs(logits, graph.input('actions', [answered], 'int32')))
  return { residual, hidden, sources, logits, logprobs, byRollout }
}

/** V of each state from which a response token was drawn: [N, R]. */
export function valueGraph(graph: Graph, { width }: Architecture, { sources, byRollout }: PolicyTensors): Tensor {
  const weight = graph.state(VALUE_WEIGHT, [width, 1])
  const bias = graph.state(VALUE_BIAS, [1])
  return mul(byRollout(add(matmul(sources, weight), bias)), VALUE_SCALE)
}

/** Entropy of each response position's distribution, nats: [N, R]. */
export const entropyGraph = ({ logits, byRollout }: PolicyTensors): Tensor => byRollout(entropy(logits))

/** What `policyGraph` reads. */
export function policyFeeds(layout: BatchLayout, { length }: BatchShape): Record<string, Int32Array> {
  const { ids, segments, sources, actions, cells } = layout
  return { ...tokenFeeds(ids, segments, length), sources, actions, cells }
}
