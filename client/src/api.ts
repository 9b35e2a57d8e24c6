/**
 * REST: one function that handles the envelope (rule P5), and the responses that the protocol file has no schema for.
 */
import type { Envelope, ErrorCode, MerkleProof, ProofOfContribute, Receipt } from '../../core/protocol/index.ts'

/** A response that was not a success, with a message that a person can act on. */
export class ApiError extends Error {
  readonly code: ErrorCode | 'offline'
  /** The field that failed, if any. */
  readonly path: string | undefined

  constructor(code: ErrorCode | 'offline', message: string, path?: string) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.path = path
  }
}

export type Method = 'GET' | 'POST' | 'DELETE'

/**
 * A body is sent as JSON; a string unchanged, as lines of JSON. @throws ApiError with the server's code, or `offline`
 * where no response came.
 */
export async function request<T>(method: Method, path: string, body?: unknown, token?: string): Promise<T> {
  const headers: Record<string, string> = {}
  const lines = typeof body === 'string'
  if (body !== undefined) headers['content-type'] = lines ? 'application/x-ndjson' : 'application/json'
  if (token) headers.authorization = `Bearer ${token}`
  let response: Response
  try {
    response = await fetch(path, { method, headers, body: lines || body === undefined ? body : JSON.stringify(body) })
  } catch (cause) {
    throw new ApiError('offline', `The server can’t be reached. Check the connection and try again. (${String(cause)})`)
  }
  const envelope = await readEnvelope<T>(response)
  if (envelope.success) return envelope.data
  throw new ApiError(envelope.error, envelope.message, envelope.path)
}

async function readEnvelope<T>(response: Response): Promise<Envelope<T>> {
  if (response.headers.get('content-type')?.includes('application/json')) return (await response.json()) as Envelope<T>
  throw new ApiError(
    'unavailable',
    `The server answered ${response.status} without an explanation. Try again in a moment.`,
  )
}

/** What a person can do about an error of this code, where the server's own message is not enough. */
export function advice(code: ErrorCode | 'offline', message: string): string {
  switch (code) {
    case 'too-frequent':
      return 'Too many requests. Wait a moment and try again.'
    case 'forbidden':
      return `${message} Sign in with an account that may do this.`
    case 'unavailable':
      return 'The server is busy or restarting. It will be retried automatically.'
    case 'internal':
      return 'Something went wrong on the server. Nothing was lost; try again in a moment.'
    default:
      return message
  }
}

export type { MerkleProof, ProofOfContribute, Receipt }
