import { Graph, add, adamW, adamWInputs, constant, gradients, mul, type AdamWOptions, type Shape, type Tensor } from '../graph/index.ts'
import { leavesOf, type Engine } from '../engines/engine.ts'
import type { Algorithm } from './algorithm.ts'
import type { Experience } from './experience.ts'
import { layOut, padRows, type BatchShape } from './layout.ts'
import { entropyGraph, policyFeeds, policyGraph, valueGraph, type HeldPolicy } from './policy.ts'
import type { StepStatistics } from './statistics.ts'

export interface TrainStepOptions {
  policy: HeldPolicy
  algorithm: Algorithm
  temperature: number
  optimizer: AdamWOptions
  /** Equal parts into which a minibatch is cut, each a forward and backward pass of its own; 1 is a single fused graph. */
  accumulation: number
}

/** One optimizer step on one minibatch. */
export interface TrainStep {
  run(minibatch: readonly Experience[], at: { step: number; learningRate: number; klCoef: number }): Promise<StepStatistics>
  close(): Promise<void>
}

const sumName = (name: string): string => `grad/${name}`

/**
 * Compiles the step for minibatches of `shape.rows · accumulation` rollouts. Without accumulation,
 * forward, loss, backward, clipping and AdamW are one graph. With it, a first graph adds each
 * part's gradients to states `grad/…` (the losses' denominators are the whole minibatch's, so the
 * sum is the whole minibatch's gradient), and a second clips, applies and clears them.
 */
export async function openTrainStep(engine: Engine, shape: BatchShape, options: TrainStepOptions): Promise<TrainStep> {
  const { policy, optimizer, accumulation } = options
  if (accumulation > 1) for (const [name, size] of policy.trained) engine.states.zero(sumName(name), size)
  const loss = lossGraph(shape, options)
  if (accumulation === 1) loss.graph.output('gradientNorm', adamW(loss.graph, loss.descents, optimizer))
  else for (const { name, gradient } of loss.descents) accumulate(loss.graph, name, gradient)
  const pass = await engine.compile(loss.graph)
  const apply = accumulation === 1 ? undefined : await engine.compile(applyGraph(policy.trained, optimizer))

  return {
    async run(minibatch, { step, learningRate, klCoef }) {
      const tokens = minibatch.reduce((n, e) => n + e.rollout.responseIds.length, 0)
      const wholes: Readonly<Record<string, number>> = { tokens, responses: minibatch.length, klCoef }
      const rates = adamWInputs(optimizer, step, learningRate)
      const sums = byName(loss.statistics, () => 0)
      let gradientNorm = 0
      for (let start = 0; start < minibatch.length; start += shape.rows) {
        const part = minibatch.slice(start, start + shape.rows)
        const outputs = await pass.run({ ...feedsOf(part, shape, loss), ...byName(loss.wholes, (name) => wholes[name]), ...(!apply && rates) })
        for (const name of loss.statistics) sums[name] += outputs.scalar(name)
        if (!apply) gradientNorm = outputs.scalar('gradientNorm')
      }
      if (apply) gradientNorm = (await apply.run(rates)).scalar('gradientNorm')
      return { ...sums, approxKl: sums.approxKl, gradientNorm }
    },
    async close() {
      await pass.dispose()
      await apply?.dispose()
    },
  }
}

interface LossGraph {
  graph: Graph
  /** Every trained state's gradient. */
  descents: { name: string; gradient: Tensor }[]
  /** Names of what the graph puts out. */
  statistics: string[]
  /** Names of what the loss reads. */
  columns: string[]
  scalars: string[]
  wholes: string[]
}

function lossGraph(shape: BatchShape, { policy, algorithm, temperature }: TrainStepOptions): LossGraph {
  const { rows, responses } = shape
  const graph = new Graph()
  const { logprobs, sources, logits } = policyGraph(graph, policy.model, shape, temperature)
  const asked = { columns: new Set<string>(), scalars: new Set<string>(), wholes: new Set<string>() }
  const input = (kind: keyof typeof asked, name: string, size: Shape): Tensor => {
    asked[kind].add(name)
    return graph.input(name, size)
  }
  const losses = algorithm.loss({
    newLogprobs: logprobs,
    mask: graph.input('responseMask', [rows, responses]),
    newValues: () => valueGraph(graph, policy.model.architecture, sources, shape),
    entropies: () => entropyGraph(logits, shape),
    column: (name) => input('columns', name, [rows, responses]),
    scalar: (name) => input('scalars', name, [rows]),
    whole: (name) => input('wholes', name, []),
  })
  for (const [name, value] of Object.entries(losses)) graph.output(name, value)
  const trained = [...policy.trained]
  const slopes = gradients(losses.totalLoss, trained.map(([name, size]) => graph.state(name, size)))
  const read = leavesOf(graph, 'input')
  const readOf = (kind: keyof typeof asked): string[] => [...asked[kind]].filter((name) => read.has(name))
  return {
    graph,
    descents: trained.map(([name], i) => ({ name, gradient: slopes[i] })),
    statistics: Object.keys(losses),
    ...{ columns: readOf('columns'), scalars: readOf('scalars'), wholes: readOf('wholes') },
  }
}

function accumulate(graph: Graph, name: string, gradient: Tensor): void {
  graph.update(sumName(name), add(graph.state(sumName(name), gradient.shape), gradient))
}

function applyGraph(trained: ReadonlyMap<string, Shape>, optimizer: AdamWOptions): Graph {
  const graph = new Graph()
  const descents = [...trained].map(([name, size]) => ({ name, gradient: graph.state(sumName(name), size) }))
  for (const { name, gradient } of descents) {
    graph.state(name, gradient.shape)
    graph.update(sumName(name), mul(gradient, constant(0)))
  }
  graph.output('gradientNorm', adamW(graph, descents, optimizer))
  return graph
}

function feedsOf(part: readonly Experience[], shape: BatchShape, { columns, scalars }: LossGraph): Record<string, Int32Array | Float32Array> {
  const layout = layOut(part.map((e) => e.rollout), shape)
  return {
    ...policyFeeds(layout, shape),
    responseMask: layout.responseMask,
    ...byName(columns, (name) => padRows(part.map((e) => e.columns[name]), shape)),
    ...byName(scalars, (name) => Float32Array.from(part, (e) => e.scalars[name])),
  }
}

function byName<T>(names: readonly string[], value: (name: string) => T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value(name)]))
}
