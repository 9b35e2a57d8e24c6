/** Whether somebody may see a session, vote in it, and steer it. Every way to a session's content goes through here. */
import type { Reader } from '../../core/db/audience.ts'
import type { Db } from '../../core/db/pool.ts'
import { seenSession, type SeenSession } from '../../core/db/sessions.ts'
import { AttuneError } from '../../core/errors.ts'
import { demandOwner, type Caller } from '../../core/permissions.ts'

/**
 * A session, as far as its caller may know of it. @throws AttuneError not-found: it is hidden from them, or there is
 * none, and nothing says which
 */
export const seen = (db: Db, caller: Caller, sessionId: string): Promise<SeenSession> =>
  seenSession(db, sessionId, readerOf(caller))

/** A session that its caller owns, or administers. @throws AttuneError not-found, forbidden */
export async function steered(db: Db, caller: Caller, sessionId: string): Promise<SeenSession> {
  const session = await seen(db, caller, sessionId)
  demandOwner(caller, session.userId, 'administer')
  return session
}

/** A session that its caller may vote in, and ask. @throws AttuneError not-found, forbidden if they only watch */
export async function joined(db: Db, caller: Caller, sessionId: string): Promise<SeenSession> {
  const session = await seen(db, caller, sessionId)
  const why = watchesBecause(caller, session)
  if (why !== null) throw new AttuneError('forbidden', why)
  return session
}

export const readerOf = (caller: Caller): Reader => ({
  userId: caller.userId,
  seesAll: caller.permissions.includes('administer'),
})

/** Why somebody who sees a session only watches it, as a sentence for them; null: they vote. */
export function watchesBecause(caller: Caller, { audience, role, userId }: SeenSession): string | null {
  if (caller.userId === userId || caller.permissions.includes('administer')) return null
  switch (audience) {
    case 'public':
    case 'unlisted':
      return null
    case 'accounts':
      return caller.guest ? 'Guests watch this session. Make an account to vote in it: you stay who you are.' : null
    case 'wallets':
      return caller.walletAddress === null
        ? 'People who have linked a wallet vote in this session, and others watch.'
        : null
    case 'invited':
      return role === 'rater' ? null : 'You were invited to watch this session.'
  }
}
