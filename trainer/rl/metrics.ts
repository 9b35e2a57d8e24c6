import { type AlgorithmName, algorithmNames } from '../../core/protocol/index.ts'
import { averages, metricsOf } from './algorithms/registry.ts'
import type { BatchStatistics } from './experience.ts'
import { mean } from '../../core/statistics.ts'
import type { StepStatistics } from './train-step.ts'

/**
 * What each metric of an update means, and after the last semicolon its unit. Names are TRL's where TRL
 * has the metric; docs/METRICS.md says the same.
 * "Rollouts" are those of the update; "steps" the optimizer steps it took.
 */
const SHARED = {
  'objective/kl':
    'mean over rollouts of Σ_t log π - log π_ref, before the update, which settles at ppoConfig.targetKL or under it; nats per response',
  'objective/kl_coef':
    'β with which this update was made, that of the run over the root of kl/budget, the run’s being 1 / √(2 · ppoConfig.targetKL) where it names none and does not adapt it; score per nat',
  'objective/entropy': 'mean entropy of the policy at response tokens, before the update; nats per token',
  'objective/scores': 'mean normalised score, EOS penalty taken off; deviations of the reference’s scores',
  'objective/non_score_reward': 'mean of -β Σ_t (log π - log π_ref); same unit as the score',
  'objective/rlhf_reward':
    'scores + non_score_reward, what every algorithm here climbs in its own way; same unit as the score',
  'policy/approxkl_avg': 'mean over steps of ½ mean (log π - log π_old)²; nats per token',
  'policy/update_norm':
    'norm of what the update added to the policy’s parameters (the adapters’, where it trains some), the value head aside, 0 where it changed nothing; no unit',
  'policy/logprob_shift':
    'mean over rollouts of how far the update moved log π of the whole response, either way; nats per response',
  'policy/steps': 'optimizer steps taken, fewer than planned where the KL stop ended the update; steps',
  'loss/policy_avg':
    'mean over steps of the policy’s part of the loss, the clipped surrogate of PPO and GRPO or the pairs’ cross entropy of DPO; nats for DPO, else no unit',
  'loss/total_avg': 'mean over steps of the whole loss; no unit',
  'val/num_eos_tokens': 'rollouts that ended with EOS; rollouts',
  gradientNorm: 'mean over steps of the global norm of the gradients, before clipping; no unit',
  learningRate: 'of this update, by its schedule, never 0; no unit',
  perplexity:
    'exp of the mean of -log π_ref over response tokens, how surprising the answers are to the reference; no unit, 1 or more',
  responseLength: 'mean length of a response, EOS included; tokens',
} as const

/** By every algorithm, where the engine computes in float16. */
const FLOAT16 = {
  loss_scale:
    'what the loss was multiplied by in the last step of the update, so that its gradients are not too small for float16, absent in float32; no unit',
  overflows:
    'times that a step’s gradients went beyond float16, after which it was made again at half the scale, absent in float32; times',
} as const

/** The metrics that an update by an algorithm reports, in float32. */
export const metricsBy = (algorithm: AlgorithmName): Readonly<Record<string, string>> => ({
  ...SHARED,
  ...metricsOf(algorithm),
})

/** All metrics of all algorithms. */
export const METRICS: Readonly<Record<string, string>> = {
  ...SHARED,
  ...Object.fromEntries(algorithmNames.flatMap((name) => Object.entries(metricsOf(name)))),
  ...FLOAT16,
}

/** Those that all algorithms report, and those that only some do. */
export type Metrics = Record<keyof typeof SHARED, number> & Record<string, number>

export interface UpdateRecord {
  batch: BatchStatistics
  /** The algorithm's own figures of the batch. */
  own: Readonly<Record<string, number>>
  /** At least one. */
  steps: readonly StepStatistics[]
  klCoefficient: number
  learningRate: number
  /** By how much the policy's parameters moved. */
  moved: number
  /** … and log π of a response, on average, in either direction; nats. */
  shift: number
  /** Per response token, before the update. */
  entropies: readonly ArrayLike<number>[]
  referenceLogprobs: readonly ArrayLike<number>[]
}

/** The metrics of one update, in which at least one step was taken. */
export function updateMetrics(record: UpdateRecord): Metrics {
  const { batch, steps, entropies } = record
  const over = (name: string): number => mean(steps.map((step) => step[name]!))
  const ratio = over('ratio')
  const means = Object.entries(averages).flatMap(([name, metric]) =>
    name in steps[0]! ? [[metric, over(name)] as const] : [],
  )
  return {
    'objective/kl': batch.kl,
    'objective/kl_coef': record.klCoefficient,
    'objective/entropy': mean(entropies.flatMap((row) => Array.from(row))),
    'objective/scores': batch.score,
    'objective/non_score_reward': batch.nonScoreReward,
    'objective/rlhf_reward': batch.score + batch.nonScoreReward,
    'policy/approxkl_avg': over('approxKl'),
    'policy/update_norm': record.moved,
    'policy/logprob_shift': record.shift,
    'policy/steps': steps.length,
    'loss/policy_avg': over('policyLoss'),
    'loss/total_avg': over('totalLoss'),
    'val/num_eos_tokens': batch.ended,
    gradientNorm: over('gradientNorm'),
    learningRate: record.learningRate,
    perplexity: Math.exp(-mean(record.referenceLogprobs.flatMap((row) => Array.from(row)))),
    responseLength: mean(entropies.map((row) => row.length)),
    ...Object.fromEntries(means),
    ...('ratio' in steps[0]! && { 'val/ratio_var': mean(steps.map((step) => (step.ratio! - ratio) ** 2)) }),
    ...('lossScale' in steps[0]! && {
      loss_scale: steps[steps.length - 1]!.lossScale,
      overflows: steps.reduce((sum, step) => sum + step.overflows!, 0),
    }),
    ...record.own,
  }
}
