/**
 * Direct preference optimisation, online: the policy learns to prefer one of two of its own answers
 * as the crowd does, by their log-probabilities alone, without value head or surrogate. In double
 * precision and plain arrays; `dpo-graph.ts` is the same in graph operations, which is what trains;
 * a test checks that both agree.
 *
 * What a pair is in a live run. Each prompt of a step is answered `groupSize` times by the present
 * policy. Every answer has a reward: what people's votes made of it, shrunk towards the reward model's
 * prediction, and the prediction alone where nobody voted. Within its group the best answer is paired
 * with the worst, the second best with the second worst, and so on, so that each answer is in one pair.
 * Where people voted on both, the pair is their preference; where on neither, the reward model's, which
 * learnt from the same people's votes on other answers.
 *
 * Every detail, where it is, and where it is from. Sources: [R23] Rafailov et al., "Direct Preference
 * Optimization", 2023; [G24] Guo et al., "Direct Language Model Alignment from Online AI Feedback",
 * 2024; [M23] Mitchell, "A note on DPO with noisy preferences & relationship to IPO", 2023; [F24]
 * Fisch et al., "Robust Preference Optimization through Reward Model Distillation", 2024; [TRL]
 * huggingface/trl DPOTrainer and OnlineDPOTrainer. What is not named here is PPO's: details 1 to 7, 9,
 * 10 and 20 to 25 of ppo.ts.
 *
 *  1. Pairs are the policy's own answers of this step and not an old data set, so that the preference
 *     is about what the policy says now. [G24]
 *  2. The implied reward of an answer is β Σ_t (log π - log π_ref) over its tokens, EOS
 *     included. [R23 equation 5, TRL `beta`]
 *  3. A pair's loss is the cross entropy between the label p that the first is better and the
 *     policy's own σ(margin), the margin being the difference of the two implied rewards. [R23
 *     equation 7 with p = 1; M23 equation 3]
 *  4. `labels: 'soft'` takes p = σ(difference of rewards), by Bradley and Terry's model with rewards
 *     in deviations of the reference's. The loss then has its minimum at margin = difference of rewards,
 *     the optimum of PPO's objective, and pairs that hardly differ have little effect. 'hard'
 *     takes p = 1, and ½ for a tie: [R23]'s own, which separates the two without bound. [F24]
 *  5. A response that was cut before EOS loses `missingEosPenalty` before answers are compared.
 *     [TRL `missing_eos_penalty`]
 *  6. The reference is the policy before the run, frozen; its log-probabilities are computed once a
 *     step, not once an epoch. [R23, TRL `precompute_ref_log_probs`]
 *  7. A minibatch holds whole pairs, and its loss is the mean over them (minibatches.ts). [TRL]
 *  8. The update minimises the loss divided by β. Its minimum is the same, and the scale of its gradient does
 *     not depend on β: the controller moves β by orders of magnitude, which Adam, whose epsilon and
 *     moments are of one scale, must not feel.
 *  9. A pair counts by the geometric mean of its answers' weights (`Scored.weight`), which is 1 unless it is known
 *     how sure their rewards are.
 * 10. There is no ratio to clip; epochs end where the approximate KL to the policy that they began
 *     with passes the same limit as PPO's. Answers of a policy one update old stay what they are: two
 *     answers to compare.
 */
import { scoresOf, trustRegion, type Prepared, type Scored } from '../experience.ts'
import { checkGroups } from './groups.ts'
import { sigmoid, softplus } from '../logistic.ts'
import { mean } from '../../../core/statistics.ts'

export type PreferenceLabels = 'soft' | 'hard'

/** Two rollouts by their index, and the probability in [½, 1] that the first is better. */
export interface Pair {
  chosen: number
  rejected: number
  label: number
}

export interface DpoBatchConfig {
  /** Even. */
  groupSize: number
  labels: PreferenceLabels
  /** Taken off the score of a response that was cut before EOS. */
  missingEosPenalty: number
}

/**
 * Details 4 and 5. An answer's advantage is ±(2p - 1): the confidence that it is the better, or the worse, of its pair.
 */
