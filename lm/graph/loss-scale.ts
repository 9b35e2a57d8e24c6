/**
 * Dynamic loss scaling (Micikevicius et al. 2018, section 3.2), by the rule and with the constants of PyTorch's
 * GradScaler. Gradients that float16 would round to 0 survive if the loss's gradient starts at the scale instead
 * of 1. They are unscaled, in float32, before anything reads them. If they overflow, the step is skipped and the scale
 * is halved; after many good steps it is doubled.
 *
 * Scale and count are states that the graph itself updates: a checkpoint of the weights includes them.
 */
import { type Descent } from './adamw.ts'
import { add, and, finite, less, maximum, minimum, mul, reciprocal, where } from './elementwise.ts'
import type { Graph } from './graph.ts'
import type { Tensor } from './tensor.ts'

/** GradScaler's `init_scale`, `growth_factor`, `backoff_factor` and `growth_interval`. */
const [initial, growth, backoff, interval] = [2 ** 16, 2, 0.5, 2_000]
/** An unscaled loss. */
export const leastScale = 1
/** GradScaler's limit is float32's; here the scale's reciprocal must be representable, too. */
const mostScale = 2 ** 64

const [scaleState, goodStepsState] = ['loss-scale/scale', 'loss-scale/good-steps'] as const

/** The states, all scalars, and their initial values. */
export const lossScaleStates: ReadonlyMap<string, number> = new Map([
  [scaleState, initial],
  [goodStepsState, 0],
])

/** What the gradients of this run are multiplied by: a scalar, a power of two. */
export const lossScale = (graph: Graph): Tensor => graph.state(scaleState, [])

/** The unscaled gradients. */
export function unscaled(graph: Graph, descents: readonly Descent[]): Descent[] {
  const inverse = reciprocal(lossScale(graph))
  return descents.map(({ name, gradient }) => ({ name, gradient: mul(gradient, inverse) }))
}

/** Adds the update of scale and count after a step whose gradients have this norm. */
export function updateLossScale(graph: Graph, norm: Tensor): void {
  const scale = lossScale(graph)
  const goodSteps = add(graph.state(goodStepsState, []), 1)
  const [good, early] = [finite(norm), less(goodSteps, interval)]
  const grown = where(early, scale, minimum(mul(scale, growth), mostScale))
  graph.update(scaleState, where(good, grown, maximum(mul(scale, backoff), leastScale)))
  graph.update(goodStepsState, where(and(good, early), goodSteps, 0))
}
