/** The epochs of one update. */
import type { Engine } from '../../lm/engines/engine.ts'
import { exactDiv } from '../../lm/graph/index.ts'
import { gradientSum } from '../../lm/training/optimizer-step.ts'
import { openLru } from '../../lm/lru.ts'
import type { Algorithm } from './algorithms/algorithm.ts'
import { optimizerConfig, type LearnerConfig } from './config.ts'
import type { Experience } from './experience.ts'
import { shapeOf, sizesOf } from './layout.ts'
import { inGroups, minibatches } from './minibatches.ts'
import type { HeldPolicy } from './policy.ts'
import { seedOf } from './random.ts'
import { openTrainStep, type TrainStep, type StepStatistics } from './train-step.ts'

export interface Optimizer {
  /** Optimizer steps since the run started, for Adam's bias correction. */
  steps: number
  /**
   * Runs epochs over the experiences until all are done or the KL stop ends them. Rejects with the signal's reason
   * between minibatches.
   */
  run(experiences: readonly Experience[], options: OptimizeOptions): Promise<StepStatistics[]>
  close(): Promise<void>
}

export interface OptimizeOptions {
  learningRate: number
  klCoefficient: number
  seed: number
  signal?: AbortSignal
}

const SHAPES_KEPT = 8

export function openOptimizer(
  engine: Engine,
  policy: HeldPolicy,
  algorithm: Algorithm,
  config: LearnerConfig,
  pause: () => Promise<void>,
): Optimizer {
  const { gradientAccumulationSteps: accumulation } = config
  const size = exactDiv(config.miniBatchSize, accumulation, 'miniBatchSize by gradientAccumulationSteps')
  exactDiv(size, algorithm.rows, 'the parts of a minibatch by the rollouts of a pair')
  const compiled = openLru<TrainStep>(SHAPES_KEPT, (step) => step.close())
  const options = {
    policy,
    algorithm,
    temperature: config.temperature,
    optimizer: optimizerConfig(config),
    accumulation,
  }

  const stepFor = (minibatch: readonly Experience[]): Promise<TrainStep> => {
    const parts = inGroups(
      minibatch.map((e) => e.rollout),
      size,
    )
    const shape = shapeOf(parts, size, policy.model.architecture.context)
    return compiled.get(sizesOf(shape), () => openTrainStep(engine, shape, options))
  }

  const optimizer: Optimizer = {
    steps: 0,
    async run(experiences, { learningRate, klCoefficient, seed, signal }) {
      const parts = exactDiv(experiences.length, config.miniBatchSize, 'rollouts by miniBatchSize')
      const done: StepStatistics[] = []
      for (let epoch = 0; epoch < config.ppoEpochs; epoch++) {
        for (const indices of minibatches(experiences.length, parts, seedOf(seed, epoch), algorithm.rows)) {
          signal?.throwIfAborted()
          const minibatch = indices.map((i) => experiences[i]!)
          const step = await stepFor(minibatch)
          const statistics = await step.run(minibatch, { step: optimizer.steps + 1, learningRate, klCoefficient })
          optimizer.steps++
          done.push(statistics)
          if (config.stopKL > 0 && statistics.approxKl > config.stopKL) return done
          await pause()
        }
      }
      return done
    },
    async close() {
      await compiled.close()
      for (const name of policy.trained.keys())
        if (engine.states.has(gradientSum(name))) engine.states.delete(gradientSum(name))
    },
  }
  return optimizer
}
