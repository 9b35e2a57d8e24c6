/** Who a browser is, in all its tabs (rule S5): several identities over one store, as tabs have it. */
import { describe, expect, test } from 'vitest'
import { ApiError, type Method } from '../../client/src/api.ts'
import { GUEST_KEY, KEY, openIdentity, type Kept } from '../../client/src/account/identity.ts'
import { claimUnowned, discard, openOutbox, waiting } from '../../client/src/room/outbox.ts'
import { openTurn } from '../../client/src/account/tab-lock.ts'
import { notesOf } from '../../client/src/account/whose.ts'
import type { SignedIn } from '../../core/protocol/index.ts'

const HOUR = 3_600_000

/** A server with accounts that ends sign-ins as it is told, with a clock of its own. */
function world(startAt = 1_000_000_000_000) {
  const map = new Map<string, string>()
  const store = {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
  }
  let now = startAt
  let made = 0
  const refreshable = new Map<string, SignedIn['user']>()
  const asked: string[] = []
  let away = false
  const give = (user: SignedIn['user']): SignedIn => {
    const refreshToken = `refresh ${++made}`
    refreshable.set(refreshToken, user)
    const iat = Math.floor(startAt / 1000) + made
    return {
      token: `x.${Buffer.from(JSON.stringify({ iat, exp: iat + 3_600, n: made })).toString('base64url')}.y`,
      refreshToken,
      user,
    }
  }
  const user = (username: string, guest: boolean, userId = `id of ${username}`): SignedIn['user'] => ({
    userId,
    username,
    guest,
    email: null,
    role: 'contributor',
    permissions: [],
    walletAddress: null,
  })
  async function request<T>(_method: Method, path: string, body?: unknown, token?: string): Promise<T> {
    asked.push(path)
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (away) throw new ApiError('offline', 'away')
    const sent = body as { refreshToken?: string; username?: string }
    const answer = (): SignedIn => {
      switch (path) {
        case '/api/auth/guest':
          return give(user(`Guest ${made + 1}`, true))
        case '/api/auth/login':
          return give(user(sent.username ?? '', false))
        case '/api/auth/register': {
          const guest = [...refreshable.values()].find((one) => token !== undefined && one.guest)
          return give(user(sent.username ?? '', false, guest?.userId))
        }
        case '/api/auth/refresh': {
          const of = refreshable.get(sent.refreshToken ?? '')
          refreshable.delete(sent.refreshToken ?? '')
          if (of === undefined) throw new ApiError('unauthenticated', 'used')
          return give(of)
        }
        default:
          refreshable.delete(sent.refreshToken ?? '')
          return {} as SignedIn
      }
    }
    return answer() as T
  }
  let locked: Promise<unknown> = Promise.resolve()
  const locks = {
    request: (_name: string, work: () => unknown) => (locked = locked.then(work, work)),
  } as unknown as Pick<LockManager, 'request'>
  return {
    store,
    map,
    asked,
    pass: (ms: number) => (now += ms),
    now: () => now,
    endAll: () => refreshable.clear(),
    leave: (isAway: boolean) => (away = isAway),
    tab(withLocks = true, clock = () => now) {
      const seen: (Kept | null)[] = []
      const identity = openIdentity({
        store,
        turn: openTurn(KEY, store, withLocks ? locks : undefined),
        request,
        now: clock,
        onchange: (kept) => void seen.push(kept),
      })
      return { ...identity, seen }
    },
  }
}

