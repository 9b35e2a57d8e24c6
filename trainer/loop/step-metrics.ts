import { sampleKey, type Crowd } from './crowd.ts'
import { bleu, rougeL } from '../../lm/text/text-metrics.ts'
import type { Rewards } from '../reward/reward.ts'
import { maxOf, mean, quantile } from '../../core/statistics.ts'
import { krippendorffAlpha } from '../../core/votes/agreement/krippendorff.ts'
import type { Rollout } from '../rl/rollout.ts'
import type { SettledVote } from '../../core/db/feedback.ts'

/**
 * What a step's metrics report about the crowd and the loop, besides the learner's own (rl/metrics.ts): meaning, and
 * after the last semicolon the unit.
 */
export const LIVE_METRICS = {
  rewardScore:
    'mean over rollouts of the reward before floors and normalisation, crowd value h (or v̂ where nobody voted) less pessimism and penalties, plus the length bonus; value, about 0…1',
  compassionScore:
    'mean over rollouts of the compassion that the reward model predicts, absent while no vote of the session has rated compassion; 0…1',
  ethicalScore: '1 less the mean penalty of the constraints, 1 where none binds; no unit, at most 1',
  loss: 'loss/total_avg under the seed system’s name; no unit',
  convergenceRate:
    'slope of the least-squares line through rewardScore over the last 10 steps, near 0 once the run has settled; value per step',
  bleuScore:
    'mean sentence BLEU (lm/text/text-metrics.ts) over the rollouts whose prompt comes with a reference answer, absent without any; 0…1',
  rougeScore: 'mean ROUGE-L of the same, absent without any; 0…1',
  humanRating: 'mean rating of the votes that this step was the first to use, absent without votes; 1…10',
  humanCompassion: 'mean compassion of those of the same votes that rated it, absent where none did; 0…1',
  votes: 'votes that this step was the first to use; votes',
  raters: 'who cast them; people',
  reliability: 'mean over these votes of their rater’s reliability ρ, absent without votes; 0…1',
  agreement:
    'Krippendorff’s alpha (ordinal) of all ratings of the answers that these votes are on, 1 where raters agree, 0 where they do as by chance, below 0 where they contradict each other, absent where no answer has two ratings or all ratings are the same; no unit, at most 1',
  'raters/known': 'raters that the session knows so far, n ≥ 8 comparable votes and ρ ≥ 0.3; people',
  'raters/strangers_share':
    'what strangers’ votes weigh of all that votes weigh on the answers of this step, absent where none weighs; 0…1',
  'reward_model/uncertainty': 'mean over rollouts of the deviation of the predicted value; 0…1',
  vote_to_gradient_p50_ms:
    'median over these votes of the time from stored to committed in the weights, absent without votes; milliseconds',
  vote_to_gradient_p95_ms: 'its 95th percentile, absent without votes; milliseconds',
  step_seconds: 'time that learning took: reward model, scoring, update, checkpoint; seconds',
  throughput: 'response tokens of the batch over step_seconds; tokens per second',
  eps: 'rollouts of the batch over the time since the step before was committed (or the run opened), voting included; rollouts per second',
  memoryUsage: 'resident memory of the run’s process; MiB',
} as const

/** Steps over which the trend of the reward is taken. */
export const trendSteps = 10

