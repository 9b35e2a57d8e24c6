import pg from 'pg'
import { z } from 'zod'
import { LedgerError } from '../contracts/errors.ts'
import { limits, type ErrorCode } from './protocol.ts'

/** The one error that reaches a caller: a code of the protocol, and a sentence that says what to do. */
export class AttuneError extends Error {
  readonly code: ErrorCode
  /** The field that failed, where one did. */
  readonly path: string | undefined
  /** Seconds until it may work. */
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

/** Whatever was thrown, as what the caller may know of it. What is not theirs to know becomes `internal`. */
export function toAttuneError(error: unknown): AttuneError {
  if (error instanceof AttuneError) return error
  if (error instanceof z.ZodError) {
    const [issue] = error.issues
    const path = issue?.path.map(String).join('.')
    return new AttuneError('invalid', issue?.message ?? 'invalid', path ? { path, cause: error } : { cause: error })
  }
  if (error instanceof pg.DatabaseError && TEXT_REFUSED.has(error.code ?? '')) {
    return new AttuneError('invalid', 'a text holds a character that cannot be stored', { cause: error })
  }
  if (error instanceof LedgerError && error.code === 'unreachable') {
    return new AttuneError('unavailable', 'the chain does not answer; try again', { retryAfter: 10, cause: error })
  }
  if (isAway(error)) return new AttuneError('unavailable', 'the database is away; try again', { retryAfter: 2, cause: error })
  if (isRedisAway(error)) return new AttuneError('unavailable', 'a part of the system is away; try again', { retryAfter: 2, cause: error })
  if (hasType(error)) {
    if (error.type === 'entity.too.large') {
      return new AttuneError('too-large', `a body holds at most ${limits.messageBytes} bytes`, { cause: error })
    }
    if (error.status >= 400 && error.status < 500) return new AttuneError('invalid', 'the body cannot be read', { cause: error })
  }
  return new AttuneError('internal', 'something went wrong here', { cause: error })
}

/** A NUL, or half of a surrogate pair, in a text or in JSON. */
const TEXT_REFUSED = new Set(['22021', '22P05', '22P02'])
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EAI_AGAIN'])

/** Whether Postgres could not be reached, or left while it was asked. */
function isAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isAway)
  if (!(error instanceof Error)) return false
  if (error instanceof pg.DatabaseError) return /^(08|57P|53)/.test(error.code ?? '')
  return ('code' in error && NETWORK.has(String(error.code))) || /^(timeout exceeded when trying to connect|Connection terminated)/.test(error.message)
}

/** ioredis has no codes for these. */
const isRedisAway = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'MaxRetriesPerRequestError' || /^(Connection is closed|Command timed out|Stream isn't writeable)/.test(error.message))

/** Errors of Express's body parser. */
const hasType = (error: unknown): error is { type: string; status: number } =>
  error instanceof Error && 'type' in error && 'status' in error && typeof error.status === 'number'
