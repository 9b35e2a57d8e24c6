import type { Db } from './pool.ts'
import type { Invite, InviteRole } from '../protocol/index.ts'

export interface NewInviteRow {
  id: string
  sessionId: string
  /** SHA-256 of the token, which is stored nowhere. */
  tokenHash: Buffer
  label: string
  role: InviteRole
  cap: number
  hours: number
  by: string
}

export async function insertInvite(db: Db, invite: NewInviteRow): Promise<void> {
  await db.query(
    `insert into invites (id, session_id, token_hash, label, role, cap, created_by, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + make_interval(hours => $8))`,
    [invite.id, invite.sessionId, invite.tokenHash, invite.label, invite.role, invite.cap, invite.by, invite.hours],
  )
}

export async function countInvites(db: Db, sessionId: string): Promise<number> {
  const { rows } = await db.query<{ count: number }>('select count(*) as count from invites where session_id = $1', [
    sessionId,
  ])
  return rows[0]!.count
}

/** A session's invitations, newest first. */
export async function invitesOf(db: Db, sessionId: string): Promise<Invite[]> {
  const { rows } = await db.query<Row>(`${select} where i.session_id = $1 order by i.created_at desc, i.id`, [
    sessionId,
  ])
  return rows.map(toInvite)
}

/** One of a session's; null: it has no such invitation. */
export async function findInvite(db: Db, sessionId: string, id: string): Promise<Invite | null> {
  const { rows } = await db.query<Row>(`${select} where i.session_id = $1 and i.id = $2`, [sessionId, id])
  return rows[0] === undefined ? null : toInvite(rows[0])
}

/** Which invitation a token is of, held until the transaction ends: who is let in by it is decided one at a time. */
export async function lockByToken(client: Db, tokenHash: Buffer): Promise<{ id: string; sessionId: string } | null> {
  const { rows } = await client.query<{ id: string; sessionId: string }>(
    'select id, session_id as "sessionId" from invites where token_hash = $1 for update',
    [tokenHash],
  )
  return rows[0] ?? null
}

export async function hasAccepted(db: Db, inviteId: string, userId: string): Promise<boolean> {
  const { rowCount } = await db.query('select from invite_acceptances where invite_id = $1 and user_id = $2', [
    inviteId,
    userId,
  ])
  return rowCount === 1
}

export async function insertAcceptance(db: Db, inviteId: string, userId: string): Promise<void> {
  await db.query('insert into invite_acceptances (invite_id, user_id) values ($1, $2)', [inviteId, userId])
}

/** Nobody comes by it any more; false if it was revoked before. */
export async function revokeInvite(db: Db, id: string, by: string): Promise<boolean> {
  const { rowCount } = await db.query(
    'update invites set revoked_by = $2, revoked_at = clock_timestamp() where id = $1 and revoked_at is null',
    [id, by],
  )
  return rowCount === 1
}

/** By which invitations a person has come where, for their export. */
export async function acceptancesOf(
  db: Db,
  userId: string,
): Promise<{ sessionId: string; role: InviteRole; acceptedAt: string }[]> {
  const { rows } = await db.query<{ sessionId: string; role: InviteRole; at: Date }>(
    `select i.session_id as "sessionId", i.role, a.accepted_at as at
     from invite_acceptances a join invites i on i.id = a.invite_id where a.user_id = $1 order by a.accepted_at`,
    [userId],
  )
  return rows.map(({ at, ...row }) => ({ ...row, acceptedAt: at.toISOString() }))
}

/** Replaces the label of a link for one person once that person is erased. */
const ERASED_LABEL = '(an erased label)'

/** Forgets what a link for one person alone was called, which may say who they were (rule S4). */
export async function forgetInvites(db: Db, userId: string): Promise<void> {
  await db.query(
    `update invites set label = $2
     where cap = 1 and id in (select invite_id from invite_acceptances where user_id = $1)`,
    [userId, ERASED_LABEL],
  )
}

const select = `
  select i.id, i.label, i.role, i.cap, u.username as by, i.created_at, i.expires_at, i.revoked_at is not null as revoked,
         i.expires_at <= clock_timestamp() as expired, (select count(*) from invite_acceptances a where a.invite_id = i.id) as uses
  from invites i join users u on u.id = i.created_by`

interface Row {
  id: string
  label: string
  role: InviteRole
  cap: number
  by: string
  created_at: Date
  expires_at: Date
  revoked: boolean
  expired: boolean
  uses: number
}

const toInvite = ({ created_at, expires_at, revoked, expired, ...row }: Row): Invite => ({
  ...row,
  state: revoked ? 'revoked' : expired ? 'expired' : row.uses >= row.cap ? 'full' : 'open',
  createdAt: created_at.toISOString(),
  expiresAt: expires_at.toISOString(),
})
