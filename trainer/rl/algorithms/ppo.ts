/**
 * Proximal Policy Optimisation for language models: what is optimised, in double precision and
 * plain arrays. `ppo-graph.ts` is the same in graph operations, which is what trains; a test
 * compares both with values from an independent implementation.
 *
 * Every detail, where it is, and where it is from. Sources: [H24] Huang, Noukhovitch, Hosseini,
 * Rasul, Wang, Tunstall, "The N+ Implementation Details of RLHF with PPO", 2024; [H23] Huang, Liu,
 * von Werra, "The N Implementation Details of RLHF with PPO", 2023; [LHP] openai/lm-human-
 * preferences (Ziegler et al. 2019); [TRL] huggingface/trl PPOTrainer; [S17] Schulman et al. 2017;
 * [S16] Schulman et al. 2016 (GAE); [A21] Andrychowicz et al. 2021.
 *
 *  1. Actions are sampled, not argmax, and their log-probabilities are kept from the moment of
 *     sampling: the denominator of the ratio (learner.ts). [LHP, TRL]
 *  2. Logits are divided by the sampling temperature wherever a log-probability is taken: when
 *     sampling, for the reference and in training (policy.ts). [H23, LHP]
 *  3. Prompts and responses are padded with positions that no attention reads and no loss counts;
 *     position ids count real tokens only (layout.ts). [H23, H24]
 *  4. No dropout anywhere, so that the ratio of the first minibatch is 1. [H24]
 *  5. A response ends at EOS; what follows is masked (layout.ts). [H24]
 *  6. A response that was cut before EOS loses `missingEosPenalty` from its score (experience.ts).
 *     [H24's "EOS trick"; TRL `missing_eos_penalty`]
 *  7. Scores are normalised to mean 0, deviation 1 on the reference policy's outputs
 *     (trainer/reward/reward.ts). [LHP, H23, H24]
 *  8. The score is added at the last token; each token pays β (log π - log π_ref), the k1
 *     estimate, as reward and not as loss (kl.ts). [LHP, TRL]
 *  9. β is fixed, or follows a proportional controller towards a target KL (kl.ts). [LHP]
 * 10. The reference is the policy as it was before the run, frozen (policy.ts). [LHP]
 * 11. The value head is one linear layer on the policy's last hidden state, initialised to 0, so
 *     the first values do not disturb (policy.ts). [H23]
 * 12. Rewards are whitened on request, without shifting their mean (ppo-batch.ts). [LHP, TRL `whiten_rewards`]
 * 13. Advantages by GAE, γ 1 and λ 1 by default (gae.ts). [S16, LHP]
 * 14. Returns are advantages + old values, taken before whitening (gae.ts). [LHP]
 * 15. Advantages are whitened over the whole batch's real tokens, mean shifted to 0 (ppo-batch.ts). [LHP, H24]
 * 16. The policy's loss takes the worse of the clipped and the unclipped ratio. [S17]
 * 17. The value's loss takes the worse of the clipped and the unclipped error, halved. [LHP, S17's code]
 * 18. Losses are means over real tokens of the minibatch, not of sequences' means. [LHP, TRL `masked_mean`]
 * 19. An entropy bonus, 0 by default. [S17]
 * 20. Several epochs over each batch; each goes through a fresh seeded permutation, cut into equal
 *     minibatches; sizes that do not divide are refused (minibatches.ts). [A21, H24]
 * 21. A minibatch may be cut further into micro-batches whose gradients are summed before one
 *     optimizer step (train-step.ts). [H24, TRL `gradient_accumulation_steps`]
 * 22. Gradients are clipped by their global norm (train-step.ts). [A21]
 * 23. AdamW with epsilon 1e-5, which [H23] found to matter in PyTorch's form of Adam. [H23, LHP]
 * 24. The learning rate may fall linearly to 0 over the run (schedule.ts). [H23, LHP]
 * 25. Epochs end early once a minibatch's approximate KL to the sampling policy passes the target
 *     (learner.ts). [OpenAI Spinning Up; A21]
 * 26. For rollouts sampled before the last update the trust region is around the current policy,
 *     with a truncated importance weight (experience.ts). [Hilton et al. 2022]
 * 27. Where the reward model can predict the value of a prefix, rewards are shaped by that potential: their sum
 *     is unchanged, their variance falls (ppo-batch.ts). [Ng, Harada, Russell 1999]
 * 28. Statistics are of the minibatches that trained, under their usual names (metrics.ts). [TRL]
 */
