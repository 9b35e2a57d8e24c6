import { ERASED_REASON } from './exclusions.ts'
import type { Db } from './pool.ts'
import type { Audience, Decision } from '../protocol/index.ts'

/** What was decided. The database takes each only with what belongs to it, and keeps it as it was. */
export type NewDecision = { sessionId: string; by: string } & (
  | { what: 'exclude'; userId: string; reason: string }
  | { what: 'readmit'; userId: string }
  | { what: 'audience'; audience: Audience; reason?: string | undefined }
  | { what: 'invite' | 'revoke'; inviteId: string }
  | { what: 'exclude-invited'; inviteId: string; people: number; reason: string }
)

/** Writes a decision down, in the transaction that carries it out. */
export async function insertDecision(db: Db, { sessionId, by, what, ...about }: NewDecision): Promise<void> {
  const { userId, inviteId, audience, people, reason }: About = about
  await db.query(
    `insert into decisions (session_id, what, decided_by, user_id, invite_id, audience, people, reason)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [sessionId, what, by, userId, inviteId, audience, people, reason],
  )
}

interface About {
  userId?: string
  inviteId?: string
  audience?: Audience
  people?: number
  reason?: string | undefined
}

/** The latest `limit` decisions about a session, newest first. */
export async function decisionsOf(db: Db, sessionId: string, limit: number): Promise<Decision[]> {
  const { rows } = await db.query<Row>(
    `select d.id, d.what, decider.username as by, d.user_id, whom.username as whom, d.invite_id, i.label, d.audience, d.people,
            d.reason, d.session_id, d.decided_at
     from decisions d join users decider on decider.id = d.decided_by
       left join users whom on whom.id = d.user_id left join invites i on i.id = d.invite_id
     where d.session_id = $1 order by d.id desc limit $2`,
    [sessionId, limit],
  )
  return rows.map((row) => ({
    id: row.id,
    what: row.what,
    by: row.by,
    whom: row.user_id === null ? null : { userId: row.user_id, username: row.whom },
    invite: row.invite_id === null ? null : { id: row.invite_id, label: row.label },
    audience: row.audience,
    people: row.people,
    reason: row.reason,
    sessionId: row.session_id,
    timestamp: row.decided_at.toISOString(),
  }))
}

type Row = Pick<Decision, 'id' | 'what' | 'by' | 'audience' | 'people' | 'reason'> & {
  session_id: string
  decided_at: Date
} & ({ user_id: string; whom: string } | { user_id: null; whom: null }) &
  ({ invite_id: string; label: string } | { invite_id: null; label: null })

/** Forgets why somebody who has just been erased was excluded, alone or with all of a link (rule S4). */
export async function forgetDecisions(db: Db, userId: string): Promise<void> {
  await db.query(
    `update decisions set reason = $2 where reason is not null and (user_id = $1
       or invite_id in (select invite_id from exclusions where user_id = $1 and invite_id is not null))`,
    [userId, ERASED_REASON],
  )
}
