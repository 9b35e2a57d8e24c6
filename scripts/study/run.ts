/** One simulated crowd on one fresh instance, and how much better its policy is afterwards. */
import type { StepMetrics, TrainingConfig, TrainingConfigInput } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { mean } from '../../core/statistics.ts'
import { runCrowd } from '../crowd/crowd.ts'
import type { CrowdOptions, Progress } from '../crowd/options.ts'
import { latestStep } from '../crowd/print.ts'
import type { CrowdReport } from '../crowd/report.ts'
import { compassionChange, openEvaluator, type Evaluation } from './evaluate.ts'
import { withInstance } from './instance.ts'

export interface StudyRun {
  seed: number
  votesBy: 'oracle' | 'random'
  /** Of the base model and of the last committed checkpoint, on the same held-out prompts. */
  before: Evaluation
  after: Evaluation
  /** Change of the mean compassion, and its standard error over the prompts. */
  change: { mean: number; error: number }
  /** The configured target of the mean KL to the base, nats per answer. */
  targetKl: number
  /** Mean KL of the run's rollouts over all steps, and over the last quarter of them. */
  meanKl: number
  lastKl: number
  steps: number
  crowd: Omit<CrowdReport, 'votes'>
}

export interface StudyOptions {
  seed: number
  crowd: Omit<CrowdOptions, 'url' | 'session' | 'seed' | 'signal' | 'onProgress'>
  /** The session's deviations from the demo; the seed is set anyway. */
  change?: (demo: TrainingConfig) => TrainingConfigInput
  answersPerPrompt?: number
  /** Reports what is in progress, and how much of the run is done, 0…1. */
  onProgress: (done: number, doing: string) => void
}

/** How the time of a run is divided, seconds, besides the voting itself: for the progress bar. */
const STARTING = 20
const EVALUATING = 30
const DRAINING = 30

export async function studyRun(options: StudyOptions): Promise<StudyRun> {
  const { seed, onProgress, change = (demo) => demo } = options
  const total = STARTING + EVALUATING * 2 + options.crowd.seconds + DRAINING
  const say = (seconds: number, doing: string) => onProgress(Math.min(1, seconds / total), doing)
  say(0, 'starting an instance')
  const measured = await withInstance({ onTrouble: (message) => say(STARTING, message) }, async (instance) => {
    const session = await instance.startSession((demo) => {
      const configuration = change(demo)
      return { ...configuration, live: { ...configuration.live, seed } }
    })
    const { configuration, id } = session
    await instance.firstAnswers(session)
    const report = await runCrowd({
      ...options.crowd,
      url: instance.attune.url,
      session: id,
      seed,
      onProgress: (progress) => say(STARTING + progress.elapsed, doing(progress)),
    })
    if (report.ended !== null) throw new Error(`the session ended while the crowd was voting: ${report.ended}`)
    const checkpoint = await instance.checkpoint(id)
    if (checkpoint === null) throw new Error('not a single step was committed: nothing to evaluate')
    return { configuration, modelDir: instance.modelDir, report, checkpoint, steps: await instance.steps(id) }
  })
  const { configuration, modelDir, report, checkpoint, steps } = measured
  const { temperature, maxNewTokens } = configuration.live
  const { answersPerPrompt = 4 } = options
  const evaluator = await openEvaluator({
    modelDir,
    temperature,
    maxNewTokens,
    lora: learnerConfig(configuration).lora,
    seed,
    answersPerPrompt,
  })
  try {
    say(total - 2 * EVALUATING, 'evaluating the base')
    const before = await evaluator.evaluate('base')
    say(total - EVALUATING, 'evaluating what it has learnt')
    const after = await evaluator.evaluate(checkpoint)
    const { votes: _votes, ...crowd } = report
    return {
      seed,
      votesBy: report.votesBy,
      before,
      after,
      change: compassionChange(before, after),
      targetKl: configuration.ppoConfig.targetKL,
      meanKl: meanOf(steps, 'objective/kl'),
      lastKl: meanOf(steps.slice(-Math.ceil(steps.length / 4)), 'objective/kl'),
      steps: steps.length,
      crowd,
    }
  } finally {
    await evaluator.close()
  }
}

function doing({ phase, elapsed, raters }: Progress): string {
  const votes = raters.flatMap((rater) => [...rater.votes])
  return `${phase}, ${elapsed.toFixed(0)} s: step ${latestStep(raters)}, ${votes.length} votes, ${votes.filter((vote) => vote.receipt).length} used`
}

function meanOf(steps: readonly StepMetrics[], metric: string): number {
  return mean(
    steps.map(({ step, metrics }) => {
      const value = metrics[metric]
      if (value === undefined) throw new Error(`step ${step} has no metric ${metric}`)
      return value
    }),
  )
}
