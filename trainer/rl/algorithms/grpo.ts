/**
 * Group-relative policy optimisation: PPO's surrogate without a value head. A prompt is answered
 * several times, and an answer's advantage is relative to its group. In double precision
 * and plain arrays; `grpo-graph.ts` is the same in graph operations, which is what trains; a test
 * checks that both agree.
 *
 * Every detail, where it is, and where it is from. Sources: [S24] Shao et al., "DeepSeekMath", 2024,
 * section 4.1; [L25] Liu et al., "Understanding R1-Zero-like training: a critical perspective" (Dr.
 * GRPO), 2025; [Y25] Yu et al., "DAPO", 2025; [TRL] huggingface/trl GRPOTrainer; [S20] Schulman,
 * "Approximating KL divergence", 2020. What is not named here is PPO's: details 1 to 7, 9, 10, 16, 19
 * to 26 and 28 of ppo.ts.
 *
 *  1. Each prompt is answered `groupSize` times by the same policy; the answers are adjacent, and a
 *     batch with an incomplete group is refused (groups.ts). [S24]
 *  2. An answer's advantage is its score less its group's mean, the same for each of its tokens: the
 *     group's mean takes the value head's place. [S24, outcome supervision]
 *  3. The difference is divided by the deviation of the group's scores (`scaleRewards: 'group'`, as
 *     [S24]), by that of the whole batch's ('batch', as [TRL]), or by nothing ('none', as [L25]: the
 *     group's deviation gives most weight to prompts whose answers hardly differ, where what differs
 *     is noise). Deviations are unbiased, 1e-4 is added to them. [TRL]
 *  4. The KL to the reference is part of the loss and not of the reward: k3 = e^d - d - 1 with
 *     d = log π_ref - log π, never negative, and differentiated. [S24 equation 4, S20]
 *  5. The loss of an answer is the mean over its tokens, and that of a minibatch the mean over its
 *     answers (`lossType: 'grpo'`, [S24]), by which a token of a long answer counts less; or the mean
 *     over all tokens ('dapo', [Y25]); or the sum over tokens divided by the longest length that is
 *     allowed ('dr_grpo', [L25]), by which no length is preferred.
 *  6. β is fixed, or follows PPO's controller: it is an input of the compiled step, not a constant.
 *  7. A group whose answers all score the same teaches nothing but the KL; how many there were is
 *     reported (metrics.ts, `frac_reward_zero_std`). [TRL]
 */
import { inGroups } from '../minibatches.ts'
import { scoresOf, trustRegion, weighed, type Prepared, type Scored } from '../experience.ts'
import { checkGroups } from './groups.ts'
import { mean } from '../../../core/statistics.ts'
import { k3 } from '../kl.ts'
import { surrogate } from './surrogate.ts'
import { moments } from '../whiten.ts'
export { k3 } from '../kl.ts'

export type RewardScale = 'group' | 'batch' | 'none'
export type GrpoLossType = 'grpo' | 'dapo' | 'dr_grpo'

export interface GrpoBatchConfig {
  groupSize: number
  scaleRewards: RewardScale
  /** Taken off the score of a response that was cut before EOS. */
  missingEosPenalty: number
}

export interface GrpoLossConfig {
  /** Ratio is held in [1 - clipRatio, 1 + clipRatio]. */
  clipRatio: number
  entropyCoefficient: number
  lossType: GrpoLossType
  /** Longest response, tokens: what 'dr_grpo' divides by. */
  maxNewTokens: number
}

/** One minibatch, ragged: `[b][t]` over real response tokens only. */
export interface GrpoMinibatch {
  newLogprobs: readonly (readonly number[])[]
  oldLogprobs: readonly (readonly number[])[]
  referenceLogprobs: readonly (readonly number[])[]
  advantages: readonly (readonly number[])[]
  /** Of the policy at each position, nats; only needed where `entropyCoefficient` is not 0. */
  entropies?: readonly (readonly number[])[]
}

export interface GrpoLoss {
  policyLoss: number
  /** k3, weighed as the policy's loss; nats per token ('dr_grpo': per token of the longest length). */
  klLoss: number
  /** Mean over tokens, nats. 0 where no entropies were given. */
  entropy: number
  /** `policyLoss + β · klLoss - entropyCoefficient · entropy` */
  totalLoss: number
  /** These three as in PPO: means over tokens. */
  approxKl: number
  clipFraction: number
  ratio: number
}

