import pg from 'pg'
import { z } from 'zod'
import { LedgerError } from '../contracts/ledger/errors.ts'
import { isDiskFull } from './disk.ts'
import { limits, type ErrorCode } from './protocol/index.ts'

/** The one error that reaches a caller: a code of the protocol, and a sentence that says what to do. */
export class AttuneError extends Error {
  readonly code: ErrorCode
  /** The field that failed, if any. */
  readonly path: string | undefined
  /** Seconds until a retry may succeed. */
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, details: { path?: string; retryAfter?: number; cause?: unknown } = {}) {
    super(message, { cause: details.cause })
    this.name = 'AttuneError'
    this.code = code
    this.path = details.path
    this.retryAfter = details.retryAfter
  }
}

export const httpStatus: Record<ErrorCode, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  'too-frequent': 429,
  unavailable: 503,
  internal: 500,
}

/** Converts any error to what the caller may see. Internals become `internal`. */
export function toAttuneError(error: unknown): AttuneError {
  if (error instanceof AttuneError) return error
  if (error instanceof z.ZodError) {
    const [issue] = error.issues
    const path = issue?.path.map(String).join('.')
    return new AttuneError('invalid', issue?.message ?? 'invalid', path ? { path, cause: error } : { cause: error })
  }
  if (error instanceof pg.DatabaseError) {
    const refused = REFUSED.get(error.code ?? '')
    if (refused !== undefined) return new AttuneError('invalid', refused, { cause: error })
  }
  if (error instanceof LedgerError && error.code === 'unreachable') {
    return new AttuneError('unavailable', 'the chain does not answer; try again', { retryAfter: 10, cause: error })
  }
  if (isDiskFull(error))
    return new AttuneError('unavailable', 'the server’s disk is full, and nothing was stored; try again later', {
      retryAfter: 30,
      cause: error,
    })
  if (isAway(error))
    return new AttuneError('unavailable', 'the database is away; try again', { retryAfter: 2, cause: error })
  if (isRedisAway(error))
    return new AttuneError('unavailable', 'a part of the system is away; try again', { retryAfter: 2, cause: error })
  if (isOfDisk(error))
    return new AttuneError('unavailable', `${DISK.get(error.code)} (${error.code}): tell who runs it`, { cause: error })
  if (error instanceof URIError) return new AttuneError('invalid', 'the address is not well encoded', { cause: error })
  if (hasStatus(error)) {
    if ('type' in error && error.type === 'entity.too.large') {
      return new AttuneError('too-large', `a body holds at most ${limits.messageBytes} bytes`, { cause: error })
    }
    if (error.status === 404) return new AttuneError('not-found', 'there is no such file', { cause: error })
    if (error.status === 416) return new AttuneError('invalid', 'the range reaches beyond the file', { cause: error })
    if (error.status >= 400 && error.status < 500)
      return new AttuneError('invalid', 'the body cannot be read', { cause: error })
  }
  return new AttuneError('internal', 'something went wrong here', { cause: error })
}

/** Values that Postgres refuses, by its error code. Schemas come first: this covers what they let through. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['22021', 'a text holds a character that cannot be stored'],
  ['22P05', 'a text holds a character that cannot be stored'],
  ['22P02', 'a text holds a character that cannot be stored'],
  ['22003', 'a number is greater than can be stored'],
  ['22008', 'a date is further away than can be stored'],
  ['54001', 'lists and objects lie too deep in each other to be stored'],
])

/**
 * File system errors by code. These are the operator's to fix, and not the caller's
 * fault.
 */
const DISK: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'this server may not write where its files are kept'],
  ['EPERM', 'this server may not write where its files are kept'],
  ['EROFS', 'the disk where this server keeps its files is read-only'],
  ['ENOSPC', 'the disk where this server keeps its files is full'],
  ['EDQUOT', 'the disk where this server keeps its files is full'],
  ['ENOTDIR', 'the folder where this server keeps its files is no folder'],
  ['ENOENT', 'a file that this server should have is gone'],
  ['EMFILE', 'this server has too many files open'],
  ['ENFILE', 'this server has too many files open'],
  ['EIO', 'the disk where this server keeps its files does not work'],
])

/** An error of the file system, which names the call that failed. */
export const isOfDisk = (error: unknown): error is Error & { code: string } =>
  error instanceof Error && 'syscall' in error && 'code' in error && DISK.has(String(error.code))

/**
 * For reading a file of the caller's: errors in its content are theirs to fix, file system errors are not. @throws
 * AttuneError, or the disk's own error
 */
export function badFile(error: unknown): never {
  if (error instanceof AttuneError || isOfDisk(error)) throw error
  throw new AttuneError('invalid', error instanceof Error ? error.message : String(error), { cause: error })
}

const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EAI_AGAIN'])

/** Whether Postgres could not be reached, or the connection was lost during a query. */
function isAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isAway)
  if (!(error instanceof Error)) return false
  if (error instanceof pg.DatabaseError) return /^(08|57P|53)/.test(error.code ?? '')
  return (
    ('code' in error && NETWORK.has(String(error.code))) ||
    /^(timeout exceeded when trying to connect|Connection terminated)/.test(error.message)
  )
}

/** ioredis has no codes for these. */
const isRedisAway = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'MaxRetriesPerRequestError' ||
    /^(Connection is closed|Command timed out|Stream isn't writeable)/.test(error.message))

/** Errors of Express, its body parser and its sending of files. */
const hasStatus = (error: unknown): error is Error & { status: number } =>
  error instanceof Error && 'status' in error && typeof error.status === 'number'
