/**
 * `npm run study -- compassion`: what does λ, the weight of compassion in a vote's value, trade for what? The same crowd
 * teaches the demo model with each λ, by the live loop's arithmetic, without an instance.
 */
import { newToTheRun } from './evaluate.ts'
import { figureOf, figureText, type Figure } from './figure.ts'
import type { Criterion } from './learning.ts'
import type { Truth } from './offline-run.ts'
import { openProgress } from './progress.ts'
import { table } from './table.ts'
import { trained } from './trained.ts'

export interface CompassionOptions {
  modelDir: string
  seeds: number
  steps: number
}

export interface CompassionRow {
  lambda: number
  compassion: Figure
  usefulness: Figure
  readable: Figure
  kl: Figure
}

export interface CompassionStudy extends Omit<CompassionOptions, 'modelDir'> {
  study: 'compassion'
  /** No person voted here. */
  simulated: true
  /** The base, mean over seeds. */
  base: Omit<CompassionRow, 'lambda'>
  rows: CompassionRow[]
  criteria: Criterion[]
}

const LAMBDAS = [0, 0.25, 0.5, 0.75, 1]
const PROMPTS = 128
/** What the head that does not count may lose, by the oracle's scores: its floor holds it. */
const MAY_LOSE = 0.05

export async function compassion({ modelDir, seeds, steps }: CompassionOptions): Promise<CompassionStudy> {
  const plans = LAMBDAS.flatMap((lambda) => Array.from({ length: seeds }, (_, i) => ({ lambda, seed: i + 1 })))
  const progress = openProgress(plans.length, (i) => `λ = ${plans[i]!.lambda}, seed ${plans[i]!.seed}`)
  const heldOut = await newToTheRun(modelDir, 1, PROMPTS)
  const runs: { lambda: number; before: Truth; after: Truth }[] = []
  try {
    for (const [i, { lambda, seed }] of plans.entries()) {
      const found = await trained({
        ...{ modelDir, seed, steps, heldOut },
        change: { rewardModel: { compassionWeight: lambda } },
        onStep: (step) => progress.report(i, step / steps, `step ${step} of ${steps}`),
      })
      runs.push({ lambda, ...found })
    }
  } finally {
    progress.stop()
  }
  const base = figuresOf(runs.map(({ before }) => before))
  const rows = LAMBDAS.map((lambda) => ({
    lambda,
    ...figuresOf(runs.filter((run) => run.lambda === lambda).map(({ after }) => after)),
  }))
  return { study: 'compassion', simulated: true, seeds, steps, base, rows, criteria: criteriaOf(base, rows) }
}

function figuresOf(truths: readonly Truth[]): Omit<CompassionRow, 'lambda'> {
  const over = (of: keyof Truth): Figure => figureOf(truths.map((truth) => truth[of]))
  return { compassion: over('compassion'), usefulness: over('usefulness'), readable: over('readable'), kl: over('kl') }
}

function criteriaOf(base: CompassionStudy['base'], rows: readonly CompassionRow[]): Criterion[] {
  const [none, all] = [rows[0]!, rows.at(-1)!]
  const line = (of: 'compassion' | 'usefulness') => rows.map((row) => row[of].mean.toFixed(2)).join(', ')
  return [
    {
      rule: 'all weight on compassion gives more of it than none, and less usefulness',
      holds: all.compassion.mean > none.compassion.mean && all.usefulness.mean < none.usefulness.mean,
      found: `compassion ${line('compassion')}; usefulness ${line('usefulness')}`,
    },
    {
      rule: `what has no weight loses at most ${MAY_LOSE} of the base’s level`,
      holds:
        none.compassion.mean >= base.compassion.mean - MAY_LOSE &&
        all.usefulness.mean >= base.usefulness.mean - MAY_LOSE,
      found: `compassion ${base.compassion.mean.toFixed(2)} → ${none.compassion.mean.toFixed(2)}, usefulness ${base.usefulness.mean.toFixed(2)} → ${all.usefulness.mean.toFixed(2)}`,
    },
  ]
}

export function compassionText({ seeds, steps, base, rows, criteria }: CompassionStudy): string {
  const row = (name: string, { compassion: c, usefulness, readable, kl }: Omit<CompassionRow, 'lambda'>) => [
    ...[name, figureText(c), figureText(usefulness), `${(100 * readable.mean).toFixed(0)} %`, kl.mean.toFixed(2)],
  ]
  return [
    `${steps} steps with each λ, ${seeds} seeds; the oracle on held-out answers, mean ± deviation over seeds`,
    '',
    table(
      ['λ', 'compassion', 'usefulness', 'readable', 'KL, nats'],
      [row('base', base), ...rows.map((one) => row(String(one.lambda), one))],
    ),
    '',
    ...criteria.map(({ rule, holds, found }) => `${holds ? 'holds' : 'FAILS'}  ${rule}: ${found}`),
  ].join('\n')
}
