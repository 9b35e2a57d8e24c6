import { isExcluded } from './exclusions.ts'
import type { Db } from './pool.ts'
import { limits } from '../protocol/index.ts'

/** How long votes left uncast count against their author, milliseconds. */
const rememberedMs = 3_600_000

const within = (column: string, parameter: string) =>
  `${column} > clock_timestamp() - make_interval(secs => ${parameter}::float8 / 1000)`
/** Whether the author of `begun` has voted on its sample, even if they withdrew. */
const cast = (begun: string) =>
  `exists (select from feedback f where f.sample_id = ${begun}.sample_id and f.user_id = ${begun}.user_id)`

/**
 * Notes that somebody has begun a vote on a sample of this session that is open to votes; once noted, it
 * stays as it was. Returns for how long the vote is on time from now, milliseconds; null if it was not
 * begun in time, or its author has `limits.votesBegun` others to cast first.
 */
export async function insertBegun(
  db: Db,
  { sessionId, sampleId, userId }: { sessionId: string; sampleId: string; userId: string },
): Promise<number | null> {
  await db.query(
    `insert into vote_begun (sample_id, user_id)
     select s.id, $2 from samples s
     where s.id = $1 and s.session_id = $3 and s.status = 'open'
       and (select count(*) from vote_begun b join samples other on other.id = b.sample_id
            where b.user_id = $2 and other.session_id = $3 and ${within('b.begun_at', '$4')} and not ${cast('b')}) < $5
     on conflict do nothing`,
    [sampleId, userId, sessionId, limits.voteBegunMs, limits.votesBegun],
  )
  const { rows } = await db.query<{ ms: number }>(
    `select ($3 - extract(epoch from clock_timestamp() - b.begun_at) * 1000)::float8 as ms
     from vote_begun b join samples s on s.id = b.sample_id where b.sample_id = $1 and b.user_id = $2 and s.session_id = $4`,
    [sampleId, userId, limits.voteBegunMs, sessionId],
  )
  const ms = rows[0]?.ms ?? 0
  return ms > 0 ? Math.round(ms) : null
}

/** The samples of a session on which a person has begun a vote in time and may still cast it. */
export async function begunSamples(db: Db, sessionId: string, userId: string): Promise<string[]> {
  const { rows } = await db.query<{ sample_id: string }>(
    `select b.sample_id from vote_begun b join samples s on s.id = b.sample_id
     where s.session_id = $1 and b.user_id = $2 and ${within('b.begun_at', '$3')}`,
    [sessionId, userId, limits.voteBegunMs],
  )
  return rows.map((row) => row.sample_id)
}

/** Whether somebody began a vote on a sample while it was open, and not too long ago. */
export async function begunInTime(db: Db, sampleId: string, userId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from vote_begun where sample_id = $1 and user_id = $2 and ${within('begun_at', '$3')}`,
    [sampleId, userId, limits.voteBegunMs],
  )
  return rowCount === 1
}

/**
 * Those of these samples whose closing waits for a begun vote. Only for those of people whose votes the session has, past
 * withdrawal, who are not excluded, and who have not left `limits.holdsLeft` begun votes uncast within the hour; each
 * of them holds a sample's closing once.
 */
export async function heldSamples(db: Db, sessionId: string, sampleIds: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select distinct b.sample_id as id from vote_begun b
     where b.sample_id = any($2::uuid[]) and ${within('b.begun_at', '$3')} and not ${cast('b')}
       and exists (select from feedback f where f.session_id = $1 and f.user_id = b.user_id and f.withdrawn_at is null and not ${isExcluded('f')}
                   and f.created_at <= clock_timestamp() - make_interval(secs => $4::float8 / 1000))
       and (select count(*) from vote_begun u join samples s on s.id = u.sample_id
            where u.user_id = b.user_id and s.session_id = $1 and s.status = 'closed' and ${within('u.begun_at', '$5')} and not ${cast('u')}) < $6`,
    [sessionId, sampleIds, limits.voteBegunMs, limits.withdrawMs, rememberedMs, limits.holdsLeft],
  )
  return rows.map(({ id }) => id)
}

/** Deletes what no rule needs any more. */
export async function forgetBegun(db: Db, sessionId: string): Promise<void> {
  await db.query(
    `delete from vote_begun b using samples s where s.id = b.sample_id and s.session_id = $1 and not ${within('b.begun_at', '$2')}`,
    [sessionId, rememberedMs],
  )
}

/** Forgets what an erased person has begun. */
export async function eraseBegun(db: Db, userId: string): Promise<void> {
  await db.query('delete from vote_begun where user_id = $1', [userId])
}