export function liveMetrics(step: {
  fresh: readonly SettledVote[]
  crowd: Pick<Crowd, 'votes' | 'standing' | 'raters' | 'on' | 'weighed'>
  scored: Rewards
  /** `rewardScore` of the latest steps, this one's last. */
  rewards: readonly number[]
  batch: { rollouts: readonly Rollout[] }
  /** Of prompts that come with one. */
  answerTo: (prompt: string) => string | undefined
  loss: number
  /**
   * When learning began, when the step before was committed (or the run opened) and when this one was, milliseconds
   * since the epoch.
   */
  began: number
  since: number
  committedAt: number
}): Record<string, number> {
  const { fresh, crowd, scored, batch, began, since, committedAt } = step
  const seconds = (committedAt - began) / 1000
  const tokens = batch.rollouts.reduce((n, r) => n + r.responseIds.length, 0)
  const answered = batch.rollouts.flatMap(({ prompt, response }) => {
    const wanted = step.answerTo(prompt)
    return wanted === undefined ? [] : [{ response, wanted }]
  })
  const compassion = fresh.flatMap((vote) => vote.compassion ?? [])
  const latencies = fresh.map((vote) => committedAt - vote.at)
  return {
    rewardScore: mean(scored.raw),
    ...(crowd.votes.some((vote) => vote.compassion !== null) && { compassionScore: mean(scored.compassion) }),
    ethicalScore: 1 - mean(scored.penalties),
    loss: step.loss,
    convergenceRate: slope(step.rewards),
    votes: fresh.length,
    raters: new Set(fresh.map((vote) => vote.raterId)).size,
    ...agreementMetric(crowd, fresh),
    ...standingMetrics(crowd, batch),
    'reward_model/uncertainty': mean(scored.deviation),
    step_seconds: seconds,
    ...(seconds > 0 && { throughput: tokens / seconds }),
    ...(committedAt > since && { eps: (1000 * batch.rollouts.length) / (committedAt - since) }),
    ...(answered.length > 0 && {
      bleuScore: mean(answered.map(({ response, wanted }) => bleu(response, wanted))),
      rougeScore: mean(answered.map(({ response, wanted }) => rougeL(response, wanted))),
    }),
    memoryUsage: process.memoryUsage.rss() / 2 ** 20,
    ...(compassion.length > 0 && { humanCompassion: mean(compassion) }),
    ...(fresh.length > 0 && {
      humanRating: mean(fresh.map((vote) => vote.rating)),
      reliability: mean(fresh.map((vote) => crowd.standing(vote).reliability)),
      vote_to_gradient_p50_ms: quantile(latencies, 0.5),
      vote_to_gradient_p95_ms: quantile(latencies, 0.95),
    }),
  }
}

/** How far the raters of the answers that these votes are on agree, each rating counting alike. */
export function agreementMetric(crowd: Pick<Crowd, 'on'>, fresh: readonly SettledVote[]): { agreement?: number } {
  const ratings = [...new Set(fresh.map(sampleKey))].map((id) => crowd.on(id).map(({ rating }) => rating))
  // Alpha does not ask who gave a rating: a row is the answers' first ratings, the next one their second, …
  const rows = Array.from(
    {
      length: maxOf(
        ratings.map((given) => given.length),
        0,
      ),
    },
    (_, k) => ratings.map((given) => given[k] ?? null),
  )
  const agreement = krippendorffAlpha(rows, 'ordinal')
  return agreement === undefined ? {} : { agreement }
}

/** Who is known, and what share of the step comes from strangers. */
function standingMetrics(
  crowd: Pick<Crowd, 'standing' | 'raters' | 'on' | 'weighed'>,
  { rollouts }: { rollouts: readonly Rollout[] },
): Record<string, number> {
  let all = 0
  let strangers = 0
  for (const { sampleId } of rollouts) {
    const on = crowd.on(sampleId)
    crowd.weighed(sampleId).forEach(({ weight }, i) => {
      all += weight
      if (!crowd.standing(on[i]!).known) strangers += weight
    })
  }
  return {
    'raters/known': [...crowd.raters.values()].filter((standing) => standing.known).length,
    ...(all > 0 && { 'raters/strangers_share': strangers / all }),
  }
}

/** Of the least-squares line through equally spaced values, per interval; 0 for a single one. */
export function slope(values: readonly number[]): number {
  const centre = (values.length - 1) / 2
  const spread = values.reduce((sum, _, i) => sum + (i - centre) ** 2, 0)
  return spread === 0 ? 0 : values.reduce((sum, value, i) => sum + (i - centre) * value, 0) / spread
}
