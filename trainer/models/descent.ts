/**
 * One optimizer step on a loss: backward, clipping and AdamW compiled behind a forward pass. A batch
 * that does not fit into memory is cut into equal parts, each a pass of its own: their gradients are
 * summed before the one step, so that the result is the whole batch's.
 */
import type { Engine, Feeds } from '../engines/engine.ts'
import { add, adamW, adamWInputs, constant, Graph, gradients, momentNames, mul, type AdamWOptions, type Shape, type Tensor } from '../graph/index.ts'

export interface DescentOptions {
  /**
   * The forward pass. Its outputs are scalars; those of the parts must add up to the whole's, so
   * every mean has the whole batch's count below its line.
   */
  graph: Graph
  /** What is made small; a scalar of the graph. */
  loss: Tensor
  /** States that the step changes. Their moments are zero at first. */
  trained: ReadonlyMap<string, Shape>
  optimizer: AdamWOptions
  /** 1 is a single fused graph; with more, a second graph clips and applies. */
  parts: number
}

export interface Descent {
  /** One step, from the feeds of each part. Gives the graph's outputs, summed, and `gradientNorm`: of all gradients together, before clipping. */
  run(parts: readonly Feeds[], at: { step: number; learningRate: number }): Promise<Record<string, number>>
  close(): Promise<void>
}

/** The state in which a parameter's gradient is summed; it outlives the descent, for the next one of another shape. */
export const gradientSum = (name: string): string => `grad/${name}`

export async function openDescent(engine: Engine, { graph, loss, trained, optimizer, parts }: DescentOptions): Promise<Descent> {
  const statistics = [...graph.outputs.keys()]
  const names = [...trained.keys()]
  for (const [name, shape] of trained) {
    for (const moment of momentNames(name)) if (!engine.states.has(moment)) engine.states.zero(moment, shape)
    if (parts > 1) engine.states.zero(gradientSum(name), shape)
  }
  const descents = gradients(loss, [...trained].map(([name, shape]) => graph.state(name, shape))).map((gradient, i) => ({ name: names[i] ?? '', gradient }))
  if (parts === 1) graph.output('gradientNorm', adamW(graph, descents, optimizer))
  else for (const { name, gradient } of descents) graph.update(gradientSum(name), add(graph.state(gradientSum(name), gradient.shape), gradient))
  const pass = await engine.compile(graph)
  const apply = parts === 1 ? null : await engine.compile(applyGraph(trained, optimizer))
  return {
    async run(feeds, { step, learningRate }) {
      if (feeds.length !== parts) throw new Error(`a step of ${parts} parts was given ${feeds.length}`)
      const rates = adamWInputs(optimizer, step, learningRate)
      const sums: Record<string, number> = Object.fromEntries(statistics.map(name => [name, 0]))
      let gradientNorm = 0
      for (const part of feeds) {
        const outputs = await pass.run(apply ? part : { ...part, ...rates })
        for (const name of statistics) sums[name] = (sums[name] ?? 0) + outputs.scalar(name)
        if (!apply) gradientNorm = outputs.scalar('gradientNorm')
      }
      if (apply) gradientNorm = (await apply.run(rates)).scalar('gradientNorm')
      return { ...sums, gradientNorm }
    },
    async close() {
      await pass.dispose()
      await apply?.dispose()
    },
  }
}

/** Clips and applies the summed gradients, and clears the sums. */
function applyGraph(trained: ReadonlyMap<string, Shape>, optimizer: AdamWOptions): Graph {
  const graph = new Graph()
  const descents = [...trained].map(([name, shape]) => ({ name, gradient: graph.state(gradientSum(name), shape) }))
  for (const { name, gradient } of descents) {
    graph.state(name, gradient.shape)
    graph.update(gradientSum(name), mul(gradient, constant(0)))
  }
  graph.output('gradientNorm', adamW(graph, descents, optimizer))
  return graph
}
