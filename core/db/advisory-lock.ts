import type pg from 'pg'
import type { Db, Pool } from './pool.ts'

/**
 * Does some work that only one process at a time may do, by a lock of this name; says false where another one has it.
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

/** Lets those who call it by one name through one at a time, each until its transaction ends. */
export async function oneAtATime(client: Db, name: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock(hashtext($1))', [name])
}
