/** What the live loop's arithmetic makes of a simulated crowd's votes, with the settings of a run that names none. */
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import type { OfflineCrowd } from './offline-crowd.ts'
import { offlineRun, type Truth } from './offline-run.ts'

export interface TrainedOptions {
  modelDir: string
  seed: number
  steps: number
  /** Prompts that the run does not use. */
  heldOut: readonly string[]
  crowd?: Partial<OfflineCrowd>
  /** The run's deviations from the defaults. */
  change?: TrainingConfigInput
  onStep?: (step: number) => void
}

/** The pace of a room of twelve: votes of a step, answers shown in it, and how many steps later they are voted on. */
const PACE = { votesPerStep: 4.8, shown: 2, delay: 4 }
const CROWD = { raters: 12, noise: 0.12 }

/** The oracle on answers to the held-out prompts, by the base and by what was learnt. */
export async function trained(options: TrainedOptions): Promise<{ before: Truth; after: Truth }> {
  const { modelDir, seed, steps, heldOut, crowd = {}, change = {}, onStep } = options
  const config = TrainingConfig.parse(change)
  const run = offlineRun({
    ...{ modelDir, seed, steps, heldOut, ...PACE },
    rollouts: config.batchSize,
    candidates: config.live.candidates,
    overlap: false,
    evaluateEvery: Infinity,
    crowd: () => ({
      ...{ temper: 'honest', adversaries: 0, strangers: 0, ...CROWD, seed },
      categories: config.live.categories.map(({ name }) => name),
      ...crowd,
    }),
    texts: 0,
    learner: learnerConfig(config),
    rewardModel: rewardModelConfig(config),
  })
  const judged: Truth[] = []
  for await (const at of run) {
    if (at.heldOut) judged.push(at.heldOut)
    onStep?.(at.step)
  }
  const [before, after] = [judged[0], judged.at(-1)]
  if (!before || !after || judged.length < 2)
    throw new Error('a run is judged before its first step and after its last')
  return { before, after }
}
