/** Where a run goes on from a checkpoint: usually with the step after it, unless it was taken back. */
import { stepAfter } from '../../core/db/history.ts'
import type { Db } from '../../core/db/pool.ts'
import type { Run } from './run-state.ts'

/**
 * Lets a run that was opened at a checkpoint go on with the right step. If it was taken back to this checkpoint, that is
 * the next free one.
 */
export async function goOnFrom(db: Db, { sessionId, state }: Pick<Run, 'sessionId' | 'state'>): Promise<void> {
  state.step = (await stepAfter(db, sessionId, state.step)) - 1
}
