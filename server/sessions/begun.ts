import type { Deps } from '../deps.ts'
import { insertBegun } from '../../core/db/vote-begun.ts'
import type { Caller } from '../../core/permissions.ts'
import type { AckData } from '../../core/protocol/index.ts'
import { joined } from './admittance.ts'

/**
 * Somebody begins a vote. Begun while voting is open, it counts as on time for a while after that has
 * closed; too late, or with too many begun and not cast, nothing is stored.
 *
 * @throws AttuneError not-found if there is no such session; forbidden for whoever only watches it
 */
export async function beginVote(
  deps: Deps,
  caller: Caller,
  { sessionId, sampleId }: { sessionId: string; sampleId: string },
): Promise<AckData['begin-vote']> {
  await joined(deps.pool, caller, sessionId)
  const { userId } = caller
  return { sampleId, countsForMs: await insertBegun(deps.pool, { sessionId, sampleId, userId }) }
}
