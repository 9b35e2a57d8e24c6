import { createHash, randomBytes } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { AttuneError } from '../errors.ts'
import { Role, type User } from '../protocol.ts'

/** Seconds for which an access token is good. */
export const ACCESS_SECONDS = 60 * 60
/** Milliseconds for which a refresh token is good; each use gives a new one. */
export const REFRESH_MS = 30 * 24 * 60 * 60 * 1000

/** The claims that clients of the seed system expect. */
const Claims = z.object({
  userId: z.uuid(),
  username: z.string(),
  email: z.string().nullable(),
  role: Role,
  permissions: z.array(z.string()),
  walletAddress: z.string().nullable(),
})

export function signAccessToken(user: User, secret: string): string {
  const { userId, username, email, role, permissions, walletAddress } = user
  return jwt.sign({ userId, username, email, role, permissions, walletAddress }, secret, { algorithm: 'HS256', expiresIn: ACCESS_SECONDS })
}

/** Whose token it is. Rights are read from the database, so a token claims an identity and nothing more. @throws AttuneError unauthenticated */
export function verifyAccessToken(token: string, secret: string): string {
  try {
    return Claims.parse(jwt.verify(token, secret, { algorithms: ['HS256'] })).userId
  } catch (error) {
    const expired = error instanceof jwt.TokenExpiredError
    throw new AttuneError('unauthenticated', expired ? 'the token has expired: refresh it' : 'the token is not valid', { cause: error })
  }
}

/** A fresh refresh token, and the hash of it that is stored. */
export function newRefreshToken(): { token: string; hash: Buffer } {
  const token = randomBytes(32).toString('base64url')
  return { token, hash: hashToken(token) }
}

/** The token has 256 random bits, so one round of a fast hash is enough. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()
