/** The epochs of one update. */
import type { Engine } from '../engines/engine.ts'
import { exactDiv } from '../graph/index.ts'
import type { Architecture } from '../models/architecture.ts'
import type { Experience } from './batch.ts'
import { lossConfig, optimizerConfig, type LearnerConfig } from './config.ts'
import { shapeOf, type BatchShape } from './layout.ts'
import { minibatches } from './minibatches.ts'
import { seedOf } from './random.ts'
import type { StepStatistics } from './statistics.ts'
import { openTrainStep, type TrainStep } from './train-step.ts'

export interface Optimizer {
  /** Optimizer steps since the run began; Adam's bias correction reads it. */
  steps: number
  /** Epochs over the experiences until all are done or the KL stop ends them. Rejects with the signal's reason between minibatches. */
  run(experiences: readonly Experience[], options: { learningRate: number; seed: number; signal?: AbortSignal }): Promise<StepStatistics[]>
  close(): Promise<void>
}

/** Compiled shapes kept; the one unused longest goes first. */
const MAX_SHAPES = 4

export function openOptimizer(engine: Engine, architecture: Architecture, config: LearnerConfig, pause: () => Promise<void>): Optimizer {
  const rows = exactDiv(config.miniBatchSize, config.gradientAccumulationSteps, 'miniBatchSize by gradientAccumulationSteps')
  const compiled = new Map<string, TrainStep>()

  const stepFor = async (shape: BatchShape): Promise<TrainStep> => {
    const key = `${shape.length}/${shape.responses}`
    const step =
      compiled.get(key) ??
      (await openTrainStep(engine, shape, {
        architecture,
        loss: lossConfig(config),
        temperature: config.temperature,
        optimizer: optimizerConfig(config),
        accumulation: config.gradientAccumulationSteps,
      }))
    compiled.delete(key)
    compiled.set(key, step) // the last is the one used last
    const [oldest] = compiled
    if (oldest && compiled.size > MAX_SHAPES) {
      compiled.delete(oldest[0])
      await oldest[1].close()
    }
    return step
  }

  const optimizer: Optimizer = {
    steps: 0,
    async run(experiences, { learningRate, seed, signal }) {
      const parts = exactDiv(experiences.length, config.miniBatchSize, 'rollouts by miniBatchSize')
      const step = await stepFor(shapeOf(experiences.map((e) => e.rollout), rows, architecture.context))
      const done: StepStatistics[] = []
      for (let epoch = 0; epoch < config.ppoEpochs; epoch++) {
        for (const indices of minibatches(experiences.length, parts, seedOf(seed, epoch))) {
          signal?.throwIfAborted()
          const statistics = await step.run(indices.map((i) => experiences[i]), optimizer.steps + 1, learningRate)
          optimizer.steps++
          done.push(statistics)
          if (config.stopKL > 0 && statistics.approxKl > config.stopKL) return done
          await pause()
        }
      }
      return done
    },
    async close() {
      for (const step of compiled.values()) await step.close()
      compiled.clear()
    },
  }
  return optimizer
}
