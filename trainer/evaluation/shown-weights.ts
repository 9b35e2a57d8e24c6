/**
 * Lets the last good weights answer while the gate is closed, and the current ones train on. Answers that older weights
 * gave are stale rollouts to the learner, like those of an overlapping step (trainer/rl/experience.ts).
 */
import type { Learner } from '../rl/learner.ts'
import type { LearnerState } from '../rl/state.ts'

export interface ShownWeights {
  /** Holds the current weights as those of `step`, which are good; those held before are forgotten. */
  hold(step: number): Promise<void>
  /** The same with a state from a checkpoint, when a run resumes behind a closed gate. */
  restore(step: number, state: LearnerState): void
  /** Runs `answer` with the held weights if they are those of step `shows`, else with the current ones. */
  answering<T>(shows: number, answer: () => Promise<T>): Promise<T>
}

export function openShownWeights(learner: Pick<Learner, 'exportState' | 'importState'>): ShownWeights {
  let held: { step: number; state: LearnerState } | null = null
  return {
    async hold(step) {
      held = { step, state: await learner.exportState() }
    },
    restore: (step, state) => void (held = { step, state }),
    async answering(shows, answer) {
      if (held?.step !== shows) return answer()
      const current = await learner.exportState()
      learner.importState(held.state)
      try {
        return await answer()
      } finally {
        learner.importState(current)
      }
    },
  }
}
