/**
 * `npm run study -- endurance`: does a run keep learning for as long as people vote? Twelve simulated raters vote for
 * half an hour on a fresh instance, through real sockets, with default settings; after a third of it their taste turns
 * into its opposite, and after another third back again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { maxOf, mean, minOf, quantile } from '../../core/statistics.ts'
import type { StepMetrics, TrainingSession } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { runCrowd } from '../crowd/crowd.ts'
import { latestStep } from '../crowd/print.ts'
import type { CrowdReport } from '../crowd/report.ts'
import { openEvaluator, type Evaluation } from './evaluate.ts'
import { withInstance, type Instance } from './instance.ts'
import type { Criterion } from './learning.ts'
import { openProgress } from './progress.ts'
import { table } from './table.ts'

export interface EnduranceOptions {
  seeds: number
  /** Of each third, minutes. */
  minutes: number
  raters: number
  /** Receives each run as soon as it is over. */
  onRun?: (run: EnduranceRun) => void
}

export interface EnduranceRun {
  seed: number
  /** Every half minute: the newest checkpoint, judged by the oracle on prompts that the run does not use. */
  judged: Judged[]
  /** … and the means of the run's own metrics. */
  measured: Measured[]
  steps: number
  /** … of which so many left the policy as it was. */
  still: number
  /** Greatest of the run's smoothed estimates, and the target; nats an answer. */
  kl: number
  targetKl: number
  /** Medians around step 20 and around step 1,000, or the last where there are fewer. */
  early: Cost
  late: Cost
  crowd: Omit<CrowdReport, 'votes' | 'steps'>
}

interface Judged extends Pick<Evaluation, 'compassion' | 'compassionError' | 'usefulness' | 'readable'> {
  minute: number
}

interface Measured {
  /** The middle of the half. */
  minute: number
  steps: number
  /** Smoothed; nats an answer. */
  kl: number
  seconds: number
  memory: number
}

/** Of a step. */
interface Cost {
  step: number
  seconds: number
  /** Resident memory of the run's process, MiB. */
  memory: number
}

export interface EnduranceStudy extends Omit<EnduranceOptions, 'onRun'> {
  study: 'endurance'
  /** No person voted here. */
  simulated: true
  runs: EnduranceRun[]
  criteria: Criterion[]
}

/** The success criteria: compassion before a turn and after, and how soon it falls, minutes. */
export const HIGH = 0.8
export const LOW = 0.35
const SOON = 5
/** Step 1,000 may cost this much more than step 20. */
const GROWTH = 1.2

const MINUTE = 60_000
const EARLY = 20
const LATE = 1_000
/** Steps on either side of one whose cost is taken: a single one says little. */
const AROUND = 10
/** For the progress bar, seconds. */
const STARTING = 20
const DRAINING = 30

export async function endurance({ onRun, ...options }: EnduranceOptions): Promise<EnduranceStudy> {
  const runs: EnduranceRun[] = []
  const progress = openProgress(options.seeds, (i) => `seed ${i + 1}`)
  try {
    for (let i = 0; i < options.seeds; i++) {
      const run = await enduranceRun(options, i + 1, (done, doing) => progress.report(i, done, doing))
      runs.push(run)
      onRun?.(run)
    }
  } finally {
    progress.stop()
  }
  const criteria = runs.flatMap((run) => criteriaOf(run, options.minutes))
  return { study: 'endurance', simulated: true, ...options, runs, criteria }
}

async function enduranceRun(
  { minutes, raters }: EnduranceOptions,
  seed: number,
  onProgress: (done: number, doing: string) => void,
): Promise<EnduranceRun> {
  const seconds = 3 * 60 * minutes
  const total = STARTING + seconds + DRAINING
  onProgress(0, 'starting an instance')
  return withInstance({ onTrouble: (message) => onProgress(STARTING / total, message) }, async (instance) => {
    const session = await instance.startSession((demo) => ({ ...demo, live: { ...demo.live, seed } }))
    await instance.firstAnswers(session)
    const began = Date.now()
    const [crowdGone, judgeGone] = [new AbortController(), new AbortController()]
    const judging = judge(instance, session, { seed, began, signal: crowdGone.signal })
    // What went wrong is thrown below, where it is awaited; the crowd need not vote on for that.
    judging.catch(() => judgeGone.abort())
    const { steps: _shown, ...report } = await runCrowd({
      ...{ url: instance.attune.url, session: session.id, raters, seconds, seed },
      turns: [60 * minutes, 2 * 60 * minutes],
      signal: judgeGone.signal,
      onProgress: ({ phase, elapsed, raters: all }) =>
        onProgress(
          Math.min(1, (STARTING + elapsed) / total),
          `${phase}, ${elapsed.toFixed(0)} s: step ${latestStep(all)}`,
        ),
    }).finally(() => crowdGone.abort())
    const judged = await judging
    if (report.ended !== null) throw new Error(`the session ended while the crowd was voting: ${report.ended}`)
    const { votes: _votes, ...crowd } = report
    const steps = await instance.steps(session.id)
    return {
      ...{ seed, steps: steps.length, judged, measured: measuredOf(steps, began), crowd },
      still: steps.filter(({ metrics }) => !(metrics['policy/update_norm']! > 0)).length,
      kl: maxOf(steps.flatMap(({ metrics }) => metrics['kl/smoothed'] ?? [])),
      targetKl: session.configuration.ppoConfig.targetKL,
      early: costAround(steps, EARLY),
      late: costAround(steps, Math.min(LATE, steps.length - AROUND)),
    }
  })
}

