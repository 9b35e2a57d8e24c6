import { exactDiv } from '../../../lm/graph/index.ts'
import type { Rollout } from '../rollout.ts'

/**
 * Checks that rollouts are whole groups: `size` answers to one prompt, next to each other.
 *
 * @throws Error where `size` does not divide the rollouts; RangeError, naming the rollout, where a group holds two
 *   prompts.
 */
export function checkGroups(rollouts: readonly Rollout[], size: number): void {
  exactDiv(rollouts.length, size, 'rollouts by groupSize')
  rollouts.forEach((rollout, i) => {
    const first = rollouts[i - (i % size)]!
    if (rollout.promptIds.join() === first.promptIds.join()) return
    throw new RangeError(
      `rollout ${rollout.sampleId} answers another prompt than ${first.sampleId}, with which it is in a group of ${size}`,
    )
  })
}
