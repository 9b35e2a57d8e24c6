import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { publish, type Deps } from '../deps.ts'
import { insertDecision } from '../../core/db/decisions.ts'
import { excludeInvited, exclusionOf } from '../../core/db/exclusions.ts'
import {
  countInvites,
  findInvite,
  hasAccepted,
  insertAcceptance,
  insertInvite,
  invitesOf,
  lockByToken,
  revokeInvite,
} from '../../core/db/invites.ts'
import { transaction, type Db } from '../../core/db/pool.ts'
import { sessionBasics } from '../../core/db/sessions.ts'
import { lockUser } from '../../core/db/users.ts'
import { AttuneError } from '../../core/errors.ts'
import type { Caller } from '../../core/permissions.ts'
import { limits, type CreateInvite, type Invite, type NewInvite } from '../../core/protocol/index.ts'
import { steered } from './admittance.ts'
import { excludedSentence } from './raters.ts'

/** Bytes of a token: nobody guesses one. */
const TOKEN_BYTES = 32

/** A token is as random as a key, so a plain hash of it says nothing. */
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** Makes a link into a session; its token is in this answer and nowhere else. @throws AttuneError not-found, forbidden, conflict */
export async function invite(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  { role, cap, expiresInHours: hours, label }: CreateInvite,
): Promise<NewInvite> {
  await steered(deps.pool, caller, sessionId)
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  const id = randomUUID()
  return transaction(deps.pool, async (client) => {
    // One link of a person at a time, so that the count below is exact.
    await lockUser(client, caller.userId)
    if ((await countInvites(client, sessionId)) >= limits.invites)
      throw new AttuneError('conflict', `a session has at most ${limits.invites} links`)
    await insertInvite(client, {
      ...{ id, sessionId, role, cap, hours, tokenHash: hashOf(token), by: caller.userId },
      label: label ?? `Link ${id.slice(0, 4)}`,
    })
    await insertDecision(client, { sessionId, by: caller.userId, what: 'invite', inviteId: id })
    return { ...(await demandInvite(client, sessionId, id)), token }
  })
}

/** A session's links, newest first. @throws AttuneError not-found, forbidden */
export async function listInvites(deps: Deps, caller: Caller, sessionId: string): Promise<Invite[]> {
  await steered(deps.pool, caller, sessionId)
  return invitesOf(deps.pool, sessionId)
}

/**
 * Nobody comes by this link any more. Those who have come by it stay, unless they are excluded. @throws AttuneError
 * not-found, forbidden, conflict if it was revoked before
 */
export async function revoke(deps: Deps, caller: Caller, sessionId: string, inviteId: string): Promise<Invite> {
  await steered(deps.pool, caller, sessionId)
  return transaction(deps.pool, async (client) => {
    await demandInvite(client, sessionId, inviteId)
    if (!(await revokeInvite(client, inviteId, caller.userId)))
      throw new AttuneError('conflict', 'this link was revoked before')
    await insertDecision(client, { sessionId, by: caller.userId, what: 'revoke', inviteId })
    return demandInvite(client, sessionId, inviteId)
  })
}

/**
 * Excludes everybody who has come by a link, and revokes it: else they would come by it again, as somebody else. As
 * with any exclusion their votes weigh nothing from the next step on.
 *
 * @throws AttuneError not-found, forbidden
 */
export async function excludeAllOf(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  inviteId: string,
  reason: string,
): Promise<{ people: number }> {
  await steered(deps.pool, caller, sessionId)
  const by = caller.userId
  const excluded = await transaction(deps.pool, async (client) => {
    await demandInvite(client, sessionId, inviteId)
    // Whoever is being let in is waited for, and then nobody else is.
    if (await revokeInvite(client, inviteId, by))
      await insertDecision(client, { sessionId, by, what: 'revoke', inviteId })
    const people = await excludeInvited(client, { sessionId, inviteId, reason, by })
    await insertDecision(client, { sessionId, by, what: 'exclude-invited', inviteId, people: people.length, reason })
    return people
  })
  for (const userId of excluded)
    publish(deps, sessionId, { event: 'exclusion', payload: { sessionId, userId, excluded: true, reason } })
  return { people: excluded.length }
}

/**
 * Lets the caller into the session that a token is of. Who has come by it before is in already. A place is for one
 * person, whatever becomes of them.
 *
 * @throws AttuneError not-found; forbidden if they are excluded; conflict if it is revoked, has expired, or is full
 */
export async function accept(deps: Deps, caller: Caller, token: string): Promise<{ sessionId: string }> {
  return transaction(deps.pool, async (client) => {
    const found = await lockByToken(client, hashOf(token))
    if (found === null)
      throw new AttuneError('not-found', 'there is no such invitation: check that the link is complete', {
        path: 'token',
      })
    const { id, sessionId } = found
    const { userId: ownerId } = await sessionBasics(client, sessionId)
    // They are in anyway, and take nobody's place.
    if (caller.userId === ownerId || caller.permissions.includes('administer')) return { sessionId }
    const exclusion = await exclusionOf(client, sessionId, caller.userId)
    if (exclusion !== null) throw new AttuneError('forbidden', excludedSentence(exclusion.reason))
    if (await hasAccepted(client, id, caller.userId)) return { sessionId }
    const { state, cap } = await demandInvite(client, sessionId, id)
    if (state !== 'open') throw new AttuneError('conflict', closedSentences[state](cap), { path: 'token' })
    await insertAcceptance(client, id, caller.userId)
    return { sessionId }
  })
}

const closedSentences: Record<Exclude<Invite['state'], 'open'>, (cap: number) => string> = {
  revoked: () => 'This invitation was revoked. Ask who sent it for another one.',
  expired: () => 'This invitation has expired. Ask who sent it for another one.',
  full: (cap) =>
    `This invitation is full: it was for ${cap === 1 ? 'one person' : `${cap} people`}. Ask who sent it for another one.`,
}

async function demandInvite(db: Db, sessionId: string, id: string): Promise<Invite> {
  const found = await findInvite(db, sessionId, id)
  if (found === null) throw noInvite()
  return found
}

const noInvite = () => new AttuneError('not-found', 'this session has no such link')
