import pg from 'pg'

export type Pool = pg.Pool
/** What a query needs: the pool, or a client inside a transaction. */
export type Db = Pick<pg.ClientBase, 'query'>

/**
 * Opens a pool. `onIdleError` is notified of connections that broke while idle (the next query simply opens
 * another); without a listener Node would end the process. A query waits `connectMs` for its connection:
 * longer if the process itself may be too busy to notice that it has one.
 */
export function openPool(databaseUrl: string, onIdleError: (error: Error) => void, max = 10, connectMs = 5_000): Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max, connectionTimeoutMillis: connectMs, types })
  pool.on('error', onIdleError)
  return pool
}

/** Runs `fn` in one transaction: committed when it returns, rolled back when it throws. */
export async function transaction<T>(pool: Pool, fn: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    return await inTransaction(
      client,
      () => fn(client),
      (failure) => (broken = failure),
    )
  } finally {
    // A connection that could not roll back must not be reused.
    client.release(broken)
  }
}

/** The same on a connection that is the caller's. @param stuck what to do where not even a rollback is possible */
export async function inTransaction<T>(
  client: Db,
  work: () => Promise<T>,
  stuck: (failure: Error) => unknown = (failure) => Promise.reject(failure),
): Promise<T> {
  try {
    await client.query('begin')
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(stuck)
    throw error
  }
}

/** Resolves if the database answers. */
export async function ping(db: Db): Promise<void> {
  await db.query('select 1')
}

/** Whether `error` is Postgres refusing a duplicate (of `constraint`, if given). */
export function isDuplicate(error: unknown, constraint?: string): boolean {
  return (
    error instanceof pg.DatabaseError &&
    error.code === '23505' &&
    (constraint === undefined || error.constraint === constraint)
  )
}

/** Whether `error` is Postgres rejecting a violation of the check or trigger of this name. */
export function isRefusedBy(error: unknown, constraint: string): boolean {
  return error instanceof pg.DatabaseError && error.code === '23514' && error.constraint === constraint
}

/** Whether `error` says that Postgres is unavailable or shutting down, not that it rejected something. */
export function isConnectionTrouble(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return /^(08|57P)/.test(error.code ?? '')
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return (
    /^(ECONN|EPIPE|ETIMEDOUT)/.test(code) ||
    /connection (terminated|timeout)|timeout exceeded when trying to connect/i.test(error.message)
  )
}

/** int8 as number: each of our bigint columns stays far below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}