/** Until the signal: by a second engine, on one core, so that the run keeps most of the machine. */
async function judge(
  { modelDir, checkpoint }: Instance,
  { id, configuration }: TrainingSession,
  { seed, began, signal }: { seed: number; began: number; signal: AbortSignal },
): Promise<Judged[]> {
  const { temperature, maxNewTokens } = configuration.live
  const evaluator = await openEvaluator({
    ...{ modelDir, temperature, maxNewTokens, seed, lora: learnerConfig(configuration).lora },
    ...{ answersPerPrompt: 2, strangePrompts: 0, threads: 1 },
  })
  const judged: Judged[] = []
  try {
    while (!signal.aborted) {
      const minute = (Date.now() - began) / MINUTE
      const { compassion, compassionError, usefulness, readable } = await evaluator.evaluate(
        (await checkpoint(id)) ?? 'base',
      )
      judged.push({ minute, compassion, compassionError, usefulness, readable })
      const left = MINUTE / 2 - ((Date.now() - began) % (MINUTE / 2))
      await sleep(left, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    await evaluator.close()
  }
  return judged
}

function measuredOf(steps: readonly StepMetrics[], began: number): Measured[] {
  const halves = new Map<number, StepMetrics[]>()
  for (const step of steps) {
    const half = Math.floor((2 * (Date.parse(step.timestamp) - began)) / MINUTE)
    halves.set(half, [...(halves.get(half) ?? []), step])
  }
  return [...halves].map(([half, made]) => {
    const metric = (name: string) => mean(made.flatMap(({ metrics }) => metrics[name] ?? []))
    return {
      ...{ minute: (half + 0.5) / 2, steps: made.length },
      ...{ kl: metric('kl/smoothed'), seconds: metric('step_seconds'), memory: metric('memoryUsage') },
    }
  })
}

function costAround(steps: readonly StepMetrics[], step: number): Cost {
  const near = steps.filter((one) => Math.abs(one.step - step) <= AROUND).map(({ metrics }) => metrics)
  return {
    step,
    seconds: quantile(
      near.map((metrics) => metrics['step_seconds']!),
      0.5,
    ),
    memory: mean(near.map((metrics) => metrics['memoryUsage']!)),
  }
}

export function criteriaOf(run: EnduranceRun, minutes: number): Criterion[] {
  const { seed, judged, steps, still, kl, targetKl, early, late } = run
  const between = (from: number, to: number) =>
    judged.filter(({ minute }) => minute >= from && minute < to).map(({ compassion }) => compassion)
  const [risen, fallen, again] = [
    maxOf(between(0, minutes), -Infinity),
    minOf(between(minutes, minutes + SOON), Infinity),
    maxOf(between(2 * minutes, Infinity), -Infinity),
  ]
  const grown = (of: 'seconds' | 'memory') => late[of] / early[of]
  return [
    { rule: `compassion passes ${HIGH}`, holds: risen > HIGH, found: risen.toFixed(2) },
    {
      rule: `within ${SOON} minutes of the turn it is below ${LOW}`,
      holds: fallen < LOW,
      found: fallen.toFixed(2),
    },
    { rule: `after the second turn it passes ${HIGH} again`, holds: again > HIGH, found: again.toFixed(2) },
    {
      rule: `the smoothed KL stays within its target of ${targetKl} nats an answer`,
      holds: kl <= targetKl,
      found: `at most ${kl.toFixed(2)}`,
    },
    { rule: 'every step changes the policy', holds: still === 0, found: `${steps - still} of ${steps}` },
    {
      rule: `step ${late.step} takes at most ${GROWTH} times the time and the memory of step ${early.step}`,
      holds: grown('seconds') <= GROWTH && grown('memory') <= GROWTH,
      found: `${grown('seconds').toFixed(2)} and ${grown('memory').toFixed(2)}`,
    },
  ].map(({ rule, ...rest }) => ({ rule: `seed ${seed}: ${rule}`, ...rest }))
}

export function enduranceText({ raters, minutes, runs, criteria }: EnduranceStudy): string {
  const rows = runs.map(({ seed, judged, steps, kl, early, late, crowd }) => {
    const at = (minute: number) => judged.filter((at) => at.minute < minute).at(-1)
    const compassion = [minutes, minutes + SOON, 2 * minutes, Infinity].map(
      (end) => at(end)?.compassion.toFixed(2) ?? '',
    )
    const wait = crowd.gradientMs
    return [
      `seed ${seed}`,
      ...compassion,
      `${(100 * minOf(judged.map(({ readable }) => readable))).toFixed(0)} %`,
      kl.toFixed(2),
      String(steps),
      `${crowd.used} of ${crowd.acknowledged - crowd.withdrawn}`,
      wait === null ? 'none' : `${(wait.p50 / 1_000).toFixed(1)} / ${(wait.p95 / 1_000).toFixed(1)} s`,
      `${early.seconds.toFixed(2)} / ${late.seconds.toFixed(2)} s`,
      `${early.memory.toFixed(0)} / ${late.memory.toFixed(0)} MiB`,
    ]
  })
  const head = [
    ...['', `minute ${minutes}`, `${minutes + SOON}`, `${2 * minutes}`, `${3 * minutes}`, 'readable, at least'],
    ...['KL, at most', 'steps', 'votes used', 'vote to weights p50 / p95', 'early step / late', 'memory'],
  ]
  return [
    `${raters} simulated raters for ${3 * minutes} minutes, who turn round at minute ${minutes} and back at ${2 * minutes}; compassion by the hidden oracle, of answers to held-out prompts`,
    '',
    table(head, rows),
    '',
    ...criteria.map(({ rule, holds, found }) => `${holds ? 'holds' : 'FAILS'}  ${rule}: ${found}`),
  ].join('\n')
}
