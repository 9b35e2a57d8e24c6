/** A guest of an Attune server, over REST. */
import {
  limits,
  type Envelope,
  type ErrorCode,
  type Receipt,
  type SignedIn,
  type TrainingSession,
} from '../../core/protocol/index.ts'

export interface Account {
  userId: string
  username: string
  /** A token that is valid for a while yet. */
  token: () => Promise<string>
  get: <T>(path: string) => Promise<T>
}

export class RestError extends Error {
  readonly code: ErrorCode
  /** Seconds. */
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, retryAfter?: number) {
    super(message)
    this.name = 'RestError'
    this.code = code
    this.retryAfter = retryAfter
  }
}

/** Renewed when it is this close to its end, milliseconds. */
const RENEW_BEFORE_MS = 60_000
/** How often a request that the server can't handle now is retried. */
const ATTEMPTS = 20
const RETRY_MS = 500
/** Asked to wait longer than this, as when too many guests have come from here (GUESTS_PER_HOUR), it gives up. */
const PATIENCE_SECONDS = 60

export async function signInAsGuest(url: string, displayName: string): Promise<Account> {
  let signedIn = await request<SignedIn>(url, 'POST', '/api/auth/guest', { body: { displayName } })
  const token = async () => {
    if (endOf(signedIn.token) - RENEW_BEFORE_MS < Date.now()) {
      const { refreshToken } = signedIn
      signedIn = await request<SignedIn>(url, 'POST', '/api/auth/refresh', { body: { refreshToken } })
    }
    return signedIn.token
  }
  return {
    userId: signedIn.user.userId,
    username: signedIn.user.username,
    token,
    get: async <T>(path: string) => request<T>(url, 'GET', path, { token: await token() }),
  }
}

export const sessionOf = (account: Account, sessionId: string): Promise<TrainingSession> =>
  account.get<TrainingSession>(`/api/training/${sessionId}`)

export const receiptsOf = (account: Account, sessionId: string): Promise<Receipt[]> =>
  account.get<Receipt[]>(`/api/feedback/receipts?sessionId=${sessionId}&limit=${limits.pageItems}`)

/**
 * One REST request; waits and retries if the server is unreachable or asks for patience.
 *
 * @throws RestError with the server's code.
 */
export async function request<T>(
  url: string,
  method: 'GET' | 'POST',
  path: string,
  { body, token }: { body?: unknown; token?: string } = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const answer = await once<T>(url, method, path, body, token)
    if (!(answer instanceof RestError)) return answer.data
    const passing =
      (answer.code === 'too-frequent' || answer.code === 'unavailable') && (answer.retryAfter ?? 0) <= PATIENCE_SECONDS
    if (!passing || attempt === ATTEMPTS) throw answer
    await pause(answer.retryAfter === undefined ? RETRY_MS : answer.retryAfter * 1_000)
  }
}

async function once<T>(
  url: string,
  method: string,
  path: string,
  body: unknown,
  token: string | undefined,
): Promise<{ data: T } | RestError> {
  let response: Response
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch (error) {
    return new RestError(
      'unavailable',
      `${url} can't be reached: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  if (!response.headers.get('content-type')?.includes('application/json')) {
    return new RestError('unavailable', `${method} ${path}: ${response.status} without an explanation`)
  }
  const envelope = (await response.json()) as Envelope<T>
  if (envelope.success) return { data: envelope.data }
  return new RestError(envelope.error, `${method} ${path}: ${envelope.message}`, envelope.retryAfter)
}

/** When a JWT expires, milliseconds since the epoch. */
function endOf(token: string): number {
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  if (typeof claims === 'object' && claims !== null && 'exp' in claims && typeof claims.exp === 'number')
    return claims.exp * 1_000
  throw new Error('the token does not say when it ends')
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
