import { leavesOf, type Engine } from '../../lm/engines/engine.ts'
import { exactDiv, Graph, type AdamWOptions, type Shape, type Tensor } from '../../lm/graph/index.ts'
import { openDescent } from '../../lm/training/optimizer-step.ts'
import type { Algorithm } from './algorithms/algorithm.ts'
import type { Experience } from './experience.ts'
import { layOut, padRows, type BatchShape } from './layout.ts'
import { inGroups } from './minibatches.ts'
import { entropyGraph, policyFeeds, policyGraph, valueGraph, type HeldPolicy } from './policy.ts'

/**
 * Statistics of one optimizer step: the loss's by name, and the global gradient norm before
 * clipping.
 */
export interface StepStatistics {
  approxKl: number
  gradientNorm: number
  [statistic: string]: number
}

export interface TrainStepOptions {
  policy: HeldPolicy
  algorithm: Algorithm
  temperature: number
  optimizer: AdamWOptions
  /** Equal parts into which a minibatch is split; each is one pass of `shape`. */
  accumulation: number
}

/** One optimizer step on one minibatch. */
export interface TrainStep {
  run(
    minibatch: readonly Experience[],
    at: { step: number; learningRate: number; klCoefficient: number },
  ): Promise<StepStatistics>
  close(): Promise<void>
}

/**
 * Compiles the step for minibatches of `shape.rollouts · accumulation` rollouts: the policy's forward pass, the algorithm's
 * loss, and the optimizer step.
 */
export async function openTrainStep(engine: Engine, shape: BatchShape, options: TrainStepOptions): Promise<TrainStep> {
  const { policy, optimizer, accumulation } = options
  const reads = lossGraph(shape, options)
  const descent = await openDescent(engine, {
    graph: reads.graph,
    loss: reads.loss,
    trained: policy.trained,
    optimizer,
    parts: accumulation,
  })
  return {
    async run(minibatch, { step, learningRate, klCoefficient }) {
      exactDiv(minibatch.length, accumulation, 'the rollouts of a minibatch by its parts')
      const tokens = minibatch.reduce((n, e) => n + e.rollout.responseIds.length, 0)
      const wholes: Readonly<Record<string, number>> = { tokens, responses: minibatch.length, klCoefficient }
      const parts = inGroups(minibatch, shape.rollouts).map((part) => ({
        ...feedsOf(part, shape, reads),
        ...byName(reads.wholes, (name) => wholes[name]!),
      }))
      const statistics = await descent.run(parts, { step, learningRate })
      return { ...statistics, approxKl: statistics.approxKl!, gradientNorm: statistics.gradientNorm! }
    },
    close: () => descent.close(),
  }
}

interface LossGraph {
  graph: Graph
  loss: Tensor
  /** Names of the loss's inputs. */
  columns: string[]
  scalars: string[]
  wholes: string[]
}

function lossGraph(shape: BatchShape, { policy, algorithm, temperature }: TrainStepOptions): LossGraph {
  const { rollouts, responses } = shape
  const graph = new Graph()
  const tensors = policyGraph(graph, policy.model, shape, temperature)
  const asked = { columns: new Set<string>(), scalars: new Set<string>(), wholes: new Set<string>() }
  const input = (kind: keyof typeof asked, name: string, size: Shape): Tensor => {
    asked[kind].add(name)
    return graph.input(name, size)
  }
  const losses = algorithm.loss({
    newLogprobs: tensors.logprobs,
    mask: graph.input('responseMask', [rollouts, responses]),
    newValues: () => valueGraph(graph, policy.model.architecture, tensors),
    entropies: () => entropyGraph(tensors),
    column: (name) => input('columns', name, [rollouts, responses]),
    scalar: (name) => input('scalars', name, [rollouts]),
    whole: (name) => input('wholes', name, []),
  })
  for (const [name, value] of Object.entries(losses)) graph.output(name, value)
  const read = leavesOf(graph, 'input')
  const readOf = (kind: keyof typeof asked): string[] => [...asked[kind]].filter((name) => read.has(name))
  return {
    graph,
    loss: losses.totalLoss,
    columns: readOf('columns'),
    scalars: readOf('scalars'),
    wholes: readOf('wholes'),
  }
}

function feedsOf(
  part: readonly Experience[],
  shape: BatchShape,
  { columns, scalars }: LossGraph,
): Record<string, Int32Array | Float32Array> {
  const layout = layOut(
    part.map((e) => e.rollout),
    shape,
  )
  return {
    ...policyFeeds(layout, shape),
    responseMask: layout.responseMask,
    ...byName(columns, (name) =>
      padRows(
        part.map((e) => e.columns[name]!),
        shape,
      ),
    ),
    ...byName(scalars, (name) => Float32Array.from(part, (e) => e.scalars[name]!)),
  }
}

function byName<T>(names: readonly string[], value: (name: string) => T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value(name)]))
}