/** Details 1 to 3 and 7; PPO's details 6 and 26. */
export function prepareGrpo(
  scored: readonly Scored[],
  { groupSize, scaleRewards, missingEosPenalty }: GrpoBatchConfig,
): Prepared {
  checkGroups(
    scored.map(({ rollout }) => rollout),
    groupSize,
  )
  const scores = scoresOf(scored, missingEosPenalty)
  const experiences = groupAdvantages(scores, groupSize, scaleRewards).map((advantage, i) => {
    const { rollout, reference } = scored[i]!
    const columns = trustRegion(
      scored[i]!,
      rollout.responseIds.map(() => weighed(scored[i]!, advantage)),
    )
    return { rollout, columns: { ...columns, referenceLogprobs: reference.logprobs }, scalars: {} }
  })
  const deviations = inGroups(scores, groupSize).map((group) => Math.sqrt(moments([group]).variance))
  return {
    experiences,
    advantages: experiences.map(({ columns }) => mean(columns.advantages)),
    metrics: {
      reward_std: mean(deviations),
      frac_reward_zero_std: mean(deviations.map((d) => (d < LEAST_DEVIATION ? 1 : 0))),
    },
  }
}

/** Added to a deviation before dividing by it. */
const LEAST_DEVIATION = 1e-4

/**
 * Each score relative to its group: [B] -> [B], groups of `groupSize` scores next to each other.
 *
 *     A_i = (r_i - mean_group) / (deviation + 1e-4)
 */
export function groupAdvantages(scores: readonly number[], groupSize: number, scale: RewardScale): number[] {
  const all = moments([scores])
  return inGroups(scores, groupSize).flatMap((group) => {
    const own = moments([group])
    const deviation = Math.sqrt(scale === 'group' ? own.variance : all.variance)
    return group.map((score) => (score - own.mean) / (scale === 'none' ? 1 : deviation + LEAST_DEVIATION))
  })
}

/**
 *     L_t = max(-A r, -A clip(r, 1-ε, 1+ε)) + β (e^d - d - 1),   r = π / π_old, d = log π_ref - log π
 *
 * averaged as `lossType` says.
 *
 * @throws RangeError for a minibatch without responses, or with an empty one.
 */
export function grpoLoss(batch: GrpoMinibatch, klCoefficient: number, config: GrpoLossConfig): GrpoLoss {
  const lengths = batch.newLogprobs.map((row) => row.length)
  const tokens = lengths.reduce((sum, n) => sum + n, 0)
  if (lengths.length === 0 || lengths.includes(0))
    throw new RangeError('a minibatch without responses, or with an empty one, has no loss')
  const loss = { policyLoss: 0, klLoss: 0, entropy: 0, approxKl: 0, clipFraction: 0, ratio: 0 }
  batch.newLogprobs.forEach((row, b) => {
    const share = tokenShare(config, { tokens, sequences: lengths.length, length: row.length })
    row.forEach((logprob, t) => {
      const logRatio = logprob - batch.oldLogprobs[b]![t]!
      const { loss: token, ratio, clipped } = surrogate(logRatio, batch.advantages[b]![t]!, config.clipRatio)
      loss.policyLoss += share * token
      loss.klLoss += share * k3(logprob, batch.referenceLogprobs[b]![t]!)
      loss.entropy += (batch.entropies?.[b]![t] ?? 0) / tokens
      loss.approxKl += (0.5 * logRatio ** 2) / tokens
      loss.clipFraction += (clipped ? 1 : 0) / tokens
      loss.ratio += ratio / tokens
    })
  })
  return {
    ...loss,
    totalLoss: loss.policyLoss + klCoefficient * loss.klLoss - config.entropyCoefficient * loss.entropy,
  }
}

/** The weight of a token's loss in the sum. */
function tokenShare(
  { lossType, maxNewTokens }: GrpoLossConfig,
  size: { tokens: number; sequences: number; length: number },
): number {
  switch (lossType) {
    case 'grpo':
      return 1 / (size.sequences * size.length)
    case 'dapo':
      return 1 / size.tokens
    case 'dr_grpo':
      return 1 / (size.sequences * maxNewTokens)
  }
}
