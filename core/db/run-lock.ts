import type pg from 'pg'
import type { Pool } from './pool.ts'

/**
 * Takes the right to train a session, or returns null if another process has it. The lock
 * lives as long as its connection: a trainer that is killed releases it by dying. `release` is
 * safe to call on a connection that broke.
 */
export async function takeRunLock(pool: Pool, sessionId: string): Promise<RunLock | null> {
  const client = await pool.connect()
  let lost: Error | undefined
  const onError = (error: Error) => (lost = error)
  client.on('error', onError)
  const release = () => {
    client.off('error', onError)
    // The connection is closed, not returned: that frees the lock whatever state it is in.
    client.release(true)
  }
  try {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, hashtext($2)) as taken', [
      LOCK_CLASS,
      sessionId,
    ])
    if (rows[0]?.taken === true) return { client, release, lost: () => lost }
  } catch (error) {
    release()
    throw error
  }
  release()
  return null
}

export interface RunLock {
  /** The connection that holds the lock. */
  client: pg.PoolClient
  release: () => void
  /** What broke the connection, and with it the lock; undefined while it holds. */
  lost: () => Error | undefined
}

/**
 * SQL that says whether a process is training a session; it may still commit a step even though the session has
 * ended.
 */
export const isHeld = (sessionId: string): string => `exists (
  select from pg_locks
  where locktype = 'advisory' and granted
    and database = (select oid from pg_database where datname = current_database())
    and classid = (${LOCK_CLASS}::bigint)::oid and objid = (hashtext(${sessionId})::bigint & 4294967295)::oid and objsubid = 2)`

/** Keeps run locks apart from every other two-key advisory lock of the database: "run\0" in ASCII. */
const LOCK_CLASS = 0x72756e00