describe('tabs', () => {
  test.each([true, false])('S5: tabs that open at once are one guest (Web Locks: %s)', async (withLocks) => {
    const w = world()
    const tabs = Array.from({ length: 4 }, () => w.tab(withLocks))
    const tokens = await Promise.all(tabs.map((tab) => tab.token()))
    expect(new Set(tokens).size).toBe(1)
    expect(w.asked).toEqual(['/api/auth/guest'])
    expect(new Set(tabs.map((tab) => tab.current()?.user.userId)).size).toBe(1)
  })

  test.each([true, false])(
    'S5: tabs that renew at once renew once, and stay who they are (Web Locks: %s)',
    async (withLocks) => {
      const w = world()
      const tabs = Array.from({ length: 4 }, () => w.tab(withLocks))
      await tabs[0]!.signIn('anna', 'secret')
      for (const tab of tabs) tab.follow()
      w.pass(2 * HOUR)
      const tokens = await Promise.all(tabs.map((tab) => tab.token()))
      expect(new Set(tokens).size).toBe(1)
      expect(w.asked.filter((path) => path === '/api/auth/refresh')).toHaveLength(1)
      expect(tabs.map((tab) => tab.current()?.user.username)).toEqual(Array(4).fill('anna'))
    },
  )

  test('S5: a tab follows what another one does: in, out, renewed', async () => {
    const w = world()
    const [one, two] = [w.tab(), w.tab()]
    await one.signIn('anna', 'secret')
    two.follow()
    expect(two.current()?.user.username).toBe('anna')
    await one.renew()
    two.follow()
    expect(two.current()?.token).toBe(one.current()?.token)
    await two.signOut()
    one.follow()
    expect(one.current()).toBeNull()
    expect(one.seen.at(-1)).toBeNull()
  })

  test('S5: a renewal under way does not undo a sign-out or another sign-in', async () => {
    const w = world()
    const [one, two] = [w.tab(), w.tab()]
    await one.signIn('anna', 'secret')
    two.follow()
    const renewing = one.renew()
    await two.signIn('ben', 'secret')
    await renewing
    expect(one.current()?.user.username).toBe('ben')
    expect(JSON.parse(w.map.get(KEY) ?? '')).toMatchObject({ user: { username: 'ben' } })
  })
})

describe('a sign-in that has ended', () => {
  test('S5: is kept as ended, and nobody takes over: a guest is not made', async () => {
    const w = world()
    const tab = w.tab()
    await tab.signIn('anna', 'secret')
    w.endAll()
    w.pass(2 * HOUR)
    await expect(tab.token()).rejects.toThrow('Your sign-in as anna has ended. Sign in again.')
    await expect(tab.token()).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(tab.current()).toMatchObject({ ended: true, user: { username: 'anna' } })
    expect(w.asked).not.toContain('/api/auth/guest')
    const reloaded = w.tab()
    await expect(reloaded.token()).rejects.toThrow('anna')
    await reloaded.signIn('anna', 'secret')
    tab.follow()
    expect(await tab.token()).toBe(reloaded.current()?.token)
  })

  test('S5: an outage, or being asked to wait, ends none', async () => {
    const w = world()
    const tab = w.tab()
    const guest = await tab.token().then(() => tab.current()?.user.userId)
    w.pass(2 * HOUR)
    w.leave(true)
    await expect(tab.token()).rejects.toMatchObject({ code: 'offline' })
    w.leave(false)
    await tab.token()
    expect(tab.current()?.user.userId).toBe(guest)
  })

  test('S5: a guest that the server no longer knows is replaced openly', async () => {
    const w = world()
    const tab = w.tab()
    await tab.token()
    const before = tab.current()?.user
    w.endAll()
    w.pass(2 * HOUR)
    await tab.token()
    expect(tab.current()).toMatchObject({ replaces: before?.username, user: { guest: true } })
    expect(tab.current()?.user.userId).not.toBe(before?.userId)
    tab.acknowledge()
    expect(tab.current()?.replaces).toBeUndefined()
  })
})

describe('guest and account', () => {
  test('S5: signing in keeps the guest for later, and signing out brings it back', async () => {
    const w = world()
    const tab = w.tab()
    await tab.token()
    const guest = tab.current()?.user.userId
    await tab.signIn('anna', 'secret')
    expect(tab.guest()?.user.userId).toBe(guest)
    await tab.signOut()
    expect(tab.current()?.user.userId).toBe(guest)
    expect(w.map.has(GUEST_KEY)).toBe(false)
  })

  test('S5: a guest that registers is the account; no guest stays behind', async () => {
    const w = world()
    const tab = w.tab()
    await tab.token()
    const guest = tab.current()?.user.userId
    await tab.register('anna', 'secret')
    expect(tab.current()?.user).toMatchObject({ userId: guest, guest: false, username: 'anna' })
    expect(tab.guest()).toBeNull()
  })

  test('signing out works here though the server is away', async () => {
    const w = world()
    const tab = w.tab()
    await tab.signIn('anna', 'secret')
    w.leave(true)
    await expect(tab.signOut()).rejects.toMatchObject({ code: 'offline' })
    expect(tab.current()).toBeNull()
  })
})

test('a browser whose clock is wrong renews as often as another one', async () => {
  const w = world()
  const tab = w.tab(true, () => w.now() + 48 * HOUR)
  await tab.token()
  for (let i = 0; i < 5; i++) await tab.token()
  expect(w.asked).toEqual(['/api/auth/guest'])
})

