import pg from 'pg'

/** Codes of system calls that failed for want of space, and of those that this user or this file system forbids. */
export const FULL: readonly string[] = ['ENOSPC', 'EDQUOT']
export const FORBIDDEN: readonly string[] = ['EACCES', 'EPERM', 'EROFS']

/** Whether something could not be written for want of space, by a process of ours or by Postgres. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '53100'
  if (!(error instanceof Error)) return false
  return ('code' in error && FULL.includes(String(error.code))) || isDiskFull(error.cause)
}