export function prepareDpo(
  scored: readonly Scored[],
  { groupSize, labels, missingEosPenalty }: DpoBatchConfig,
): Prepared {
  checkGroups(
    scored.map(({ rollout }) => rollout),
    groupSize,
  )
  const pairs = pairsOf(scoresOf(scored, missingEosPenalty), groupSize, labels)
  const advantages = new Array<number>(scored.length)
  const experiences = pairs.flatMap(({ chosen, rejected, label }) => {
    const weight = Math.sqrt((scored[chosen]!.weight ?? 1) * (scored[rejected]!.weight ?? 1))
    advantages[chosen] = 2 * label - 1
    advantages[rejected] = 1 - 2 * label
    return [chosen, rejected].map((i) => {
      const { rollout, reference } = scored[i]!
      const { oldLogprobs } = trustRegion(scored[i]!, [])
      return { rollout, columns: { oldLogprobs, referenceLogprobs: reference.logprobs }, scalars: { label, weight } }
    })
  })
  return { experiences, advantages, metrics: { 'rewards/label': mean(pairs.map(({ label }) => label)) } }
}

/**
 * Best with worst, second best with second worst, group by group: [B] -> B / 2 pairs. Of ties the earlier counts as
 * better.
 */
export function pairsOf(scores: readonly number[], groupSize: number, labels: PreferenceLabels): Pair[] {
  const starts = Array.from({ length: scores.length / groupSize }, (_, g) => g * groupSize)
  return starts.flatMap((start) => {
    const ranked = Array.from({ length: groupSize }, (_, k) => start + k).sort(
      (a, b) => scores[b]! - scores[a]! || a - b,
    )
    return ranked.slice(0, groupSize / 2).map((chosen, k): Pair => {
      const rejected = ranked[groupSize - 1 - k]!
      return { chosen, rejected, label: labelOf(scores[chosen]! - scores[rejected]!, labels) }
    })
  })
}

function labelOf(difference: number, labels: PreferenceLabels): number {
  return labels === 'soft' ? sigmoid(difference) : difference > 0 ? 1 : 0.5
}

/**
 * One minibatch, ragged: rows 2i and 2i + 1 are pair i's chosen and rejected answer, `[b][t]` over real response tokens
 * only.
 */
export interface DpoMinibatch {
  newLogprobs: readonly (readonly number[])[]
  oldLogprobs: readonly (readonly number[])[]
  referenceLogprobs: readonly (readonly number[])[]
  /** One per pair. */
  labels: readonly number[]
  /** One per pair: how much it counts in the loss; 1 by default. */
  weights?: readonly number[]
}

export interface DpoLoss {
  /** Cross entropy, mean over pairs, nats: log 2 where the policy is the reference. */
  policyLoss: number
  /** `policyLoss / β` */
  totalLoss: number
  /** Implied rewards, means over pairs: β Σ_t (log π - log π_ref). */
  chosenReward: number
  rejectedReward: number
  /** Their difference. */
  margin: number
  /** Share of pairs of positive margin. */
  accuracy: number
  /** `½ mean (log π - log π_old)²` over tokens, nats. */
  approxKl: number
}

/**
 *     L = -p log σ(m) - (1 - p) log σ(-m),   m = β (Σ_t log π/π_ref of the chosen - of the rejected)
 *
 * @param klCoefficient β, above 0
 * @throws RangeError for a minibatch without pairs, or with half a pair.
 */
export function dpoLoss(batch: DpoMinibatch, klCoefficient: number): DpoLoss {
  const { newLogprobs, oldLogprobs, referenceLogprobs, labels, weights } = batch
  if (labels.length === 0 || newLogprobs.length !== 2 * labels.length)
    throw new RangeError(`${newLogprobs.length} responses for ${labels.length} pairs`)
  const implied = newLogprobs.map(
    (row, b) => klCoefficient * row.reduce((sum, logprob, t) => sum + logprob - referenceLogprobs[b]![t]!, 0),
  )
  const chosen = implied.filter((_, b) => b % 2 === 0)
  const rejected = implied.filter((_, b) => b % 2 === 1)
  const margins = chosen.map((reward, i) => reward - rejected[i]!)
  const policyLoss = mean(
    margins.map((m, i) => (weights?.[i] ?? 1) * (labels[i]! * softplus(-m) + (1 - labels[i]!) * softplus(m))),
  )
  return {
    policyLoss,
    totalLoss: policyLoss / klCoefficient,
    chosenReward: mean(chosen),
    rejectedReward: mean(rejected),
    margin: mean(margins),
    accuracy: mean(margins.map((m) => (m > 0 ? 1 : 0))),
    approxKl: mean(
      newLogprobs.flatMap((row, b) => row.map((logprob, t) => 0.5 * (logprob - oldLogprobs[b]![t]!) ** 2)),
    ),
  }
}
