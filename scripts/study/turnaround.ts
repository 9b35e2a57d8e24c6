/**
 * `npm run study -- turnaround`: does the policy follow a crowd that changes its mind? A simulated crowd votes by the
 * hidden oracle for the first half of a run, and against it from then on. No server and no clock: the live loop's
 * arithmetic alone, with the settings of a run that names none.
 */
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { maxOf, mean, minOf } from '../../core/statistics.ts'
import { newToTheRun } from './evaluate.ts'
import type { Criterion } from './learning.ts'
import { offlineRun, type Truth } from './offline-run.ts'
import { table } from './table.ts'

export interface TurnaroundOptions {
  modelDir: string
  seed: number
  steps: number
  /** The last step whose votes follow the oracle; half of the steps by default. */
  turn?: number
  /** The run's deviations from the defaults. */
  change?: TrainingConfigInput
  votesPerStep?: number
  /** Number of prompts, never used by the run, to judge answers on; 0 judges the step's own answers alone. */
  heldOut?: number
  /** Receives each step once it is done. */
  onStep?: (step: number) => void
}

/** One step of the run; the oracle on its rollouts, and, if requested, on held-out answers after its update. */
export interface TurnaroundStep {
  step: number
  rollouts: Truth
  heldOut: Truth | null
  learningRate: number
  updateNorm: number
  changed: boolean
  /** β, and nats an answer. */
  klCoefficient: number
  kl: number
}

export interface TurnaroundStudy {
  study: 'turnaround'
  /** No person voted here. */
  simulated: true
  seed: number
  raters: number
  votesPerStep: number
  /** The last step whose votes follow the oracle. */
  turn: number
  targetKl: number
  before: Truth
  steps: TurnaroundStep[]
  criteria: Criterion[]
}

const PROMPTS = 64
const RATERS = 12
const VOTES_PER_STEP = 48
/** Standard deviation of a vote around the truth, on the scale 0…1. */
const NOISE = 0.12
const EVALUATE_EVERY = 5
/** Steps over which the oracle's view of a step's own answers is averaged. */
const WINDOW = 3

/** The success criteria: how far compassion rises before the turn, and by how much it falls after. */
export const RISES_TO = 0.78
export const FALLS_BY = 0.15

export async function turnaround(options: TurnaroundOptions): Promise<TurnaroundStudy> {
  const {
    modelDir,
    seed,
    steps,
    turn = Math.floor(options.steps / 2),
    change = {},
    votesPerStep = VOTES_PER_STEP,
    heldOut = PROMPTS,
    onStep,
  } = options
  const config = TrainingConfig.parse({ ...change, epochs: steps })
  const run = offlineRun({
    ...{ modelDir, seed, steps, votesPerStep, texts: 0 },
    heldOut: await newToTheRun(modelDir, 1, Math.max(1, heldOut)),
    rollouts: config.batchSize,
    shown: config.live.shownPerStep,
    candidates: config.live.candidates,
    overlap: false,
    evaluateEvery: heldOut > 0 ? EVALUATE_EVERY : Infinity,
    crowd: (step) => ({
      raters: RATERS,
      temper: 'honest',
      adversaries: step > turn ? 1 : 0,
      strangers: 0,
      noise: NOISE,
      categories: config.live.categories.map(({ name }) => name),
      seed,
    }),
    learner: learnerConfig(config),
    rewardModel: rewardModelConfig(config),
  })
  const done: TurnaroundStep[] = []
  let before: Truth | null = null
  for await (const at of run) {
    onStep?.(at.step)
    if (!('metrics' in at)) before = at.heldOut
    else {
      const { step, rollouts, metrics, changed } = at
      done.push({
        ...{ step, rollouts, heldOut: at.heldOut ?? null, changed },
        learningRate: metrics.learningRate,
        updateNorm: metrics['policy/update_norm'],
        klCoefficient: metrics['objective/kl_coef'],
        kl: metrics['objective/kl'],
      })
    }
  }
  if (before === null) throw new Error('the run did not begin with its base')
  const { targetKL } = config.ppoConfig
  return {
    study: 'turnaround',
    simulated: true,
    seed,
    raters: RATERS,
    votesPerStep,
    turn,
    targetKl: targetKL,
    before,
    steps: done,
    criteria: turnaroundCriteria(done, turn, targetKL),
  }
}

/** A step whose update left the policy as it was. */
const still = ({ learningRate, changed }: TurnaroundStep): boolean => !(learningRate > 0 && changed)

export function turnaroundCriteria(steps: readonly TurnaroundStep[], turn: number, targetKl: number): Criterion[] {
  const idle = steps.filter(still)
  const kl = maxOf(steps.map((step) => step.kl))
  const smooth = smoothed(steps)
  const highest = maxOf(smooth.slice(0, turn))
  const atTurn = smooth[turn - 1]!
  const end = smooth[smooth.length - 1]!
  return [
    {
      rule: 'the learning rate is never 0, and no step leaves the policy as it was',
      holds: idle.length === 0,
      found:
        idle.length === 0
          ? `at least ${minOf(steps.map((s) => s.updateNorm)).toPrecision(2)}`
          : `steps ${idle.map(({ step }) => step).join(', ')}`,
    },
    {
      rule: `the KL to the base stays under twice its target of ${targetKl} nats an answer`,
      holds: kl < 2 * targetKl,
      found: `at most ${kl.toFixed(2)}`,
    },
    { rule: `before the turn compassion passes ${RISES_TO}`, holds: highest > RISES_TO, found: highest.toFixed(3) },
    {
      rule: `after it compassion falls by at least ${FALLS_BY}`,
      holds: atTurn - end >= FALLS_BY,
      found: `${atTurn.toFixed(3)} to ${end.toFixed(3)}`,
    },
  ]
}

/** The oracle's mean compassion of the latest steps' own answers, step by step. */
function smoothed(steps: readonly TurnaroundStep[]): number[] {
  return steps.map((_, i) =>
    mean(steps.slice(Math.max(0, i - WINDOW + 1), i + 1).map(({ rollouts }) => rollouts.compassion)),
  )
}

export function turnaroundText(study: TurnaroundStudy): string {
  const { before, steps, turn, raters, votesPerStep, criteria } = study
  const show = (truth: Truth | null): string[] =>
    truth ? [truth.compassion.toFixed(3), `${(100 * truth.readable).toFixed(0)} %`] : ['', '']
  const rows = [
    ['base', '', '', ...show(before), '', '', '', ''],
    ...steps.map((at) => [
      `step ${at.step}${at.step === turn ? ', then they turn' : ''}`,
      ...[...show(at.rollouts), ...show(at.heldOut)],
      at.kl.toFixed(2),
      at.klCoefficient.toFixed(3),
      at.learningRate.toPrecision(2),
      at.updateNorm.toPrecision(3),
    ]),
  ]
  return [
    `${raters} simulated raters, ${votesPerStep} votes a step: by the hidden oracle up to step ${turn}, against it from then on`,
    '',
    table(['', 'compassion', 'readable', 'held out', 'readable', 'KL, nats', 'β', 'learning rate', 'update'], rows),
    '',
    ...criteria.map(({ rule, holds, found }) => `${holds ? 'holds' : 'FAILS'}  ${rule}: ${found}`),
  ].join('\n')
}
