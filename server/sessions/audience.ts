import { publish, type Deps } from '../deps.ts'
import { decisionsOf, insertDecision } from '../../core/db/decisions.ts'
import { transaction } from '../../core/db/pool.ts'
import { setAudience } from '../../core/db/sessions.ts'
import type { Caller } from '../../core/permissions.ts'
import type { Audience, Decision } from '../../core/protocol/index.ts'
import { steered } from './admittance.ts'

/**
 * Changes whom a session is for. Who may no longer see it is put out of its room. Setting what is set already decides
 * nothing. @throws AttuneError not-found, forbidden
 */
export async function changeAudience(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  { audience, reason }: { audience: Audience; reason?: string | undefined },
): Promise<{ sessionId: string; audience: Audience }> {
  await steered(deps.pool, caller, sessionId)
  const changed = await transaction(deps.pool, async (client) => {
    if (!(await setAudience(client, sessionId, audience))) return false
    await insertDecision(client, { sessionId, by: caller.userId, what: 'audience', audience, reason })
    return true
  })
  if (changed) publish(deps, sessionId, { event: 'audience', payload: { sessionId } })
  return { sessionId, audience }
}

/** What was decided about people in a session, newest first. @throws AttuneError not-found, forbidden */
export async function listDecisions(deps: Deps, caller: Caller, sessionId: string, limit: number): Promise<Decision[]> {
  await steered(deps.pool, caller, sessionId)
  return decisionsOf(deps.pool, sessionId, limit)
}
