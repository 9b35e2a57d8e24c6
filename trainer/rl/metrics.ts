import type { BatchStatistics } from './batch.ts'
import { mean, type StepStatistics } from './statistics.ts'
import { moments } from './whiten.ts'

/**
 * What each metric of an update means, and its unit. Names are TRL's where TRL has the metric.
 * "Rollouts" are those of the update; "steps" the optimizer steps it took.
 */
export const METRICS = {
  'objective/kl': 'mean over rollouts of Σ_t log π - log π_ref, before the update; nats per response',
  'objective/kl_coef': 'β with which this update was made',
  'objective/entropy': 'mean entropy of the policy at response tokens, before the update; nats per token',
  'objective/scores': 'mean normalised score, EOS penalty taken off; deviations of the reference’s scores',
  'objective/non_score_reward': 'mean of -β Σ_t (log π - log π_ref); same unit as the score',
  'objective/rlhf_reward': 'scores + non_score_reward: what PPO maximises',
  'policy/approxkl_avg': 'mean over steps of ½ mean (log π - log π_old)²; nats per token',
  'policy/clipfrac_avg': 'mean over steps of the share of tokens whose policy loss was clipped; 0…1',
  'policy/entropy_avg': 'mean over steps of the entropy in the loss; nats per token, 0 where there is no bonus',
  'policy/steps': 'optimizer steps taken; fewer than planned where the KL stop ended the update',
  'loss/policy_avg': 'mean over steps of the clipped policy loss; no unit',
  'loss/value_avg': 'mean over steps of the clipped value loss; squared deviations',
  'loss/total_avg': 'mean over steps of the whole loss; no unit',
  'val/clipfrac_avg': 'mean over steps of the share of tokens whose value loss was clipped; 0…1',
  'val/ratio': 'mean over steps of the mean of π / π_old; 1 at the start of an update',
  'val/ratio_var': 'variance over steps of that mean',
  'val/num_eos_tokens': 'rollouts that ended with EOS',
  'val/explained_variance': '1 - var(returns - values) / var(returns) before the update; 1 is perfect, 0 useless',
  gradientNorm: 'mean over steps of the global norm of the gradients, before clipping',
  learningRate: 'of this update',
  perplexity: 'exp of the mean of -log π_ref over response tokens: how surprising the answers are to the reference',
  responseLength: 'mean tokens per response, EOS included',
} as const

export type MetricName = keyof typeof METRICS
export type Metrics = Record<MetricName, number>

export interface UpdateRecord {
  batch: BatchStatistics
  steps: readonly StepStatistics[]
  klCoef: number
  learningRate: number
  /** Per response token, before the update. */
  entropies: readonly ArrayLike<number>[]
  referenceLogprobs: readonly ArrayLike<number>[]
  values: readonly ArrayLike<number>[]
  returns: readonly ArrayLike<number>[]
}

/** The metrics of one update, in which at least one step was taken. */
export function metricsOf(record: UpdateRecord): Metrics {
  const { batch, steps } = record
  const over = (pick: (s: StepStatistics) => number): number => mean(steps.map(pick))
  const ratio = over((s) => s.ratio)
  const returns = record.returns.map((row) => Array.from(row))
  const errors = returns.map((row, b) => row.map((r, t) => r - record.values[b][t]))
  return {
    'objective/kl': batch.kl,
    'objective/kl_coef': record.klCoef,
    'objective/entropy': mean(record.entropies.flatMap((row) => Array.from(row))),
    'objective/scores': batch.score,
    'objective/non_score_reward': batch.nonScoreReward,
    'objective/rlhf_reward': batch.score + batch.nonScoreReward,
    'policy/approxkl_avg': over((s) => s.approxKl),
    'policy/clipfrac_avg': over((s) => s.clipFraction),
    'policy/entropy_avg': over((s) => s.entropy),
    'policy/steps': steps.length,
    'loss/policy_avg': over((s) => s.policyLoss),
    'loss/value_avg': over((s) => s.valueLoss),
    'loss/total_avg': over((s) => s.totalLoss),
    'val/clipfrac_avg': over((s) => s.valueClipFraction),
    'val/ratio': ratio,
    'val/ratio_var': over((s) => (s.ratio - ratio) ** 2),
    'val/num_eos_tokens': batch.ended,
    'val/explained_variance': 1 - moments(errors).variance / Math.max(Number.MIN_VALUE, moments(returns).variance),
    gradientNorm: over((s) => s.gradientNorm),
    learningRate: record.learningRate,
    perplexity: Math.exp(-mean(record.referenceLogprobs.flatMap((row) => Array.from(row)))),
    responseLength: mean(record.values.map((row) => row.length)),
  }
}
