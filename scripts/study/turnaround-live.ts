/**
 * `npm run study -- turnaround --live`: the same question for the whole system. Twelve raters vote by the hidden oracle
 * on a fresh instance's default session, through real sockets; then twelve others against it.
 */
import { warningsOf } from '../../core/db/warnings.ts'
import type { StepMetrics } from '../../core/protocol/index.ts'
import { maxOf, minOf } from '../../core/statistics.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import type { Checkpoint } from '../../trainer/loop/checkpoint.ts'
import { runCrowd } from '../crowd/crowd.ts'
import type { Progress } from '../crowd/options.ts'
import type { CrowdReport } from '../crowd/report.ts'
import { openEvaluator, type Evaluation } from './evaluate.ts'
import { withInstance, type Instance } from './instance.ts'
import type { Criterion } from './learning.ts'
import { openProgress } from './progress.ts'
import { table } from './table.ts'
import { FALLS_BY, RISES_TO } from './turnaround.ts'

/** Of the run, of which a step gives a few. */
const MOST_WARNINGS = 10_000

export interface LiveTurnaroundOptions {
  raters: number
  seed: number
  /** How long each crowd votes. */
  honestSeconds: number
  adverseSeconds: number
}

export interface LiveTurnaroundStudy extends LiveTurnaroundOptions {
  study: 'turnaround-live'
  /** No person voted here. */
  simulated: true
  targetKl: number
  /** The last step of the honest crowd. */
  turn: number
  /** Held-out answers of the base, and after each crowd. */
  base: Evaluation
  honest: Evaluation
  adverse: Evaluation
  steps: { step: number; learningRate: number; updateNorm: number; kl: number; klCoefficient: number }[]
  /** Warnings that a step with votes changed nothing. */
  idleSteps: number[]
  crowds: Omit<CrowdReport, 'votes'>[]
  criteria: Criterion[]
}

const STARTING = 20
const SETTLING = 60

export async function liveTurnaround(options: LiveTurnaroundOptions): Promise<LiveTurnaroundStudy> {
  const { raters, seed, honestSeconds, adverseSeconds } = options
  const total = STARTING + honestSeconds + adverseSeconds + 2 * SETTLING
  const progress = openProgress(1, () => 'a crowd that turns round')
  const say = (seconds: number, doing: string): void => progress.report(0, Math.min(1, seconds / total), doing)
  try {
    say(0, 'starting an instance')
    return await withInstance({ onTrouble: (message) => say(STARTING, message) }, async (instance) => {
      const session = await instance.startSession((demo) => ({ ...demo, live: { ...demo.live, seed } }))
      await instance.firstAnswers(session)
      const crowd = (adversaries: number, seconds: number, since: number) =>
        runCrowd({
          ...{ url: instance.attune.url, session: session.id, raters, seconds, adversaries, seed: seed + adversaries },
          onProgress: ({ phase, elapsed }: Progress) =>
            say(
              since + elapsed,
              `${adversaries === 0 ? 'by' : 'against'} the oracle, ${phase}, ${elapsed.toFixed(0)} s`,
            ),
        })
      const { votes: _honest, ...first } = await crowd(0, honestSeconds, STARTING)
      const [risen, turn] = [await checkpointOf(instance, session.id), (await instance.steps(session.id)).length]
      const { votes: _adverse, ...second } = await crowd(1, adverseSeconds, STARTING + honestSeconds + SETTLING)
      const fallen = await checkpointOf(instance, session.id)
      const steps = (await instance.steps(session.id)).map(stepOf)
      await instance.stopSession(session.id)
      const warnings = await warningsOf(instance.pool, session.id, MOST_WARNINGS)
      say(total - SETTLING, 'evaluating')
      const { temperature, maxNewTokens } = session.configuration.live
      const evaluator = await openEvaluator({
        modelDir: instance.modelDir,
        temperature,
        maxNewTokens,
        lora: learnerConfig(session.configuration).lora,
        seed,
      })
      try {
        const [base, honest, adverse] = [
          await evaluator.evaluate('base'),
          await evaluator.evaluate(risen),
          await evaluator.evaluate(fallen),
        ]
        const found = {
          targetKl: session.configuration.ppoConfig.targetKL,
          turn,
          base,
          honest,
          adverse,
          steps,
          idleSteps: warnings
            .filter(({ kind }) => kind === 'no-update')
            .map(({ step }) => step)
            .sort((a, b) => a - b),
          crowds: [first, second],
        }
        return {
          study: 'turnaround-live' as const,
          simulated: true as const,
          ...options,
          ...found,
          criteria: criteriaOf(found),
        }
      } finally {
        await evaluator.close()
      }
    })
  } finally {
    progress.stop()
  }
}

