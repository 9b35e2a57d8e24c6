/** Who may see which session, as SQL: the one place where that is decided (docs of each audience: protocol/invites.ts). */
import type { Db } from './pool.ts'

/** Who asks. */
export interface Reader {
  userId: string
  /** They may see every session, as administrators may. */
  seesAll: boolean
}

/** SQL: the audience of session `s`. One that is older than the setting is public. */
export const audienceOf = (s: string): string => `coalesce(${s}.configuration -> 'live' ->> 'audience', 'public')`

/** SQL: whether session `s` is in everybody's list. */
export const isListed = (s: string): string => `${audienceOf(s)} not in ('unlisted', 'invited')`

/** SQL: the role by which a person was invited into session `s`; null: by none. A rater's, if they came by several. */
export const invitedRole = (s: string, userId: string): string =>
  `(select max(i.role) from invite_acceptances a join invites i on i.id = a.invite_id where i.session_id = ${s}.id and a.user_id = ${userId})`

/** SQL: whether a person was invited into session `s`, and is not excluded from it. */
const isIn = (s: string, userId: string): string =>
  `(${invitedRole(s, userId)} is not null and not exists (
    select from exclusions x where x.session_id = ${s}.id and x.user_id = ${userId} and x.readmitted_at is null))`

/** SQL: whether a reader may know of session `s` at all; each argument is an expression. */
export const maySee = (s: string, userId: string, seesAll: string): string =>
  `(${seesAll} or ${s}.user_id = ${userId} or ${audienceOf(s)} <> 'invited' or ${isIn(s, userId)})`

/** SQL: whether session `s` is in a reader's list. */
export const isInListOf = (s: string, userId: string, seesAll: string): string =>
  `(${seesAll} or ${s}.user_id = ${userId} or ${isListed(s)} or ${isIn(s, userId)})`

/** For each of these people in sessions, whether they may see it; false for a session that does not exist. */
export async function whetherSeen(db: Db, asked: readonly (Reader & { sessionId: string })[]): Promise<boolean[]> {
  const { rows } = await db.query<{ sees: boolean }>(
    `select s.id is not null and ${maySee('s', 'asked.user_id', 'asked.sees_all')} as sees
     from unnest($1::text[], $2::uuid[], $3::boolean[]) with ordinality as asked (session_id, user_id, sees_all, nth)
       left join sessions s on s.id = asked.session_id
     order by asked.nth`,
    [asked.map(({ sessionId }) => sessionId), asked.map(({ userId }) => userId), asked.map(({ seesAll }) => seesAll)],
  )
  return rows.map(({ sees }) => sees)
}
