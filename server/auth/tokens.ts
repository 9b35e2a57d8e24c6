import { createHash, createHmac, randomBytes } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { AttuneError } from '../../core/errors.ts'
import { Role, type User } from '../../core/protocol/index.ts'

/** Seconds for which an access token is valid, unless its login ends before. */
export const ACCESS_SECONDS = 60 * 60
const DAY_MS = 24 * 60 * 60 * 1000
/** Milliseconds for which a refresh token is valid; each use gives a new one. A guest has no other way back. */
export const refreshMs = (guest: boolean): number => (guest ? 400 : 30) * DAY_MS
/**
 * Milliseconds for which a used refresh token gives the same next one again: tabs renew concurrently, responses get
 * lost.
 */
export const REFRESH_GRACE_MS = 60_000

/** The claims that clients of the seed system expect; `sid` is the login. */
const Claims = z.object({
  userId: z.uuid(),
  username: z.string(),
  email: z.string().nullable(),
  role: Role,
  permissions: z.array(z.string()),
  walletAddress: z.string().nullable(),
  sid: z.uuid().optional(),
  exp: z.number(),
})

export function signAccessToken(user: User, login: string, secret: string): string {
  const { userId, username, email, role, permissions, walletAddress } = user
  return jwt.sign({ userId, username, email, role, permissions, walletAddress, sid: login }, secret, {
    algorithm: 'HS256',
    expiresIn: ACCESS_SECONDS,
  })
}

/**
 * What an access token says: who, by which login (null: one that an operator signed), and until when, milliseconds
 * since 1970.
 */
export interface Access {
  userId: string
  login: string | null
  expiresAt: number
}

/**
 * Whose token it is. Rights are read from the database, so a token claims an identity and nothing more. @throws
 * AttuneError unauthenticated
 */
export function verifyAccessToken(token: string, secret: string): Access {
  try {
    const { userId, sid = null, exp } = Claims.parse(jwt.verify(token, secret, { algorithms: ['HS256'] }))
    return { userId, login: sid, expiresAt: exp * 1000 }
  } catch (error) {
    const expired = error instanceof jwt.TokenExpiredError
    throw new AttuneError('unauthenticated', expired ? 'the token has expired: refresh it' : 'the token is not valid', {
      cause: error,
    })
  }
}

/** A login's first refresh token: 256 random bits. */
export const newRefreshToken = (): string => randomBytes(32).toString('base64url')

/**
 * The refresh token that follows one. Only this installation can derive it, and always derives the
 * same: two tabs that renew at once both get it, and nothing but hashes is stored.
 */
export const nextRefreshToken = (token: string, secret: string): string =>
  createHmac('sha256', secret).update(`refresh\0${token}`).digest('base64url')

/** What is stored of a refresh token. It has 256 bits, so one round of a fast hash is enough. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()
