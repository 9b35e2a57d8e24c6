import type pg from 'pg'
import type { Db, Pool } from './pool.ts'

/**
 * Does work that only one process at a time may do, under a lock of this name; returns false if another process holds
 * it.
 */
export async function inTurn(
  pool: Pool,
  name: string,
  work: (client: pg.PoolClient) => Promise<boolean>,
): Promise<boolean> {
  const client = await pool.connect()
  try {
    const { rows } = await client.query<{ free: boolean }>('select pg_try_advisory_lock(hashtext($1)) as free', [name])
    if (rows[0]?.free !== true) return false
    try {
      return await work(client)
    } finally {
      await client.query('select pg_advisory_unlock(hashtext($1))', [name])
    }
  } finally {
    client.release()
  }
}

/** Serialises callers that use the same name, each until its transaction ends. */
export async function oneAtATime(client: Db, name: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock(hashtext($1))', [name])
}
