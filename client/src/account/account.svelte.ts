/**
 * Who is using the page, shared by all tabs: a guest account is created silently
 * the first time something needs one, and kept in this browser; a researcher
 * signs in. identity.ts has the details.
 */
import { z } from 'zod'
import type { SignedIn, User } from '../../../core/protocol/index.ts'
import { ApiError, request, type Method } from '../api.ts'
import { forgetDesk } from '../room/desk.ts'
import { endOf, GUEST_KEY, KEY, openIdentity, type Kept } from './identity.ts'
import { claimUnowned, discard, waiting, type Waiting } from '../room/outbox.ts'
import { storage } from '../ui/storage.ts'
import { openTurn } from './tab-lock.ts'

/**
 * While a socket is open, its token is renewed this long before it expires, and no sooner than this long after the last
 * check; milliseconds.
 */
const RENEW_AHEAD = 60_000
const RENEW_PAUSE = 5_000

const watchers = new Set<(kept: Kept | null) => void>()
let renewal: ReturnType<typeof setTimeout> | undefined

/** As stored, perhaps by an older page: what the page can't do without is checked, and the rest is accepted. */
const AtLeast = z.object({
  token: z.string().min(1),
  refreshToken: z.string().min(1),
  user: z.object({
    userId: z.string().min(1),
    username: z.string(),
    guest: z.boolean(),
    permissions: z.array(z.string()),
  }),
})
// Damaged data is dropped, with a note, before anything takes it for a sign-in.
for (const key of [KEY, GUEST_KEY]) storage.readJson(key, AtLeast)

const identity = openIdentity({
  store: storage,
  turn: openTurn(KEY, storage, navigator.locks),
  request,
  now: Date.now,
  onchange(next) {
    // Nobody can return to a guest account that the server no longer knows.
    if (kept && next?.replaces !== undefined && kept.user.userId !== next.user.userId)
      forgetDesk(storage, kept.user.userId)
    kept = next
    plan()
    for (const watch of watchers) watch(next)
  },
})
let kept = $state.raw<Kept | null>(identity.current())
if (kept) claimUnowned(storage, storage.keys(), kept.user)

// Another tab signed in, out, or renewed. A null key: the storage was cleared.
addEventListener('storage', (change) => {
  if (change.key === null || change.key === KEY) identity.follow()
})

export const account = {
  /** Who it is; also after the sign-in has ended, because what they do is still theirs. */
  get user(): User | null {
    return kept?.user ?? null
  },
  /**
   * The server has ended the sign-in: nothing is sent until this person signs in again, or continues as somebody else.
   */
  get ended(): boolean {
    return kept?.ended ?? false
  },
  /** The guest that the server no longer knew, which this one replaced. */
  get replaces(): string | null {
    return kept?.replaces ?? null
  },
  /** The name of the guest account that this browser returns to after signing out. */
  get guestBehind(): string | null {
    return kept === null || kept.user.guest ? null : (identity.guest()?.user.username ?? null)
  },

  token: () => identity.token(),
  renew: (rejected?: string) => identity.renew(rejected),
  signIn: (username: string, password: string) => identity.signIn(username, password),
  register: (username: string, password: string, email?: string) => identity.register(username, password, email),
  /** Adopts a sign-in that was made elsewhere (by a wallet). */
  adopt: (next: SignedIn) => identity.adopt(next),
  async signOut(): Promise<void> {
    if (kept) forgetDesk(storage, kept.user.userId)
    await identity.signOut()
  },
  acknowledge: () => identity.acknowledge(),

  /**
   * REST as this user; before anybody signed in, unauthenticated, and as a new guest where the server requires a
   * sign-in.
   */
  async call<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const token = kept ? await identity.token() : undefined
    try {
      return await request<T>(method, path, body, token)
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'unauthenticated')) throw error
      return request<T>(method, path, body, (await identity.renew(token)).token)
    }
  },

  /**
   * Subscribes to every change of the sign-in, whichever tab made it, and keeps its token fresh meanwhile. Returns the
   * unsubscriber.
   */
  watch(hear: (kept: Kept | null) => void): () => void {
    watchers.add(hear)
    plan()
    return () => {
      watchers.delete(hear)
      plan()
    }
  },

  /** Votes waiting in this browser, whoever gave them. */
  waiting: (): Waiting[] => waiting(storage, storage.keys()),
  discard: (userId: string | null) => discard(storage, storage.keys(), userId),
}

/** Renews the token before it expires while anything is subscribed; one tab does it for all. */
function plan(): void {
  clearTimeout(renewal)
  const now = kept
  if (watchers.size === 0 || now === null || now.ended) return
  const renew = (): void =>
    void identity.renew(now.token).catch((error: unknown) => {
      // Whoever needs the token asks again and reports what is wrong; until then, retries continue.
      if (!(error instanceof ApiError)) throw error
      if (!kept?.ended) renewal = setTimeout(renew, RENEW_PAUSE)
    })
  renewal = setTimeout(renew, Math.max(RENEW_PAUSE, endOf(now) - RENEW_AHEAD - Date.now()))
}
