/** Which sessions want a trainer, and in which order they get one. */
import { isExcluded } from './exclusions.ts'
import type { Db } from './pool.ts'
import { isHeld } from './run-lock.ts'

/**
 * The active sessions that want a trainer and have none, those that have waited longest first. One that released
 * its slot because nobody voted wants none until there is a vote that it has not seen, or a question.
 */
export async function unheldRuns(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select id from sessions where ${wanted} and not ${isHeld('sessions.id')} order by queued_at, start_time, id`,
  )
  return rows.map((row) => row.id)
}

/** The active sessions that want a trainer, whether they have one or not. */
export async function runsToTrain(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(`select id from sessions where ${wanted}`)
  return rows.map((row) => row.id)
}

/** Wakes runs that had released their slots: each is queued from now on. */
export async function wake(db: Db, ids: readonly string[]): Promise<void> {
  await db.query(
    'update sessions set parked_at = null, queued_at = clock_timestamp() where id = any($1) and parked_at is not null',
    [ids],
  )
}

/** A vote stored at most this long before a run released its slot may be one that it has not seen; seconds. */
const unseenSeconds = 2

/**
 * Releases the run's slot: nobody votes. Not if the number of votes on one of these answers has changed by now,
 * or a question is waiting; returns whether it did. The caller holds the run's lock, and releases it.
 */
export async function park(
  db: Db,
  sessionId: string,
  { sampleIds, votes }: { sampleIds: readonly string[]; votes: number },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update sessions set parked_at = clock_timestamp() - make_interval(secs => ${unseenSeconds})
     where id = $1 and status = 'active'
       and (select count(*) from feedback where sample_id = any($2::uuid[]) and withdrawn_at is null and not ${isExcluded('feedback')}) = $3
       and not exists (select from samples where session_id = $1 and ${asked})`,
    [sessionId, sampleIds, votes],
  )
  return rowCount === 1
}

/** A trainer has picked up the run. */
export async function unpark(db: Db, sessionId: string): Promise<void> {
  await db.query('update sessions set parked_at = null where id = $1 and parked_at is not null', [sessionId])
}

/** Goes to the end of the queue if another run waits for a slot; returns whether one does. */
export async function yieldTo(db: Db, sessionId: string): Promise<boolean> {
  if ((await unheldRuns(db)).length === 0) return false
  const { rowCount } = await db.query(
    `update sessions set queued_at = clock_timestamp() where id = $1 and status = 'active'`,
    [sessionId],
  )
  return rowCount === 1
}

const asked = `origin = 'ask' and status in ('queued', 'streaming')`
const wanted = `(status = 'active' and (parked_at is null
  or exists (select from samples s join feedback f on f.sample_id = s.id
     where s.session_id = sessions.id and s.status = 'open' and s.origin = 'rollout' and f.created_at > sessions.parked_at and f.withdrawn_at is null and not ${isExcluded('f')})
  or exists (select from exclusions x where x.session_id = sessions.id and x.readmitted_at > sessions.parked_at)
  or exists (select from samples where session_id = sessions.id and ${asked})))`
