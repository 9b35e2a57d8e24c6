/** One sampled answer with what PPO needs. Plain data, which can be stored and read back. */
export interface Rollout {
  sampleId: string
  prompt: string
  response: string
  /** Without padding. */
  promptIds: number[]
  /** The sampled tokens, including EOS if it occurred. At least one. */
  responseIds: number[]
  /** log π(token) of the policy that sampled, at the sampling temperature, nats: one per response token. */
  logprobs: Float32Array
  /** Truncated at the maximum length, without EOS. */
  truncated: boolean
  /** Version of the sampling policy: its number of updates. */
  policyVersion: number
}

/** The frozen reference's evaluation of a rollout. Depends on the rollout alone, so it can be cached. */
export interface ReferenceView {
  /** log π_ref(token) at the sampling temperature, nats: one per response token. */
  logprobs: Float32Array
  /**
   * What the reward model reads: the mean over the response of the residual stream before the final
   * norm, then the last token's state after it: [2C].
   */
  features: Float32Array
  /** The first half of `features` for every prefix of the response: [T, C], T response tokens. */
  prefixes: Float32Array
}

/** @throws RangeError for a rollout without response tokens or with another number of log-probabilities. */
export function checkRollout({ sampleId, promptIds, responseIds, logprobs }: Rollout): void {
  if (promptIds.length === 0 || responseIds.length === 0)
    throw new RangeError(`rollout ${sampleId} has no prompt or no response tokens`)
  if (logprobs.length !== responseIds.length) {
    throw new RangeError(`rollout ${sampleId}: ${logprobs.length} log-probabilities for ${responseIds.length} tokens`)
  }
}
