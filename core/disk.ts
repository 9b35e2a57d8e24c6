import pg from 'pg'

/** Why a run whose step could not be stored has paused itself. The installation's state names such runs by it. */
export const pausedByFullDisk =
  'The disk is full: a step could not be stored. Nothing that was acknowledged is lost. Free some space, then resume the run; it goes on from its last step.'

/** Whether something could not be written for want of space, by a process of ours or by Postgres. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '53100'
  if (!(error instanceof Error)) return false
  return ('code' in error && ['ENOSPC', 'EDQUOT'].includes(String(error.code))) || isDiskFull(error.cause)
}
