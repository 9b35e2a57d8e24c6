/**
 * Who is using the page. A guest account is made silently the first time
 * something needs one, and kept in this browser; a researcher signs in.
 */
import { z } from 'zod'
import type { SignedIn, User } from '../../server/protocol.ts'
import { ApiError, request, type Method } from './api.ts'
import { forgetDesk } from './desk.ts'
import { storage } from './storage.ts'

const KEY = 'attune.account'
/** A token this close to its end is renewed before it is used, milliseconds. */
const RENEW_BEFORE = 30_000

/** As it was kept, perhaps by an older page: what the page can't do without is looked at, and the rest taken. */
const AtLeast = z.object({
  token: z.string().min(1),
  refreshToken: z.string().min(1),
  user: z.object({ userId: z.string().min(1), username: z.string(), guest: z.boolean(), permissions: z.array(z.string()) }),
})
const Kept = z.custom<SignedIn>((value) => AtLeast.safeParse(value).success)

let signedIn = $state.raw<SignedIn | null>(storage.readJson(KEY, Kept))
let pending: Promise<SignedIn> | null = null

addEventListener('storage', (change) => {
  if (change.key === KEY) signedIn = storage.readJson(KEY, Kept)
})

export const account = {
  get user(): User | null {
    return signedIn?.user ?? null
  },

  /** A valid token: the stored one, a renewed one, or a new guest's. */
  async token(): Promise<string> {
    if (signedIn && expiry(signedIn.token) > Date.now() + RENEW_BEFORE) return signedIn.token
    return (await this.renew()).token
  },

  /** Renews the sign-in, or makes a guest where there is none; one request however many ask at once. */
  async renew(): Promise<SignedIn> {
    pending ??= (signedIn ? refresh(signedIn) : request<SignedIn>('POST', '/api/auth/guest', {}))
      .then(keep)
      .finally(() => {
        pending = null
      })
    return pending
  },

  /** REST as this user; before anybody signed in, as nobody, and as a new guest where the server asks who it is. */
  async call<T>(method: Method, path: string, body?: unknown): Promise<T> {
    try {
      return await request<T>(method, path, body, signedIn ? await this.token() : undefined)
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'unauthenticated')) throw error
      return request<T>(method, path, body, (await this.renew()).token)
    }
  },

  async signIn(username: string, password: string): Promise<void> {
    keep(await request<SignedIn>('POST', '/api/auth/login', { username, password }))
  },

  async register(username: string, password: string, email?: string): Promise<void> {
    const guest = signedIn?.user.guest ? signedIn.token : undefined
    keep(await request<SignedIn>('POST', '/api/auth/register', { username, password, ...(email ? { email } : {}) }, guest))
  },

  /** Takes over a sign-in that was made elsewhere (a wallet's). */
  adopt(next: SignedIn): void {
    keep(next)
  },

  async signOut(): Promise<void> {
    const leaving = signedIn
    signedIn = null
    storage.removeItem(KEY)
    if (leaving) forgetDesk(storage, leaving.user.userId)
    if (leaving) await request('POST', '/api/auth/logout', { refreshToken: leaving.refreshToken }, leaving.token)
  },
}

async function refresh(current: SignedIn): Promise<SignedIn> {
  try {
    return await request<SignedIn>('POST', '/api/auth/refresh', { refreshToken: current.refreshToken })
  } catch (error) {
    if (!(error instanceof ApiError) || error.code === 'offline' || error.code === 'unavailable') throw error
    // The sign-in is over. A guest becomes a new guest; anybody else has to sign in again.
    signedIn = null
    storage.removeItem(KEY)
    if (current.user.guest) forgetDesk(storage, current.user.userId)
    if (!current.user.guest) throw new ApiError('unauthenticated', 'Your sign-in has ended. Sign in again.')
    return request<SignedIn>('POST', '/api/auth/guest', {})
  }
}

function keep(next: SignedIn): SignedIn {
  signedIn = next
  storage.writeJson(KEY, next)
  return next
}

/** When a JWT ends, milliseconds since 1970; 0 where it doesn't say. */
function expiry(token: string): number {
  const payload = token.split('.').at(1)
  if (!payload) return 0
  const claims = claimsOf(payload)
  const isClaims = typeof claims === 'object' && claims !== null && 'exp' in claims && typeof claims.exp === 'number'
  return isClaims ? Number(claims.exp) * 1000 : 0
}

function claimsOf(payload: string): unknown {
  try {
    return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))
  } catch {
    // A token that was damaged where it was kept: it is renewed like one that has ended.
    return null
  }
}
