import { isDuplicate, type Db } from './pool.ts'
import { AttuneError } from '../errors.ts'

/** SQL: whether the author of vote `v` is excluded from its session at present. */
export const isExcluded = (v: string): string =>
  `exists (select from exclusions x where x.session_id = ${v}.session_id and x.user_id = ${v}.user_id and x.readmitted_at is null)`

/** Why somebody is excluded from a session; null: they are not. */
export async function exclusionOf(db: Db, sessionId: string, userId: string): Promise<{ reason: string } | null> {
  const { rows } = await db.query<{ reason: string }>(
    'select reason from exclusions where session_id = $1 and user_id = $2 and readmitted_at is null',
    [sessionId, userId],
  )
  return rows[0] ?? null
}

/** @throws AttuneError conflict if they are already excluded */
export async function insertExclusion(
  db: Db,
  exclusion: { sessionId: string; userId: string; reason: string; by: string },
): Promise<void> {
  try {
    await db.query('insert into exclusions (session_id, user_id, reason, excluded_by) values ($1, $2, $3, $4)', [
      exclusion.sessionId,
      exclusion.userId,
      exclusion.reason,
      exclusion.by,
    ])
  } catch (error) {
    if (isDuplicate(error, 'exclusions_standing')) throw new AttuneError('conflict', 'this rater is excluded already')
    throw error
  }
}

/**
 * Excludes everybody who has come by an invitation, but for those who are excluded already and the session's owner;
 * returns whom.
 */
export async function excludeInvited(
  db: Db,
  { sessionId, inviteId, reason, by }: { sessionId: string; inviteId: string; reason: string; by: string },
): Promise<string[]> {
  const { rows } = await db.query<{ userId: string }>(
    `insert into exclusions (session_id, user_id, reason, excluded_by, invite_id)
     select s.id, a.user_id, $3, $4, a.invite_id
     from invite_acceptances a, sessions s where a.invite_id = $2 and s.id = $1 and a.user_id <> s.user_id
     on conflict (session_id, user_id) where readmitted_at is null do nothing
     returning user_id as "userId"`,
    [sessionId, inviteId, reason, by],
  )
  return rows.map(({ userId }) => userId)
}

/** Ends an exclusion. @throws AttuneError conflict if there is none */
export async function endExclusion(
  db: Db,
  { sessionId, userId, by }: { sessionId: string; userId: string; by: string },
): Promise<void> {
  const { rowCount } = await db.query(
    `update exclusions set readmitted_by = $3, readmitted_at = clock_timestamp()
     where session_id = $1 and user_id = $2 and readmitted_at is null`,
    [sessionId, userId, by],
  )
  if (rowCount === 0) throw new AttuneError('conflict', 'this rater is not excluded')
}

export interface ExclusionRow {
  userId: string
  reason: string
  by: string
  at: Date
}

/** The standing exclusions of a session, with who decided them. */
export async function exclusionsOf(db: Db, sessionId: string): Promise<ExclusionRow[]> {
  const { rows } = await db.query<ExclusionRow>(
    `select x.user_id as "userId", x.reason, u.username as by, x.excluded_at as at
     from exclusions x join users u on u.id = x.excluded_by where x.session_id = $1 and x.readmitted_at is null`,
    [sessionId],
  )
  return rows
}

/** Every exclusion of a person, ended or not, for their export. */
export async function exclusionsOfUser(
  db: Db,
  userId: string,
): Promise<{ sessionId: string; reason: string; at: string; readmittedAt: string | null }[]> {
  const { rows } = await db.query<{ sessionId: string; reason: string; at: Date; readmittedAt: Date | null }>(
    'select session_id as "sessionId", reason, excluded_at as at, readmitted_at as "readmittedAt" from exclusions where user_id = $1 order by id',
    [userId],
  )
  return rows.map(({ at, readmittedAt, ...row }) => ({
    ...row,
    at: at.toISOString(),
    readmittedAt: readmittedAt?.toISOString() ?? null,
  }))
}

/** Replaces the reason once the person it was about is erased. The database knows it, too (decisions_stand). */
export const ERASED_REASON = '(an erased reason)'

/** Forgets why somebody was excluded, which may say who they were (rule S4). */
export async function forgetExclusions(db: Db, userId: string): Promise<void> {
  await db.query('update exclusions set reason = $2 where user_id = $1', [userId, ERASED_REASON])
}
