/**
 * Global-norm gradient clipping (Pascanu et al. 2013) and AdamW (Loshchilov &
 * Hutter 2019) as graph operations, in PyTorch's form: decay acts on the
 * weights by lr·wd, epsilon is added after the bias-corrected root.
 */
import { type Tensor } from './tensor.ts'
import { add, div, finite, minimum, mul, sqrt, sub, where } from './elementwise.ts'
import type { Graph } from './graph.ts'
import { constant } from './leaves.ts'
import { reduceSum } from './reduce.ts'

export interface AdamWOptions {
  beta1: number
  beta2: number
  epsilon: number
  weightDecay: number
  /** The gradients' global 2-norm is clipped to this; 0 disables clipping. */
  maxGradientNorm: number
}

/** A weight by its state name, and its gradient. */
export interface Descent {
  name: string
  gradient: Tensor
}

const rateInput = 'adamw.rate'
const decayInput = 'adamw.decay'
const epsilonInput = 'adamw.epsilon'

/**
 * Adds the updates of every weight and of its moments (states `adam.m/<name>` and
 * `adam.v/<name>`, zero before the first step) to the graph, and returns the
 * gradients' norm before clipping (a scalar). Feed `adamWInputs(...)` to each run.
 * With `onlyFinite` weights and moments stay as they are where the norm is infinite or NaN.
 */
export function adamW(
  graph: Graph,
  descents: readonly Descent[],
  options: AdamWOptions,
  { onlyFinite = false } = {},
): Tensor {
  const squares = descents.map(({ gradient }) => mul(gradient, gradient))
  const norm = sqrt(squares.map((square) => reduceSum(square)).reduce((a, b) => add(a, b)))
  const shrink = options.maxGradientNorm > 0 ? minimum(div(options.maxGradientNorm, add(norm, 1e-6)), 1) : constant(1)
  // Clipping scales every gradient equally, so it is folded into the moments' factors.
  const gainM = mul(shrink, 1 - options.beta1)
  const gainV = mul(mul(shrink, shrink), 1 - options.beta2)
  const rate = graph.input(rateInput, [])
  const decay = graph.input(decayInput, [])
  const epsilon = graph.input(epsilonInput, [])
  const good = onlyFinite ? finite(norm) : null
  // A select, not a product with 0 or 1: 0 · NaN is NaN.
  const become = (name: string, value: Tensor): void =>
    graph.update(name, good ? where(good, value, graph.state(name, value.shape)) : value)
  descents.forEach(({ name, gradient }, i) => {
    const weight = graph.state(name, gradient.shape)
    const [mName, vName] = momentNames(name)
    const m = add(mul(graph.state(mName, gradient.shape), options.beta1), mul(gradient, gainM))
    const v = add(
      mul(graph.state(vName, gradient.shape), options.beta2),
      mul(squares[i] ?? mul(gradient, gradient), gainV),
    )
    become(mName, m)
    become(vName, v)
    become(name, sub(mul(weight, decay), mul(div(m, add(sqrt(v), epsilon)), rate)))
  })
  return norm
}

/** What `adamW` reads at optimizer step `step` (1 for the first), with both bias corrections folded in. */
export function adamWInputs(options: AdamWOptions, step: number, learningRate: number): Record<string, number> {
  if (!Number.isInteger(step) || step < 1) throw new Error(`adamW: the first step is 1, not ${step}`)
  const root = Math.sqrt(1 - options.beta2 ** step)
  return {
    [rateInput]: (learningRate * root) / (1 - options.beta1 ** step),
    [decayInput]: 1 - learningRate * options.weightDecay,
    [epsilonInput]: options.epsilon * root,
  }
}

/** The states in which a weight's first and second moments live. */
export function momentNames(name: string): [m: string, v: string] {
  return [`adam.m/${name}`, `adam.v/${name}`]
}