import { clamp, surrogate } from './surrogate.ts'

export interface PpoLossConfig {
  /** ε: the ratio is held in [1 - clipRatio, 1 + clipRatio]. */
  clipRatio: number
  /** ε_v: new values are held within this of the old ones, in deviations of the reference's rewards. */
  valueClipRatio: number
  valueCoefficient: number
  entropyCoefficient: number
}

/** One minibatch, ragged: `[b][t]` over real response tokens only. */
export interface PpoMinibatch {
  newLogprobs: readonly (readonly number[])[]
  oldLogprobs: readonly (readonly number[])[]
  newValues: readonly (readonly number[])[]
  oldValues: readonly (readonly number[])[]
  advantages: readonly (readonly number[])[]
  returns: readonly (readonly number[])[]
  /** Of the policy at each position, nats; only needed where `entropyCoefficient` is not 0. */
  entropies?: readonly (readonly number[])[]
}

export interface PpoLoss {
  policyLoss: number
  valueLoss: number
  /** Mean entropy, nats. 0 where no entropies were given. */
  entropy: number
  /** `policyLoss + valueCoefficient · valueLoss - entropyCoefficient · entropy` */
  totalLoss: number
  /** `½ mean (log ratio)²`, nats: second order in the distance, never negative. */
  approxKl: number
  /** Share of tokens for which the clipped loss was used. */
  clipFraction: number
  valueClipFraction: number
  /** Mean of π / π_old. */
  ratio: number
}

/**
 *     L_π = mean max(-A r, -A clip(r, 1-ε, 1+ε)),            r = exp(log π - log π_old)
 *     L_V = ½ mean max((V - R)², (clip(V, V_old-ε_v, V_old+ε_v) - R)²)
 *     L   = L_π + c_V L_V - c_H H
 *
 * @throws RangeError for a minibatch without tokens.
 */
export function ppoLoss(batch: PpoMinibatch, config: PpoLossConfig): PpoLoss {
  const sums = { policy: 0, value: 0, entropy: 0, kl: 0, clipped: 0, valueClipped: 0, ratio: 0 }
  let count = 0
  batch.newLogprobs.forEach((row, b) => {
    row.forEach((logprob, t) => {
      count++
      const logRatio = logprob - batch.oldLogprobs[b]![t]!
      const { loss, ratio, clipped } = surrogate(logRatio, batch.advantages[b]![t]!, config.clipRatio)
      sums.policy += loss
      sums.clipped += clipped ? 1 : 0
      sums.kl += 0.5 * logRatio ** 2
      sums.ratio += ratio

      const value = batch.newValues[b]![t]!
      const old = batch.oldValues[b]![t]!
      const error = (value - batch.returns[b]![t]!) ** 2
      const clippedError =
        (clamp(value, old - config.valueClipRatio, old + config.valueClipRatio) - batch.returns[b]![t]!) ** 2
      sums.value += 0.5 * Math.max(error, clippedError)
      sums.valueClipped += clippedError > error ? 1 : 0
      sums.entropy += batch.entropies?.[b]![t] ?? 0
    })
  })
  if (count === 0) throw new RangeError('a minibatch without tokens has no loss')
  const policyLoss = sums.policy / count
  const valueLoss = sums.value / count
  const entropy = sums.entropy / count
  return {
    policyLoss,
    valueLoss,
    entropy,
    totalLoss: policyLoss + config.valueCoefficient * valueLoss - config.entropyCoefficient * entropy,
    approxKl: sums.kl / count,
    clipFraction: sums.clipped / count,
    valueClipFraction: sums.valueClipped / count,
    ratio: sums.ratio / count,
  }
}
