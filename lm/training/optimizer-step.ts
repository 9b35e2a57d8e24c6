/**
 * One optimizer step on a loss: backward, clipping and AdamW compiled behind a forward pass. A batch
 * that does not fit into memory is split into equal parts (gradient accumulation): their gradients are summed before
 * the one step, so that the result is the whole batch's.
 *
 * In float16 the loss is scaled (graph/loss-scale.ts). A step whose gradients overflow float16 changes only the scale,
 * and is repeated at half of it until they fit: unlike with PyTorch's GradScaler no batch is skipped, since people have
 * voted on it.
 */
import type { Engine, Feeds, Outputs, StateStore } from '../engines/engine.ts'
import {
  add,
  adamW,
  adamWInputs,
  constant,
  finite,
  Graph,
  gradients,
  leastScale,
  lossScale,
  lossScaleStates,
  momentNames,
  mul,
  unscaled,
  updateLossScale,
  where,
  type AdamWOptions,
  type Descent as Slope,
  type Shape,
  type Tensor,
} from '../graph/index.ts'

export interface DescentOptions {
  /**
   * The forward pass. Its outputs are scalars; those of the parts must add up to the whole's, so
   * every mean divides by the whole batch's count.
   */
  graph: Graph
  /** The loss; a scalar of the graph. */
  loss: Tensor
  /** States that the step updates. Their moments start at zero. */
  trained: ReadonlyMap<string, Shape>
  optimizer: AdamWOptions
  /** 1 is a single fused graph; with more, a second graph clips and applies. */
  parts: number
}

export interface Descent {
  /**
   * One step, from the feeds of each part. Returns the graph's outputs, summed, and `gradientNorm`: of all gradients
   * together, before clipping. In float16 also `lossScale`, at which the step succeeded, and `overflows`, the attempts
   * that failed. @throws BeyondFloat16 with weights and moments as they were before the step
   */
  run(parts: readonly Feeds[], at: { step: number; learningRate: number }): Promise<Record<string, number>>
  close(): Promise<void>
}

/** The gradients of a step are not finite at any scale. */
export class BeyondFloat16 extends Error {}

/** Initialises the scale. */
export function startLossScale(states: StateStore): void {
  for (const [name, value] of lossScaleStates) states.set(name, [], Float32Array.of(value))
}

/**
 * The state in which a parameter's gradient is summed; it outlives the compiled step, and is reused by the next shape.
 */
export const gradientSum = (name: string): string => `grad/${name}`

export async function openDescent(
  engine: Engine,
  { graph, loss, trained, optimizer, parts }: DescentOptions,
): Promise<Descent> {
  const scaled = engine.precision === 'float16'
  if (scaled && ![...lossScaleStates.keys()].every((name) => engine.states.has(name))) startLossScale(engine.states)
  const statistics = [...graph.outputs.keys()]
  const names = [...trained.keys()]
  for (const [name, shape] of trained) {
    for (const moment of momentNames(name)) if (!engine.states.has(moment)) engine.states.zero(moment, shape)
    if (parts > 1) engine.states.zero(gradientSum(name), shape)
  }
  const weights = [...trained].map(([name, shape]) => graph.state(name, shape))
  const descents = gradients(loss, weights, scaled ? lossScale(graph) : undefined).map((gradient, i) => ({
    name: names[i] ?? '',
    gradient,
  }))
  if (parts === 1) descend(graph, descents, optimizer, scaled)
  else
    for (const { name, gradient } of descents)
      graph.update(gradientSum(name), add(graph.state(gradientSum(name), gradient.shape), gradient))
  const pass = await engine.compile(graph)
  const apply = parts === 1 ? null : await engine.compile(applyGraph(trained, optimizer, scaled))
  const attempt = async (
    feeds: readonly Feeds[],
    rates: Feeds,
  ): Promise<{ sums: Record<string, number>; outcome: Outputs }> => {
    const sums: Record<string, number> = Object.fromEntries(statistics.map((name) => [name, 0]))
    let last: Outputs | null = null
    for (const part of feeds) {
      last = await pass.run(apply ? part : { ...part, ...rates })
      for (const name of statistics) sums[name] = (sums[name] ?? 0) + last.scalar(name)
    }
    const outcome = apply ? await apply.run(rates) : last
    if (!outcome) throw new Error('a step has at least one part')
    return { sums, outcome }
  }
  return {
    async run(feeds, { step, learningRate }) {
      if (feeds.length !== parts) throw new Error(`a step of ${parts} parts was given ${feeds.length}`)
      const rates = adamWInputs(optimizer, step, learningRate)
      for (let overflows = 0; ; overflows++) {
        const { sums, outcome } = await attempt(feeds, rates)
        const gradientNorm = outcome.scalar('gradientNorm')
        if (!scaled) return { ...sums, gradientNorm }
        const scale = outcome.scalar('lossScale')
        if (Number.isFinite(gradientNorm)) return { ...sums, gradientNorm, lossScale: scale, overflows }
        if (!(scale > leastScale)) throw new BeyondFloat16(beyond)
      }
    },
    async close() {
      await pass.dispose()
      await apply?.dispose()
    },
  }
}

const beyond =
  'The gradients of a step are infinite or NaN even with an unscaled loss: the model’s values exceed the range of float16. ' +
  'Train it in float32 (ATTUNE_PRECISION=float32, or --precision float32); if they are NaN there, too, use a lower learning rate.'

/** Adds the update and its statistics to the graph. */
function descend(graph: Graph, descents: readonly Slope[], optimizer: AdamWOptions, scaled: boolean): void {
  const norm = adamW(graph, scaled ? unscaled(graph, descents) : descents, optimizer, { onlyFinite: scaled })
  graph.output('gradientNorm', norm)
  if (!scaled) return
  graph.output('lossScale', lossScale(graph))
  updateLossScale(graph, norm)
}

/** Clips and applies the summed gradients, and clears the sums. */
function applyGraph(trained: ReadonlyMap<string, Shape>, optimizer: AdamWOptions, scaled: boolean): Graph {
  const graph = new Graph()
  const descents = [...trained].map(([name, shape]) => ({ name, gradient: graph.state(gradientSum(name), shape) }))
  for (const { name, gradient } of descents) {
    graph.state(name, gradient.shape)
    const cleared = mul(gradient, constant(0))
    graph.update(gradientSum(name), scaled ? where(finite(gradient), cleared, 0) : cleared)
  }
  descend(graph, descents, optimizer, scaled)
  return graph
}
