/** What REST requests and responses share, and accounts. */
import { z } from 'zod'
import { Role, Uuid, name } from './pieces.ts'

export const ErrorCode = z.enum([
  'invalid',
  'unauthenticated',
  'forbidden',
  'not-found',
  'conflict',
  'too-large',
  'too-frequent',
  'unavailable',
  'internal',
])
export type ErrorCode = z.infer<typeof ErrorCode>

export const Credentials = {
  guest: z.object({ displayName: name.optional() }),
  register: z.object({ username: name, email: z.email().max(200).optional(), password: z.string().min(8).max(200) }),
  /** `email`: sent along by forms that use the registration fields to sign in; ignored. */
  login: z.object({ username: name, password: z.string().min(1).max(200), email: z.unknown().optional() }),
  refresh: z.object({ refreshToken: z.string().min(1).max(200) }),
  walletVerify: z.object({
    message: z.string().max(4_000),
    signature: z
      .string()
      .max(2_000)
      .regex(/^0x([0-9a-f]{2})+$/i, 'a signature is 0x and pairs of hex digits'),
  }),
} as const

/** To an account, by its id or by its exact name. */
export const SetRole = z
  .object({ userId: Uuid.optional(), username: name.optional(), role: Role })
  .refine(({ userId, username }) => (userId === undefined) !== (username === undefined), {
    path: ['username'],
    message: 'say whom: either username or userId',
  })

export const User = z.object({
  userId: Uuid,
  username: z.string(),
  email: z.string().nullable(),
  role: Role,
  guest: z.boolean(),
  permissions: z.array(z.string()),
  walletAddress: z.string().nullable(),
})
export type User = z.infer<typeof User>

export interface SignedIn {
  token: string
  refreshToken: string
  user: User
}

/** The envelope of every REST response except /health (rule P5). */
export type Envelope<T> =
  | { success: true; data: T; message?: string; timestamp: string; requestId: string }
  | {
      success: false
      error: ErrorCode
      message: string
      /** The field that failed, if any. */
      path?: string
      /** Seconds. */
      retryAfter?: number
      timestamp: string
      requestId: string
    }