async function checkpointOf(instance: Instance, sessionId: string): Promise<Checkpoint> {
  const checkpoint = await instance.checkpoint(sessionId)
  if (checkpoint === null) throw new Error('not a single step was committed: nothing to evaluate')
  return checkpoint
}

const stepOf = ({ step, metrics }: StepMetrics) => ({
  step,
  learningRate: metrics['learningRate']!,
  updateNorm: metrics['policy/update_norm']!,
  kl: metrics['objective/kl']!,
  klCoefficient: metrics['objective/kl_coef']!,
})

function criteriaOf({
  steps,
  idleSteps,
  honest,
  adverse,
  targetKl,
}: Pick<LiveTurnaroundStudy, 'steps' | 'idleSteps' | 'honest' | 'adverse' | 'targetKl'>): Criterion[] {
  const [rate, norm, kl] = [
    minOf(steps.map((s) => s.learningRate)),
    minOf(steps.map((s) => s.updateNorm)),
    maxOf(steps.map((s) => s.kl)),
  ]
  return [
    {
      rule: 'the learning rate is never 0, and no step leaves the policy as it was',
      holds: rate > 0 && norm > 0 && idleSteps.length === 0,
      found: `at least ${rate.toPrecision(2)}, ${norm.toPrecision(2)}`,
    },
    {
      rule: `the KL to the base stays under twice its target of ${targetKl} nats an answer`,
      holds: kl < 2 * targetKl,
      found: `at most ${kl.toFixed(2)}`,
    },
    {
      rule: `before the turn compassion of held-out answers passes ${RISES_TO}`,
      holds: honest.compassion > RISES_TO,
      found: honest.compassion.toFixed(3),
    },
    {
      rule: `after it it falls by at least ${FALLS_BY}`,
      holds: honest.compassion - adverse.compassion >= FALLS_BY,
      found: `${honest.compassion.toFixed(3)} to ${adverse.compassion.toFixed(3)}`,
    },
  ]
}

export function liveTurnaroundText({
  raters,
  honestSeconds,
  adverseSeconds,
  turn,
  steps,
  base,
  honest,
  adverse,
  crowds,
  criteria,
}: LiveTurnaroundStudy): string {
  const row = (name: string, { compassion, compassionError, usefulness, readable, kl }: Evaluation) => [
    name,
    `${compassion.toFixed(3)} ± ${compassionError.toFixed(3)}`,
    usefulness.toFixed(3),
    `${(100 * readable).toFixed(0)} %`,
    kl.toFixed(2),
  ]
  // The first crowd's last answers are also in the second one's room; its figures for them are not used.
  const byStep = new Map(
    crowds.toReversed().flatMap(({ steps }) => steps.map(({ step, compassion }) => [step, compassion] as const)),
  )
  const shown = [...byStep].sort(([a], [b]) => a - b).map(([step, compassion]) => `${step}: ${compassion.toFixed(2)}`)
  return [
    `${raters} simulated raters by the hidden oracle for ${honestSeconds} s (to step ${turn}), then ${raters} others against it for ${adverseSeconds} s (to step ${steps.length}); ± is a standard error`,
    '',
    table(
      ['held-out answers', 'compassion', 'usefulness', 'readable', 'KL, nats'],
      [row('base', base), row('after the first', honest), row('after the second', adverse)],
    ),
    '',
    `compassion of the answers shown, by step: ${shown.join(', ')}`,
    '',
    ...criteria.map(({ rule, holds, found }) => `${holds ? 'holds' : 'FAILS'}  ${rule}: ${found}`),
  ].join('\n')
}
