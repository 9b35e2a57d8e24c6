/**
 * The second half of `npm run study -- reliability`: what do misleading groups cost a model that is trained on the votes?
 * The live loop's arithmetic, without an instance.
 */
import { RATERS } from './attacks.ts'
import { newToTheRun } from './evaluate.ts'
import { figureOf, figureText, type Figure } from './figure.ts'
import type { Criterion } from './learning.ts'
import type { OfflineCrowd } from './offline-crowd.ts'
import { openProgress } from './progress.ts'
import { table } from './table.ts'
import { trained } from './trained.ts'

/** Of votes. */
const SHARE = 0.3
const CROWDS: readonly { name: string; crowd: Partial<OfflineCrowd> }[] = [
  { name: 'clean crowd', crowd: {} },
  { name: 'inverters', crowd: { adversaries: SHARE } },
  { name: 'one-vote guests', crowd: { strangers: SHARE } },
]
/** Of the clean crowd's gain, at least. */
const LEFT = 0.9
const PROMPTS = 128

export interface LoopRow {
  name: string
  /** By how much the oracle's score of held-out answers, the mean of compassion and usefulness, rose. */
  gain: Figure
  compassion: Figure
  usefulness: Figure
}

export interface LoopReliability {
  steps: number
  seeds: number
  rows: LoopRow[]
  criteria: Criterion[]
}

export async function loopReliability(options: {
  modelDir: string
  seeds: number
  steps: number
}): Promise<LoopReliability> {
  const { modelDir, seeds, steps } = options
  const progress = openProgress(CROWDS.length * seeds, (i) => CROWDS[Math.floor(i / seeds)]!.name)
  const heldOut = await newToTheRun(modelDir, 1, PROMPTS)
  const rows: LoopRow[] = []
  try {
    for (const [k, { name, crowd }] of CROWDS.entries()) {
      const runs: { compassion: number; usefulness: number }[] = []
      for (let seed = 1; seed <= seeds; seed++) {
        const { before, after } = await trained({
          ...{ modelDir, seed, steps, heldOut },
          crowd: { raters: RATERS, ...crowd },
          onStep: (step) =>
            progress.report(k * seeds + seed - 1, step / steps, `seed ${seed}, step ${step} of ${steps}`),
        })
        runs.push({
          compassion: after.compassion - before.compassion,
          usefulness: after.usefulness - before.usefulness,
        })
      }
      rows.push({
        name,
        gain: figureOf(runs.map((run) => (run.compassion + run.usefulness) / 2)),
        compassion: figureOf(runs.map((run) => run.compassion)),
        usefulness: figureOf(runs.map((run) => run.usefulness)),
      })
    }
  } finally {
    progress.stop()
  }
  const [clean, ...attacked] = rows
  const criteria = attacked.map(({ name, gain }): Criterion => ({
    rule: `in training, ${100 * SHARE} % of ${name} leave ${LEFT} of the clean crowd’s gain`,
    holds: gain.mean >= LEFT * clean!.gain.mean,
    found: (gain.mean / clean!.gain.mean).toFixed(2),
  }))
  return { steps, seeds, rows, criteria }
}

export function loopReliabilityText({ rows, criteria, steps, seeds }: LoopReliability): string {
  return [
    `Trained for ${steps} steps, ${seeds} seeds: what the oracle's scores of held-out answers gain, mean ± deviation`,
    '',
    table(
      ['', 'score', 'compassion', 'usefulness'],
      rows.map(({ name, gain, compassion, usefulness }) => [name, ...[gain, compassion, usefulness].map(figureText)]),
    ),
    '',
    ...criteria.map(({ rule, holds, found }) => `${holds ? 'holds' : 'FAILS'}  ${rule}: ${found}`),
  ].join('\n')
}
