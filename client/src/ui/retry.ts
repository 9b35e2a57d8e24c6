/** What to do after the server has closed a connection or refused one. Pure. */
import { messageOf } from './sentence.ts'
import type { ErrorCode } from '../../../core/protocol/index.ts'

export interface Refusal {
  code: ErrorCode | 'offline'
  /** The server's message. */
  message: string
  /** Until then it is refused again, seconds; if the server says so. */
  retryAfter?: number | undefined
}

/** The first wait and the longest, milliseconds. */
const FIRST_MS = 1_000
const LONGEST_MS = 60_000
/** After "too many" it is best to stay quiet for a while, milliseconds. */
const CROWDED_MS = 15_000

/**
 * The wait before the attempt after `attempts` failed ones, milliseconds: doubled each time, with jitter so that a
 * crowd doesn't come back at once. @param random in [0, 1)
 */
export function waitOf(
  attempts: number,
  { code, retryAfter = 0 }: Pick<Refusal, 'code' | 'retryAfter'>,
  random: number,
): number {
  const grown = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempts) * (0.75 + random / 2)
  return Math.round(Math.max(grown, retryAfter * 1000, code === 'too-frequent' ? CROWDED_MS : 0))
}

/**
 * renew: renewing the sign-in may be enough, which is tried once; wait: it passes by itself; stop:
 * it stays refused until the person does something.
 */
export function answerTo({ code }: Pick<Refusal, 'code'>, renewed: boolean): 'renew' | 'wait' | 'stop' {
  switch (code) {
    case 'unauthenticated':
      return renewed ? 'stop' : 'renew'
    case 'too-frequent':
    case 'unavailable':
    case 'internal':
    case 'offline':
      return 'wait'
    case 'forbidden':
    case 'not-found':
    case 'invalid':
    case 'conflict':
    case 'too-large':
      return 'stop'
  }
}

/** The refusal in an error of the socket or of a request: the server puts its code and message into `data`. */
export function refusalOf(error: unknown): Refusal {
  const message = messageOf(error)
  const said = fieldsOf(error)
  const data = { ...said, ...fieldsOf(said.data) }
  const code = codes.find((known) => known === data.code) ?? 'unavailable'
  return {
    code,
    message: typeof data.message === 'string' ? data.message : message,
    ...(typeof data.retryAfter === 'number' && { retryAfter: data.retryAfter }),
  }
}

const codes = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not-found',
  'conflict',
  'too-large',
  'too-frequent',
  'unavailable',
  'internal',
  'offline',
] as const
const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}
