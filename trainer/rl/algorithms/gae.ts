/** Per sequence, one entry for each response token. */
export interface Estimate {
  advantages: number[]
  /** `advantages + values`: what the value head learns to predict. */
  returns: number[]
}

/**
 * Generalised advantage estimation over one response: rewards [T], values [T] -> [T], [T].
 *
 *     δ_t = r_t + γ V_{t+1} - V_t,   A_t = δ_t + γ λ A_{t+1},   V_T = A_T = 0
 *
 * Nothing follows the last token, whether the response ended or was cut. Source: Schulman et al.
 * 2016, equations 11 and 16.
 *
 * @throws RangeError where the two differ in length.
 */
export function estimateAdvantages(
  rewards: readonly number[],
  values: readonly number[],
  gamma: number,
  lambda: number,
): Estimate {
  if (rewards.length !== values.length) throw new RangeError(`${rewards.length} rewards for ${values.length} values`)
  const advantages = new Array<number>(values.length)
  let next = 0 // A_{t+1}
  let nextValue = 0 // V_{t+1}
  for (let t = values.length - 1; t >= 0; t--) {
    next = rewards[t]! + gamma * nextValue - values[t]! + gamma * lambda * next
    nextValue = values[t]!
    advantages[t] = next
  }
  return { advantages, returns: advantages.map((a, t) => a + values[t]!) }
}
