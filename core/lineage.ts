/** Which steps of a run led to its weights, where it was taken back on the way. Pure. */

/** The step after `at`, the last number that was in use, went on from the weights of the step `to`. */
export interface Rollback {
  at: number
  to: number
}

/** Steps from `first` to `last`, both included. */
export interface Stretch {
  first: number
  last: number
}

/**
 * The steps that led to the weights of `step`, itself included, as stretches, the earliest first. Each step continues
 * from the one before it, but the first one after a rollback from the step that the run was taken back to.
 *
 * @param first the run's first step: 1, or the one after a branch's origin
 * @param rollbacks in their order; of several after the same step the last one holds
 */
export function lineage(step: number, rollbacks: readonly Rollback[], first = 1): Stretch[] {
  const stretches: Stretch[] = []
  for (let last = step; last >= first;) {
    const turn = rollbacks.filter(({ at }) => at < last).sort((a, b) => b.at - a.at)[0]
    const start = turn === undefined ? first : turn.at + 1
    stretches.unshift({ first: start, last })
    if (turn === undefined) break
    last = rollbacks.findLast(({ at }) => at === turn.at)!.to
  }
  return stretches
}
