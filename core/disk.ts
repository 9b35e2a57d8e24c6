import pg from 'pg'

/** Whether a write failed for lack of disk space, in an Attune process or in Postgres. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '53100'
  if (!(error instanceof Error)) return false
  return ('code' in error && ['ENOSPC', 'EDQUOT'].includes(String(error.code))) || isDiskFull(error.cause)
}
