/**
 * `npx tsx scripts/study/offline.ts`: does PPO on a simulated crowd's votes move the demo model, and
 * with which settings? The defaults of core/protocol/configuration.ts and the values of
 * trainer/{rl,reward}/fixed.ts were chosen with it. `--learner` and `--reward` override single settings, as JSON.
 */
import { parseArgs } from 'node:util'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { heldOutPrompts } from '../pretrain/prompts.ts'
import { offlineRun, type OfflineOptions, type Truth } from './offline-run.ts'
import { table } from './table.ts'

/** A run that names no settings. */
const usual = TrainingConfig.parse({})
const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    model: { ...text, default: 'models/demo' },
    seeds: { ...text, default: '1,2,3' },
    steps: { ...text, default: '12' },
    rollouts: { ...text, default: String(usual.batchSize) },
    shown: { ...text, default: String(usual.live.shownPerStep) },
    votes: { ...text, default: '48' },
    raters: { ...text, default: '12' },
    votesBy: { ...text, default: 'honest' },
    adversaries: { ...text, default: '0' },
    strangers: { ...text, default: '0' },
    texts: { ...text, default: '0' },
    noise: { ...text, default: '0.12' },
    every: { ...text, default: '4' },
    threads: text,
    overlap: { type: 'boolean', default: true },
    learner: { ...text, default: '{}' },
    reward: { ...text, default: '{}' },
    lambda: { ...text, default: String(usual.rewardModel.compassionWeight) },
  },
  allowNegative: true,
})

const tempers = { honest: 'honest', random: 'random' } as const
const temper = Object.entries(tempers).find(([name]) => name === values.votesBy)?.[1]
if (!temper) throw new Error(`--votesBy is honest or random, not ${values.votesBy}`)

function optionsFor(seed: number): OfflineOptions {
  return {
    modelDir: values.model,
    seed,
    steps: Number(values.steps),
    rollouts: Number(values.rollouts),
    shown: Number(values.shown),
    votesPerStep: Number(values.votes),
    overlap: values.overlap,
    threads: values.threads === undefined ? undefined : Number(values.threads),
    evaluateEvery: Number(values.every),
    heldOut: heldOutPrompts(1, 64),
    crowd: () => ({
      raters: Number(values.raters),
      temper: temper ?? 'honest',
      adversaries: Number(values.adversaries),
      strangers: Number(values.strangers),
      noise: Number(values.noise),
      categories: ['helpfulness'],
      seed,
    }),
    texts: Number(values.texts),
    learner: { ...learnerConfig(usual), ...JSON.parse(values.learner) },
    rewardModel: {
      ...rewardModelConfig(usual),
      compassionWeight: Number(values.lambda),
      ...JSON.parse(values.reward),
    },
  }
}

const show = (x: number | undefined, digits = 3): string => (x === undefined ? '' : x.toFixed(digits))
const shown = (t?: Truth): string[] => [show(t?.compassion), show(t?.usefulness), show(t?.readable), show(t?.kl, 2)]
const summary: string[][] = []
for (const seed of values.seeds.split(',').map(Number)) {
  const rows: string[][] = []
  for await (const step of offlineRun(optionsFor(seed))) {
    if ('metrics' in step) {
      const { metrics: m, seconds: s } = step
      rows.push([
        String(step.step),
        ...shown(step.rollouts),
        ...shown(step.heldOut),
        show(step.fidelity, 2),
        show(step.reliability, 2),
        show(m['objective/scores'], 2),
        show(m['policy/approxkl_avg']),
        show(m['policy/clipfrac_avg'], 2),
        String(m['policy/steps']),
        show(m['objective/entropy'], 2),
        show(m['val/explained_variance'], 2),
        show(m.gradientNorm, 2),
        show(s.sample, 1),
        show(s.score, 1),
        show(s.fit, 2),
        show(s.update, 1),
      ])
    } else rows.push(['0', '', '', '', '', ...shown(step.heldOut), ...Array.from({ length: 13 }, () => '')])
    const last = rows.at(-1) ?? []
    process.stderr.write(`seed ${seed} ${last.join(' ')}\n`)
    if (step.heldOut) summary.push([`seed ${seed}, step ${step.step}`, ...shown(step.heldOut)])
  }
  const head = [
    'step',
    'comp',
    'use',
    'read',
    'kl',
    'HELD',
    'use',
    'read',
    'kl',
    'fid',
    'rel',
    'score',
    'akl',
    'clip',
    'n',
    'ent',
    'ev',
    'grad',
    'sample',
    'ref',
    'fit',
    'update',
  ]
  console.log(table(head, rows))
}
console.log(table(['held-out prompts', 'compassion', 'usefulness', 'readable', 'KL'], summary))
