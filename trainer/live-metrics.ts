import type { Rewards } from './reward/reward.ts'
import { mean } from './rl/statistics.ts'
import type { Batch } from './rollouts.ts'
import type { SettledVote } from './world.ts'

/** What a step's metrics say of the crowd and of the loop, beside PPO's own (rl/metrics.ts): meaning and unit of each. */
export const LIVE_METRICS = {
  rewardScore: 'mean over rollouts of the reward before normalisation: crowd value h less penalties; about 0…1',
  compassionScore: 'mean over rollouts of the compassion that the reward model predicts, ensemble mean; 0…1',
  ethicalScore: 'one less the mean penalty of the constraints; 1 where none binds',
  loss: 'PPO’s loss/total_avg under the seed system’s name; no unit',
  humanRating: 'mean rating of the votes that this step was the first to use; 1…10, absent without votes',
  humanCompassion: 'mean compassion of the same votes; 0…1, absent without votes',
  votes: 'votes that this step was the first to use',
  raters: 'people who cast them',
  reliability: 'their mean reliability ρ; 0…1, absent without votes',
  'reward_model/uncertainty': 'mean over rollouts of the ensemble’s deviation of the value; 0…1',
  vote_to_gradient_p50_ms: 'median over those votes of the time from stored to committed in the weights; milliseconds',
  vote_to_gradient_p95_ms: 'its 95th percentile; milliseconds',
  step_seconds: 'time that learning took: reward model, scoring, PPO, checkpoint; seconds',
  throughput: 'response tokens of the batch per second of learning',
  memoryUsage: 'resident memory of the run’s process; MiB',
} as const

export function liveMetrics(step: {
  fresh: readonly SettledVote[]
  reliability: (vote: SettledVote) => number
  scored: Rewards
  batch: Batch
  lossAvg: number
  /** Milliseconds since the epoch. */
  began: number
  committedAt: number
}): Record<string, number> {
  const { fresh, scored, batch, began, committedAt } = step
  const seconds = (committedAt - began) / 1000
  const tokens = batch.rollouts.reduce((n, r) => n + r.responseIds.length, 0)
  const latencies = fresh.map((vote) => committedAt - vote.at).sort((a, b) => a - b)
  return {
    rewardScore: mean(scored.raw),
    compassionScore: mean(scored.compassion),
    ethicalScore: 1 - mean(scored.penalties),
    loss: step.lossAvg,
    votes: fresh.length,
    raters: new Set(fresh.map((vote) => vote.raterId)).size,
    'reward_model/uncertainty': mean(scored.deviation),
    step_seconds: seconds,
    ...(seconds > 0 && { throughput: tokens / seconds }),
    memoryUsage: process.memoryUsage.rss() / 2 ** 20,
    ...(fresh.length > 0 && {
      humanRating: mean(fresh.map((vote) => vote.rating)),
      humanCompassion: mean(fresh.map((vote) => vote.compassion)),
      reliability: mean(fresh.map(step.reliability)),
      vote_to_gradient_p50_ms: percentile(latencies, 0.5),
      vote_to_gradient_p95_ms: percentile(latencies, 0.95),
    }),
  }
}

/** Nearest-rank percentile of sorted values. */
const percentile = (sorted: readonly number[], p: number): number => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]
