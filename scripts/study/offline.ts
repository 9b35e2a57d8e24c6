/**
 * `npm run study -- offline`: does PPO on a simulated crowd's votes move the demo model, and with which settings? The
 * defaults of core/protocol/configuration.ts and the values of trainer/{rl,reward}/fixed.ts were chosen with it.
 */
import { maxOf } from '../../core/statistics.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { command } from '../cli/command.ts'
import { Misuse, number, numberOf, oneOf, parsed, text, unless, whole } from '../cli/options.ts'
import { heldOutPrompts } from '../pretrain/prompts.ts'
import { offlineRun, type OfflineOptions, type Truth } from './offline-run.ts'
import { table } from './table.ts'

/** A run that names no settings. */
const usual = TrainingConfig.parse({})
const least = { least: 0 }
const share = { least: 0, most: 1 }

export const offline = command({
  name: 'offline',
  summary: 'with which settings does PPO learn from a crowd?',
  detail: 'Without an instance. Prints each step, and at the end what held-out answers are like.',
  options: {
    model: text('DIR', 'the model that learns').or('models/demo'),
    seeds: parsed('LIST', 'a run for each of them', seedsOf).or([1, 2, 3]),
    steps: whole('STEPS', 'of a run', { least: 1 }).or(180),
    rollouts: whole('ANSWERS', 'of a step', { least: 1 }).or(32),
    shown: whole('ANSWERS', 'of them that people vote on', { least: 1 }).or(2),
    candidates: whole('ANSWERS', 'from which each of these is chosen', { least: 1 }).or(usual.live.candidates),
    votes: number('VOTES', 'of a step, or part of one', least).or(4.8),
    delay: whole('STEPS', 'between an answer and the votes on it', least).or(4),
    floors: unless('lets a head fall below the reference’s level'),
    budget: unless('allows the whole KL target from the first vote'),
    raters: whole('COUNT', 'how many vote', { least: 1 }).or(12),
    votesBy: oneOf('TEMPER', 'what they vote by', ['honest', 'random']).or('honest'),
    adversaries: number('SHARE', 'of them, who vote the opposite', share).or(0),
    strangers: number('SHARE', 'of the votes that come from strangers, once each and inverted', share).or(0),
    texts: whole('COUNT', 'inverted votes that one account sends beforehand, on texts of its own', least).or(0),
    noise: number('DEVIATION', 'of a vote about the truth, on the scale 0 to 1', least).or(0.12),
    every: whole('STEPS', 'between two looks at held-out answers', { least: 1 }).or(4),
    threads: whole('THREADS', 'of the engine', { least: 1 }).optional(),
    overlap: unless('waits with sampling until the step before is learnt'),
    learner: parsed('JSON', 'overrides single settings of PPO', objectOf).or({}),
    reward: parsed('JSON', 'overrides single settings of the reward model', objectOf).or({}),
    lambda: number('SHARE', 'the compassion’s in the value', share).or(usual.rewardModel.compassionWeight),
  },
  run: tryOut,
})

interface Wanted {
  model: string
  seeds: readonly number[]
  steps: number
  rollouts: number
  shown: number
  candidates: number
  votes: number
  delay: number
  floors: boolean
  budget: boolean
  raters: number
  votesBy: 'honest' | 'random'
  adversaries: number
  strangers: number
  texts: number
  noise: number
  every: number
  threads?: number
  overlap: boolean
  learner: object
  reward: object
  lambda: number
}

function seedsOf(given: string, name: string): number[] {
  return given.split(',').map((one) => numberOf(name, one, least, true))
}

function objectOf(given: string, name: string): object {
  try {
    const value: unknown = JSON.parse(given)
    if (typeof value === 'object' && value !== null) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new Misuse(`${name} is a JSON object such as '{"epochs":2}', not ${given}`)
}

function optionsFor(values: Wanted, seed: number): OfflineOptions {
  return {
    modelDir: values.model,
    seed,
    steps: values.steps,
    rollouts: values.rollouts,
    shown: values.shown,
    candidates: values.candidates,
    votesPerStep: values.votes,
    ...{ delay: values.delay, floors: values.floors, budget: values.budget },
    overlap: values.overlap,
    threads: values.threads,
    evaluateEvery: values.every,
    heldOut: [...heldOutPrompts(1, 122), ...heldOutPrompts(1, 122)],
    crowd: () => ({
      raters: values.raters,
      temper: values.votesBy,
      adversaries: values.adversaries,
      strangers: values.strangers,
      noise: values.noise,
      categories: ['helpfulness'],
      seed,
    }),
    texts: values.texts,
    learner: { ...learnerConfig({ ...usual, batchSize: values.rollouts }), ...values.learner },
    rewardModel: { ...rewardModelConfig(usual), compassionWeight: values.lambda, ...values.reward },
  }
}

const show = (x: number | undefined, digits = 3): string => (x === undefined ? '' : x.toFixed(digits))
const shown = (t?: Truth): string[] => [show(t?.compassion), show(t?.usefulness), show(t?.readable), show(t?.kl, 2)]

const HEAD = [
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
  'share',
  'beta',
  'floor',
  'sample',
  'ref',
  'fit',
  'update',
]

async function tryOut(values: Wanted): Promise<boolean> {
  const summary: string[][] = []
  for (const seed of values.seeds) {
    const rows: string[][] = []
    for await (const step of offlineRun(optionsFor(values, seed))) {
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
          show(step.share, 2),
          show(m['objective/kl_coef'], 2),
          show(
            maxOf(
              Object.values(step.steering.floors).map(({ multiplier }) => multiplier),
              0,
            ),
            2,
          ),
          show(s.sample, 1),
          show(s.score, 1),
          show(s.fit, 2),
          show(s.update, 1),
        ])
      } else rows.push(['0', '', '', '', '', ...shown(step.heldOut), ...Array.from({ length: 14 }, () => '')])
      const last = rows.at(-1) ?? []
      process.stderr.write(`seed ${seed} ${last.join(' ')}\n`)
      if (step.heldOut) summary.push([`seed ${seed}, step ${step.step}`, ...shown(step.heldOut)])
    }
    console.log(table(HEAD, rows))
  }
  console.log(table(['held-out prompts', 'compassion', 'usefulness', 'readable', 'KL'], summary))
  return true
}
