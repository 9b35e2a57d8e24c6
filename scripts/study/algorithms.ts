/**
 * `npm run study -- algorithms`: do PPO, GRPO and DPO each improve the answers according to a hidden oracle? Each
 * trains the demo model on the noisy votes of a simulated crowd, several times over with different seeds, with the
 * settings of a session that names the algorithm and nothing else. No server and no clock: the live loop's arithmetic
 * alone.
 */
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { mean, sampleDeviation } from '../../core/statistics.ts'
import { newToTheRun } from './evaluate.ts'
import { offlineRun, type Truth } from './offline-run.ts'
import { openProgress } from './progress.ts'
import { table } from './table.ts'

export const ALGORITHMS = ['ppo', 'grpo', 'dpo'] as const
export type AlgorithmName = (typeof ALGORITHMS)[number]

export interface AlgorithmsOptions {
  modelDir: string
  seeds: number
  steps: number
  /** Receives each run's result as soon as it is over. */
  onRun?: (run: AlgorithmRun) => void
}

/** The oracle's judgement of answers to held-out prompts; `score` is what the crowd's votes are about. */
export interface Judged extends Truth {
  step: number
  score: number
}

export interface AlgorithmRun {
  algorithm: AlgorithmName
  seed: number
  /** The base at step 0, then after every second step. */
  judged: Judged[]
  /** Seconds of computing for a step, mean. */
  secondsPerStep: number
}

export interface AlgorithmsStudy {
  study: 'algorithms'
  /** No person voted here. */
  simulated: true
  steps: number
  raters: number
  votesPerStep: number
  /** λ: the weight of compassion in the score. */
  compassionWeight: number
  runs: AlgorithmRun[]
}

const PROMPTS = 64
const RATERS = 12
const VOTES_PER_STEP = 48
/** Standard deviation of a vote around the truth, on the scale 0…1. */
const NOISE = 0.12
const EVALUATE_EVERY = 2

export async function algorithms({ modelDir, seeds, steps, onRun }: AlgorithmsOptions): Promise<AlgorithmsStudy> {
  const plans = ALGORITHMS.flatMap((algorithm) => Array.from({ length: seeds }, (_, i) => ({ algorithm, seed: i + 1 })))
  const progress = openProgress(plans.length, (run) => `${NAMES[plans[run]!.algorithm]}, seed ${plans[run]!.seed}`)
  const held = await newToTheRun(modelDir, 1, PROMPTS)
  const runs: AlgorithmRun[] = []
  try {
    for (const [i, plan] of plans.entries()) {
      runs.push(
        await runOnce(modelDir, held, steps, plan, (step) =>
          progress.report(i, step / steps, `step ${step} of ${steps}`),
        ),
      )
      onRun?.(runs[i]!)
    }
  } finally {
    progress.stop()
  }
  const { compassionWeight } = TrainingConfig.parse({}).rewardModel
  return {
    study: 'algorithms',
    simulated: true,
    steps,
    raters: RATERS,
    votesPerStep: VOTES_PER_STEP,
    compassionWeight,
    runs,
  }
}

async function runOnce(
  modelDir: string,
  heldOut: readonly string[],
  steps: number,
  { algorithm, seed }: { algorithm: AlgorithmName; seed: number },
  onStep: (step: number) => void,
): Promise<AlgorithmRun> {
  const config = TrainingConfig.parse({ algorithm, epochs: steps })
  const { compassionWeight } = config.rewardModel
  const judged: Judged[] = []
  const seconds: number[] = []
  const run = offlineRun({
    ...{ modelDir, seed, steps, heldOut },
    rollouts: config.batchSize,
    shown: config.live.shownPerStep,
    candidates: config.live.candidates,
    votesPerStep: VOTES_PER_STEP,
    overlap: false,
    evaluateEvery: EVALUATE_EVERY,
    crowd: () => ({
      raters: RATERS,
      temper: 'honest',
      adversaries: 0,
      strangers: 0,
      noise: NOISE,
      categories: config.live.categories.map(({ name }) => name),
      seed,
    }),
    texts: 0,
    learner: learnerConfig(config),
    rewardModel: rewardModelConfig(config),
  })
  for await (const at of run) {
    if (at.heldOut)
      judged.push({
        step: at.step,
        score: (1 - compassionWeight) * at.heldOut.usefulness + compassionWeight * at.heldOut.compassion,
        ...at.heldOut,
      })
    if ('seconds' in at) seconds.push(Object.values(at.seconds).reduce((sum, x) => sum + x, 0))
    onStep(at.step)
  }
  return { algorithm, seed, judged, secondsPerStep: mean(seconds) }
}

export const NAMES: Readonly<Record<AlgorithmName, string>> = { ppo: 'PPO', grpo: 'GRPO', dpo: 'DPO' }

const first = ({ judged }: AlgorithmRun): Judged => judged[0]!
const last = ({ judged }: AlgorithmRun): Judged => judged[judged.length - 1]!
const of = ({ runs }: AlgorithmsStudy, algorithm: AlgorithmName): AlgorithmRun[] =>
  runs.filter((run) => run.algorithm === algorithm)

/** Whether every run of an algorithm ended with a better score than the base's. */
export const improves = (study: AlgorithmsStudy, algorithm: AlgorithmName): boolean =>
  of(study, algorithm).every((run) => last(run).score > first(run).score)

export function runLine(run: AlgorithmRun): string {
  const { score, readable, kl } = last(run)
  return `${NAMES[run.algorithm]}, seed ${run.seed}: score ${first(run).score.toFixed(3)} to ${score.toFixed(3)}, ${(100 * readable).toFixed(0)} % readable, KL ${kl.toFixed(1)} nats, ${run.secondsPerStep.toFixed(1)} s a step`
}

export function algorithmsText(study: AlgorithmsStudy): string {
  const spread = (values: readonly number[], digits: number, unit = 1) =>
    `${(unit * mean(values)).toFixed(digits)} ± ${(unit * sampleDeviation(values)).toFixed(digits)}`
  const rows = ALGORITHMS.map((algorithm) => {
    const runs = of(study, algorithm)
    const ends = runs.map(last)
    return [
      NAMES[algorithm],
      mean(runs.map((run) => first(run).score)).toFixed(3),
      spread(
        ends.map((end) => end.score),
        3,
      ),
      spread(
        runs.map((run) => last(run).score - first(run).score),
        3,
      ),
      spread(
        ends.map((end) => end.compassion),
        3,
      ),
      spread(
        ends.map((end) => end.usefulness),
        3,
      ),
      `${spread(
        ends.map((end) => end.readable),
        0,
        100,
      )} %`,
      spread(
        ends.map((end) => end.kl),
        1,
      ),
      spread(
        runs.map((run) => run.secondsPerStep),
        1,
      ),
    ]
  })
  const head = [
    '',
    'score before',
    'score after',
    'change',
    'compassion',
    'usefulness',
    'readable',
    'KL, nats',
    'seconds a step',
  ]
  const { runs, steps, votesPerStep, raters } = study
  return [
    `${runs.length / ALGORITHMS.length} seeds, ${steps} steps, ${votesPerStep} votes a step by ${raters} simulated raters; ${PROMPTS} prompts that no run uses, judged by the hidden oracle; mean ± deviation over seeds`,
    '',
    table(head, rows),
    '',
    ...ALGORITHMS.map(
      (algorithm) =>
        `${improves(study, algorithm) ? 'holds' : 'FAILS'}  ${NAMES[algorithm]} improves the oracle's score with every seed`,
    ),
  ].join('\n')
}