test('what is damaged in the store is nobody’s sign-in', async () => {
  for (const damage of ['{', 'null', '[]', '"x"', '{"token":1}']) {
    const w = world()
    w.map.set(KEY, damage)
    expect(w.tab().current()).toBeNull()
  }
})

describe('votes that wait', () => {
  const anna = { userId: 'a', username: 'anna', guest: false }
  const ben = { userId: 'b', username: 'ben', guest: true }
  const vote = (id: string) => ({ id, sessionId: 'demo', sampleId: `sample ${id}`, humanRating: 8 })

  test('S5: each is its owner’s, and is seen and sent by nobody else', () => {
    const { store, map } = world()
    openOutbox(store, 'demo', anna).add(vote('1'))
    openOutbox(store, 'demo', ben).add(vote('2'))
    openOutbox(store, 'other', anna).add(vote('3'))
    expect(openOutbox(store, 'demo', anna).all()).toEqual([vote('1')])
    expect(openOutbox(store, 'demo', ben).all()).toEqual([vote('2')])
    expect(openOutbox(store, 'demo', { ...anna, userId: 'c' }).all()).toEqual([])
    expect(openOutbox(store, 'demo').all()).toEqual([])
    openOutbox(store, 'demo', ben).remove('2')
    expect(openOutbox(store, 'demo', anna).all()).toEqual([vote('1')])
    expect(waiting(store, [...map.keys()])).toEqual([
      { sessionId: 'demo', owner: anna, votes: 1 },
      { sessionId: 'other', owner: anna, votes: 1 },
    ])
    discard(store, [...map.keys()], 'a')
    expect(waiting(store, [...map.keys()])).toEqual([])
  })

  test('S5: those of an older page go to who is still signed in, and to nobody who comes later', () => {
    const { store, map } = world()
    map.set('attune.outbox.demo', JSON.stringify([vote('1')]))
    expect(openOutbox(store, 'demo', anna).all()).toEqual([])
    claimUnowned(store, [...map.keys()], anna)
    claimUnowned(store, [...map.keys()], ben)
    expect(openOutbox(store, 'demo', anna).all()).toEqual([vote('1')])
    expect(openOutbox(store, 'demo', ben).all()).toEqual([])
  })

  test('S5: the page says whose they are, and what to do', () => {
    const say = (situation: Partial<Parameters<typeof notesOf>[0]>) =>
      notesOf({
        who: { ...anna, ended: false },
        guestBehind: null,
        replaces: null,
        waiting: [],
        sessionId: null,
        ...situation,
      }).map(({ text, offers }) => [text, offers])
    expect(say({})).toEqual([])
    const ended = { ...anna, ended: true }
    expect(say({ who: ended })).toEqual([
      ['Your sign-in has ended. Sign in again as anna, or continue as a guest.', ['sign-in', 'go-on']],
    ])
    expect(
      say({
        who: ended,
        waiting: [
          { sessionId: 'demo', owner: anna, votes: 1 },
          { sessionId: 'other', owner: anna, votes: 2 },
        ],
      }),
    ).toEqual([['Your sign-in has ended. Sign in again as anna to send 3 votes that wait.', ['sign-in', 'go-on']]])
    const own = [{ sessionId: 'demo', owner: anna, votes: 2 }]
    expect(say({ waiting: own, sessionId: 'demo' })).toEqual([])
    expect(say({ waiting: own })).toEqual([['2 votes of yours wait to be sent: open the session.', ['open']]])
    expect(say({ who: { ...ben, ended: false }, waiting: own })).toEqual([
      ['2 votes wait here that anna gave. Sign in as anna to send them.', ['sign-in', 'discard']],
    ])
    const guests = [{ sessionId: 'demo', owner: ben, votes: 1 }]
    expect(say({ waiting: guests, guestBehind: 'ben' })).toEqual([
      [
        'One vote waits here that you gave as ben. Sign out to be that guest again, and it is sent.',
        ['sign-out', 'discard'],
      ],
    ])
    expect(say({ waiting: guests })).toEqual([
      ['One vote waits here that ben gave, who can’t sign in again. It is not sent under another name.', ['discard']],
    ])
    expect(say({ waiting: [{ sessionId: 'demo', owner: null, votes: 2 }] })).toEqual([
      ['2 votes wait here from an earlier visit. It is not known whose, so they are not sent.', ['discard']],
    ])
    expect(say({ who: { ...ben, ended: false }, replaces: 'Guest 1' })).toEqual([
      ['The server no longer knows Guest 1, which this browser was signed in as; you are ben now.', ['acknowledge']],
    ])
  })
})
