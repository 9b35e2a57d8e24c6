import { Graph, add, adamW, adamWInputs, constant, gradients, mul, type AdamWOptions, type Shape, type Tensor } from '../graph/index.ts'
import type { Engine } from '../engines/engine.ts'
import type { Architecture } from '../models/architecture.ts'
import type { Experience } from './batch.ts'
import { layOut, padRows, type BatchShape } from './layout.ts'
import { entropyGraph, policyFeeds, policyGraph, policyParameters, valueGraph } from './policy.ts'
import { ppoLossGraph } from './ppo-graph.ts'
import type { PpoLossConfig } from './ppo.ts'
import type { StepStatistics } from './statistics.ts'

export interface TrainStepOptions {
  architecture: Architecture
  loss: PpoLossConfig
  temperature: number
  optimizer: AdamWOptions
  /** Equal parts into which a minibatch is cut, each a forward and backward pass of its own; 1 is a single fused graph. */
  accumulation: number
}

/** One optimizer step on one minibatch. */
export interface TrainStep {
  run(minibatch: readonly Experience[], step: number, learningRate: number): Promise<StepStatistics>
  close(): Promise<void>
}

const LOSS_NAMES = ['policyLoss', 'valueLoss', 'entropy', 'totalLoss', 'approxKl', 'clipFraction', 'valueClipFraction', 'ratio'] as const
const sumName = (name: string): string => `grad/${name}`

/**
 * Compiles the step for minibatches of `shape.rows · accumulation` rollouts. Without accumulation,
 * forward, loss, backward, clipping and AdamW are one graph. With it, a first graph adds each
 * part's gradients to states `grad/…` (the losses' denominators are the whole minibatch's, so the
 * sum is the whole minibatch's gradient), and a second clips, applies and clears them.
 */
export async function openTrainStep(engine: Engine, shape: BatchShape, options: TrainStepOptions): Promise<TrainStep> {
  const { architecture, optimizer, accumulation } = options
  const parameters = [...policyParameters(architecture)]
  if (accumulation > 1) for (const [name, size] of parameters) engine.states.zero(sumName(name), size)
  const pass = await engine.compile(accumulation === 1 ? fusedGraph(parameters, shape, options) : accumulateGraph(parameters, shape, options))
  const apply = accumulation === 1 ? undefined : await engine.compile(applyGraph(parameters, optimizer))

  return {
    async run(minibatch, step, learningRate) {
      const tokens = minibatch.reduce((n, e) => n + e.rollout.responseIds.length, 0)
      const rates = adamWInputs(optimizer, step, learningRate)
      const sums = Object.fromEntries(LOSS_NAMES.map((name) => [name, 0])) as Record<(typeof LOSS_NAMES)[number], number>
      let gradientNorm = 0
      for (let start = 0; start < minibatch.length; start += shape.rows) {
        const feeds = { ...experienceFeeds(minibatch.slice(start, start + shape.rows), shape), tokens }
        const outputs = await pass.run(apply ? feeds : { ...feeds, ...rates })
        for (const name of LOSS_NAMES) sums[name] += outputs.scalar(name)
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

type ParameterList = readonly (readonly [string, Shape])[]

function fusedGraph(parameters: ParameterList, shape: BatchShape, options: TrainStepOptions): Graph {
  const graph = new Graph()
  const slopes = lossGradients(graph, parameters, shape, options)
  graph.output('gradientNorm', adamW(graph, slopes, options.optimizer))
  return graph
}

function accumulateGraph(parameters: ParameterList, shape: BatchShape, options: TrainStepOptions): Graph {
  const graph = new Graph()
  for (const { name, gradient } of lossGradients(graph, parameters, shape, options)) {
    const sum = graph.state(sumName(name), gradient.shape)
    graph.update(sumName(name), add(sum, gradient))
  }
  return graph
}

function applyGraph(parameters: ParameterList, optimizer: AdamWOptions): Graph {
  const graph = new Graph()
  const descents = parameters.map(([name, size]) => ({ name, gradient: graph.state(sumName(name), size) }))
  for (const { name, gradient } of descents) {
    graph.state(name, gradient.shape)
    graph.update(sumName(name), mul(gradient, constant(0)))
  }
  graph.output('gradientNorm', adamW(graph, descents, optimizer))
  return graph
}

/** Outputs the loss and its statistics, and returns every parameter's gradient. */
function lossGradients(graph: Graph, parameters: ParameterList, shape: BatchShape, options: TrainStepOptions): { name: string; gradient: Tensor }[] {
  const { rows, responses } = shape
  const policy = policyGraph(graph, options.architecture, shape, options.temperature)
  const table = (name: string): Tensor => graph.input(name, [rows, responses])
  const losses = ppoLossGraph(
    {
      newLogprobs: policy.logprobs,
      oldLogprobs: table('oldLogprobs'),
      newValues: valueGraph(graph, options.architecture, policy.sources, shape),
      oldValues: table('oldValues'),
      advantages: table('advantages'),
      returns: table('returns'),
      // Without a bonus its gradient is nothing, and two arrays of the logits' size are saved.
      entropies: options.loss.entropyCoef === 0 ? constant(0, [rows, responses]) : entropyGraph(policy.logits, shape),
      mask: table('responseMask'),
      tokens: graph.input('tokens', []),
    },
    options.loss,
  )
  for (const name of LOSS_NAMES) graph.output(name, losses[name])
  const slopes = gradients(losses.totalLoss, parameters.map(([name, size]) => graph.state(name, size)))
  return parameters.map(([name], i) => ({ name, gradient: slopes[i] }))
}

function experienceFeeds(part: readonly Experience[], shape: BatchShape): Record<string, Int32Array | Float32Array> {
  const layout = layOut(part.map((e) => e.rollout), shape)
  return {
    ...policyFeeds(layout, shape),
    responseMask: layout.responseMask,
    oldLogprobs: padRows(part.map((e) => e.oldLogprobs), shape),
    oldValues: padRows(part.map((e) => e.values), shape),
    advantages: padRows(part.map((e) => e.advantages), shape),
    returns: padRows(part.map((e) => e.returns), shape),
  }
}
