/** Where a run goes on from a checkpoint: usually with the step after it, unless it was taken back, or is a branch. */
import { branchOf } from '../../core/db/branches.ts'
import { stepAfter } from '../../core/db/history.ts'
import type { Db } from '../../core/db/pool.ts'
import type { Run } from './run-state.ts'

/**
 * Lets a run that was opened at a checkpoint go on with the right step. If it was taken back to this checkpoint, that is
 * the next free one. The batch in the checkpoint is dropped if its answers were for another step, or for the run that a
 * branch began from: people voted on them there.
 */
export async function goOnFrom(db: Db, run: Pick<Run, 'sessionId' | 'state'>): Promise<void> {
  const { sessionId, state } = run
  const [next, branch] = [await stepAfter(db, sessionId, state.step), await branchOf(db, sessionId)]
  if (state.pending?.step !== next || state.step === branch?.step) state.pending = null
  state.step = next - 1
}
