/**
 * Who uses this browser (rule S5). A guest is created the first time something
 * needs one; a sign-in is renewed by one tab for all of them, and where the
 * server ends it, it is kept as ended: that person has to sign in again, and
 * nobody else takes over silently. Pure except for what is passed in.
 */
import type { SignedIn } from '../../../core/protocol/index.ts'
import { ApiError, type Method } from '../api.ts'
import { parsed } from '../ui/json.ts'
import type { Turn } from './tab-lock.ts'

/** A sign-in as the browser keeps it. */
export interface Kept extends SignedIn {
  /** When its access token expires by this browser's clock, milliseconds since 1970. */
  until?: number
  /** The server no longer renews it. */
  ended?: boolean
  /** The guest that the server no longer knew, which this one replaced. */
  replaces?: string
}

export interface IdentityDeps {
  store: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  /** One tab at a time. */
  turn: Turn
  request: <T>(method: Method, path: string, body?: unknown, token?: string) => Promise<T>
  now: () => number
  /** Notified of every change, whichever tab made it. */
  onchange: (kept: Kept | null) => void
}

export const KEY = 'attune.account'
/** The guest account that this browser had before somebody signed in: restored when they sign out. */
export const GUEST_KEY = 'attune.guest'
/** A token this close to its expiry is renewed before it is used, milliseconds. */
const RENEW_BEFORE = 30_000
/** How often changes made by another tab are picked up meanwhile. */
const TRIES = 4

export type Identity = ReturnType<typeof openIdentity>

export function openIdentity({ store, turn, request, now, onchange }: IdentityDeps) {
  let kept = load(store.getItem(KEY))
  let renewing: Promise<Kept> | null = null

  const isGood = (one: Kept, rejected?: string): boolean =>
    !one.ended && one.token !== rejected && endOf(one) > now() + RENEW_BEFORE

  function keep(next: Kept | null): void {
    kept = next
    if (next === null) store.removeItem(KEY)
    else store.setItem(KEY, JSON.stringify(next))
    onchange(kept)
  }
  /** A sign-in that has just arrived: its expiry is counted from now, whatever this browser's clock says. */
  const fresh = (next: SignedIn): Kept => ({ ...next, until: now() + lifetimeOf(next.token) })

  /** What another tab has changed. */
  function follow(): void {
    const text = store.getItem(KEY)
    if (text === (kept === null ? null : JSON.stringify(kept))) return
    kept = load(text)
    onchange(kept)
  }

  async function renewed(rejected: string | undefined, tries = TRIES): Promise<Kept> {
    follow()
    if (kept !== null && isGood(kept, rejected)) return kept
    const asked = kept
    if (asked?.ended) throw endedError(asked)
    const answer =
      asked === null
        ? await request<SignedIn>('POST', '/api/auth/guest', {})
        : await request<SignedIn>('POST', '/api/auth/refresh', { refreshToken: asked.refreshToken }).catch(
            (error: unknown) => {
              if (error instanceof ApiError && error.code === 'unauthenticated') return null
              throw error
            },
          )
    // Somebody signed in or out meanwhile: that takes precedence.
    follow()
    if (kept?.refreshToken !== asked?.refreshToken) {
      if (tries > 0) return renewed(rejected, tries - 1)
      throw new ApiError('unavailable', 'Another tab is signing in or out. Try again in a moment.')
    }
    if (answer !== null) {
      const next = fresh(answer)
      keep(asked?.replaces === undefined ? next : { ...next, replaces: asked.replaces })
      return next
    }
    if (asked === null) throw new ApiError('internal', 'The server created no guest account.')
    if (!asked.user.guest) {
      keep({ ...asked, ended: true })
      throw endedError(asked)
    }
    // A guest has no other way back: this browser becomes a new one, and says so.
    const next: Kept = {
      ...fresh(await request<SignedIn>('POST', '/api/auth/guest', {})),
      replaces: asked.user.username,
    }
    keep(next)
    return next
  }

  const renew = (rejected: string | undefined): Promise<Kept> =>
    (renewing ??= turn(() => renewed(rejected)).finally(() => {
      renewing = null
    }))

  /**
   * A sign-in by this person themselves. The previous guest account is kept for their return, unless it has become that
   * account.
   */
  function adopt(next: SignedIn): void {
    if (kept?.user.guest && kept.user.userId !== next.user.userId) store.setItem(GUEST_KEY, JSON.stringify(kept))
    keep(fresh(next))
  }

  return {
    current: (): Kept | null => kept,
    /** The guest account that is restored when this account signs out. */
    guest: (): Kept | null => load(store.getItem(GUEST_KEY)),
    follow,
    adopt,
    /** Renews the sign-in, or creates a guest if there is none; `rejected` is the token that is no longer valid. */
    renew: (rejected: string | undefined = kept?.token): Promise<Kept> => renew(rejected),

    /** A valid token: the stored one, a renewed one, or a new guest's. */
    async token(): Promise<string> {
      if (kept !== null && isGood(kept)) return kept.token
      return (await renew(undefined)).token
    },

    async signIn(username: string, password: string): Promise<void> {
      adopt(await request<SignedIn>('POST', '/api/auth/login', { username, password }))
    },

    /** Creates an account; this browser's guest becomes it. */
    async register(username: string, password: string, email?: string): Promise<void> {
      const guest = kept?.user.guest ? await this.token() : undefined
      adopt(
        await request<SignedIn>(
          'POST',
          '/api/auth/register',
          { username, password, ...(email ? { email } : {}) },
          guest,
        ),
      )
    },

    /** Signs out here at once, then at the server; this browser returns to its earlier guest account. */
    async signOut(): Promise<void> {
      const leaving = kept
      const guest = load(store.getItem(GUEST_KEY))
      store.removeItem(GUEST_KEY)
      keep(guest)
      if (leaving === null || leaving.ended) return
      // Without the access token: its having expired must not keep anybody signed in.
      await request('POST', '/api/auth/logout', { refreshToken: leaving.refreshToken })
    },

    /** The reader has acknowledged that this guest is a new one. */
    acknowledge(): void {
      if (kept?.replaces === undefined) return
      const { replaces: _, ...rest } = kept
      keep(rest)
    },
  }
}

export const endedError = ({ user }: SignedIn) =>
  new ApiError('unauthenticated', `Your sign-in as ${user.username} has ended. Sign in again.`)

/** The stored value, if it is a sign-in. */
function load(stored: string | null): Kept | null {
  const value = parsed(stored ?? 'null')
  const isKept =
    typeof value === 'object' &&
    value !== null &&
    'token' in value &&
    'refreshToken' in value &&
    'user' in value &&
    typeof value.user === 'object' &&
    value.user !== null &&
    'userId' in value.user
  return isKept ? (value as Kept) : null
}

/** When an access token expires, by this browser's clock as far as known, milliseconds since 1970. */
export const endOf = ({ until, token }: Kept): number => until ?? (claimOf(token, 'exp') ?? 0) * 1000

/** How long an access token is valid from its issue, milliseconds. */
const lifetimeOf = (token: string): number =>
  Math.max(0, (claimOf(token, 'exp') ?? 0) - (claimOf(token, 'iat') ?? 0)) * 1000

function claimOf(token: string, name: 'exp' | 'iat'): number | null {
  const payload = token.split('.').at(1) ?? ''
  const claims = parsed(/^[\w-]+$/.test(payload) ? atob(payload.replaceAll('-', '+').replaceAll('_', '/')) : 'null')
  const value: unknown = typeof claims === 'object' && claims !== null ? Reflect.get(claims, name) : null
  return typeof value === 'number' ? value : null
}
