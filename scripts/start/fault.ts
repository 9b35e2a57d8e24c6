import { FORBIDDEN, FULL } from '../../core/disk.ts'

/**
 * A failure that a person can act on: the message says what is wrong and what
 * to do. The command line prints it as one line and no stack.
 */
export class StartFault extends Error {
  override name = 'StartFault'
}

export function errorText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorText).join('; ')
  return error instanceof Error ? error.message : String(error)
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A disk error, worded so that a person can act on it; any other error unchanged. */
export function diskFault(error: unknown, dir: string): unknown {
  const code = errorCode(error) ?? ''
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : dir
  if (FULL.includes(code))
    return new StartFault(
      `the disk is full (${path}): free some space and start again, or keep the data elsewhere with --data`,
    )
  if (FORBIDDEN.includes(code)) {
    return new StartFault(
      `${path} can't be written by this user: start as its owner, or keep the data elsewhere with --data`,
    )
  }
  return error
}
