import { descent, isLearnt } from './branches.ts'
import type { Db } from './pool.ts'
import type { CastVote } from '../votes/weights.ts'

export interface RaterRow {
  userId: string
  username: string
  guest: boolean
  invite: string | null
  votes: number
  lastVoteAt: Date
}

/** Everybody with a standing vote in a session, and the first invitation that they came by. */
export async function ratersOf(db: Db, sessionId: string): Promise<RaterRow[]> {
  const { rows } = await db.query<RaterRow>(
    `select u.id as "userId", u.username, u.guest, count(*)::int as votes, max(f.created_at) as "lastVoteAt",
            (select i.label from invite_acceptances a join invites i on i.id = a.invite_id
             where i.session_id = $1 and a.user_id = u.id order by a.accepted_at limit 1) as invite
     from feedback f join users u on u.id = f.user_id
     where f.session_id = $1 and f.withdrawn_at is null group by u.id`,
    [sessionId],
  )
  return rows
}

/**
 * The standing votes that a session learns from, except those of its excluded raters, oldest first, as their weights
 * depend on them.
 */
export async function castVotesOf(db: Db, sessionId: string, excluded: readonly string[]): Promise<CastVote[]> {
  const { rows } = await db.query<CastVote>(
    `with recursive ${descent('$1')}
     select f.user_id as "raterId", coalesce(f.sample_id::text, 'text/' || f.id) as "sampleId", f.value, s.origin,
            coalesce(s.asked_by = f.user_id, false) as "ownQuestion", f.late,
            (extract(epoch from f.created_at) * 1000)::float8 as at, encode(f.source, 'hex') as source
     from descent d join feedback f on f.session_id = d.session_id
       left join receipts r on r.feedback_id = f.id left join samples s on s.id = f.sample_id
       left join steps used on (used.session_id, used.step) = (r.session_id, r.step)
     where f.withdrawn_at is null and not f.user_id = any($2::uuid[]) and ${isLearnt} order by f.seq`,
    [sessionId, excluded],
  )
  return rows
}
