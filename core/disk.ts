import pg from 'pg'

/**
 * Error codes of system calls that failed for lack of space, and of those that this user or this file system forbids.
 */
export const FULL: readonly string[] = ['ENOSPC', 'EDQUOT']
export const FORBIDDEN: readonly string[] = ['EACCES', 'EPERM', 'EROFS']

/** Why a run whose step could not be stored has paused itself. The installation's state names such runs by it. */
export const pausedByFullDisk =
  'The disk is full: a step could not be stored. Nothing that was acknowledged is lost. Free some space, then resume the run; it goes on from its last step.'

/** Whether a write failed for lack of disk space, in an Attune process or in Postgres. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '53100'
  if (!(error instanceof Error)) return false
  return ('code' in error && FULL.includes(String(error.code))) || isDiskFull(error.cause)
}
