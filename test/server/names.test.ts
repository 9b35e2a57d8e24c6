/** Names: nobody passes for somebody else by one that looks like theirs. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nameOf, skeletonOf } from '../../core/names.ts'
import { giveSkeletons } from '../../core/db/users.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { admin, ask, call, guest, request, useServer, useWorld } from './attune.ts'

const world = useWorld()
const server = useServer(world)

const password = 'a good password'
const register = (username: string, at = server) =>
  call<SignedIn>(at, 'POST', '/api/auth/register', { body: { username, password } })

const likeAdmin = {
  'other case': 'Admin',
  'all capitals': 'ADMIN',
  'Cyrillic а': 'аdmin',
  'all of it Cyrillic': 'ѕуѕтем',
  'Cyrillic і': 'admіn',
  'Greek Α': 'Αdmin',
  'full width': 'ａｄｍｉｎ',
  'mathematical bold': '𝐚𝐝𝐦𝐢𝐧',
  'zero-width space': 'ad\u200bmin',
  'zero-width joiner': 'ad\u200dmin',
  'soft hyphen': 'ad\u00admin',
  'right-to-left override': '\u202enimda',
  'word joiner': 'admin\u2060',
  'Hangul filler': 'admin\u3164',
  'a NUL': 'ad\0min',
  'an escape': '\u001badmin',
  'a 1 for the i': 'adm1n',
  'a capital I': 'admIn',
  'rn for m': 'adrnin',
  'dotless i': 'admın',
  'an accent': 'ádmin',
  'a number behind it': 'admin 7',
  punctuation: '_admin_',
  'letters apart': 'a.d.m.i.n',
  leet: '@dm1n',
  'non-breaking space': '\u00a0admin\u00a0',
  'a longer name': 'Attune Support',
  'run together': 'AttuneAdmin',
  administrator: 'Administrator',
  system: 'ѕystem',
  moderator: 'MODERATOR',
  bom: '\ufeffadmin',
}

describe('reserved names', () => {
  test.each(Object.entries(likeAdmin))('nobody registers as the administrator: %s', async (_, username) => {
    const own = await world.server()
    const { status, body } = await call(own, 'POST', '/api/auth/register', { body: { username, password } })
    expect([400, 409]).toContain(status)
    expect(body).toMatchObject({ success: false, path: 'username', message: expect.any(String) })
    expect([400, 409]).toContain(
      (await call(own, 'POST', '/api/auth/guest', { body: { displayName: username } })).status,
    )
  })

  test('nor does a guest who makes an account', async () => {
    const { token } = await guest(server)
    expect(
      (await call(server, 'POST', '/api/auth/register', { token, body: { username: 'Аdmin', password } })).status,
    ).toBeGreaterThanOrEqual(400)
  })

  test('names that only hold such letters are free', () => {
    for (const name of [
      'Adminda',
      'Grassroots',
      'Ada',
      'Modesty',
      'Анна',
      'Ζωή',
      'محمد',
      '山田 太郎',
      'Zoë',
      'Jürgen Müller',
      'O’Brien',
      'anna_b',
      '🐈 cat',
    ]) {
      expect(nameOf(name, 'username')).toBe(name)
    }
  })
})

describe('one name is one person', () => {
  test.each([
    [
      'Paula',
      ['paula', 'PAULA', 'Раula', 'Pau1a', 'PauIa', 'Ｐａｕｌａ', 'Paula ', ' Paula', 'Pa\u200bula', 'Pau\u0131a'],
    ],
    ['Mia Corn', ['Mia  Corn', 'Mia\tCorn', 'mia com', 'Mіa Corn', 'MIA CORN', 'Mia\u00a0Corn', 'Mla Corn']],
    ['Straße 0', ['STRASSE 0', 'Strasse O', 'straße о']],
    ['Николай', ['николай', 'НИКОЛАЙ', 'Николай\u0000']],
  ])('what looks like %s is taken with it', async (name, others) => {
    // A server of its own: so many registrations from one address would be too many.
    const own = await world.server()
    expect((await register(name, own)).status).toBe(201)
    for (const other of others) expect([400, 409], other).toContain((await register(other, own)).status)
    // A guest is not asked for another name, and gets one that can be told from it.
    const { user } = await guest(own, name)
    expect(user.username).toMatch(/ \d+$/)
  })

  test('of look-alikes that register at the same moment one gets the name', async () => {
    const own = await world.server()
    const names = ['Same Time', 'same time', 'SAME TIME', 'Same  Time', 'Sarne Time', 'Ｓame Time']
    const answers = await Promise.all(
      names.map((username) => call(own, 'POST', '/api/auth/register', { body: { username, password } })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.map(({ status }) => status).filter((status) => status !== 201)).toEqual(Array(5).fill(409))
  })

  test('somebody signs in by the name as they type it', async () => {
    expect((await register('  Ｗide  Name ')).body).toMatchObject({ data: { user: { username: 'Wide Name' } } })
    await request(server, 'POST', '/api/auth/login', { body: { username: 'Ｗide Name', password } }).expect(200)
  })

  test('what a name becomes is a name, and holds nothing that can’t be seen', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        let name
        try {
          name = nameOf(text, 'username')
        } catch {
          return
        }
        expect(nameOf(name, 'username')).toBe(name)
        expect(name).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      }),
    )
  })
})

describe('roles', () => {
  test('a role is given to the id or to the very name, never to a look-alike', async () => {
    const boss = await admin(server)
    const { body } = await register('Vera')
    const give = (to: object) =>
      request(server, 'POST', '/api/auth/role', { token: boss.token, body: { ...to, role: 'validator' } })
    for (const username of ['vera', 'Vеra', 'Ver\u0430', 'Vera\u200b', 'ｖera']) await give({ username }).expect(404)
    expect(await give({ username: 'Vera' })).toMatchObject({
      status: 200,
      body: { data: { username: 'Vera', role: 'validator' } },
    })
    const userId = body.success ? body.data.user.userId : ''
    expect(await give({ userId })).toMatchObject({ status: 200, body: { data: { userId } } })
    await give({}).expect(400)
    await give({ userId, username: 'Vera' }).expect(400)
    await give({ userId: '00000000-0000-4000-8000-000000000000' }).expect(404)
  })
})

describe('names of the past', () => {
  test('an erased person’s name, or one that looks like it, is nobody else’s, and nothing stored says what it was', async () => {
    const { body } = await register('Famous Fay')
    await ask(server, 'DELETE', '/api/auth/me', { token: body.success ? body.data.token : '' })
    for (const name of ['Famous Fay', 'famous fay', 'FAMOUS FAY']) expect((await register(name)).status).toBe(409)
    expect((await guest(server, 'Famous Fay')).user.username).toMatch(/^Famous Fay \d+$/)
    const { rows } = await world.pool.query('select u.username, u.skeleton, r.digest from users u, retired_names r')
    const kept = rows.map((row) => JSON.stringify(row)).filter((row) => row.includes('Famous'))
    expect(kept.every((row) => /Famous Fay \d+/.test(row))).toBe(true)
  })

  test('an erasure and a registration of the same name at the same moment never hand it over', async () => {
    for (let round = 0; round < 5; round++) {
      const { body } = await register(`Fleeting ${round}`)
      const token = body.success ? body.data.token : ''
      const [, taken] = await Promise.all([
        call(server, 'DELETE', '/api/auth/me', { token }),
        guest(server, `Fleeting ${round}`),
      ])
      expect(taken.user.username).not.toBe(`Fleeting ${round}`)
    }
  })

  test('names of an older version that look alike stay; the older one has the looks', async () => {
    const old = ['Olga', 'olga', 'OLGA', 'ad\u200bmin']
    for (const [i, name] of old.entries()) {
      await world.pool.query(
        `insert into users (username, role, created_at) values ($1, 'contributor', now() + $2 * interval '1 second')`,
        [name, i],
      )
    }
    await giveSkeletons(world.pool)
    await giveSkeletons(world.pool)
    const { rows } = await world.pool.query<{ id: string; username: string; skeleton: string }>(
      'select id, username, skeleton from users where username = any($1) order by created_at',
      [old],
    )
    const olga = skeletonOf('Olga')
    expect(rows.map(({ username }) => username)).toEqual(old)
    expect(rows.map(({ skeleton }) => skeleton)).toEqual([
      olga,
      `${olga} ${rows[1]!.id}`,
      `${olga} ${rows[2]!.id}`,
      `${skeletonOf('admin')} ${rows[3]!.id}`,
    ])
    expect((await register('oLGA')).status).toBe(409)
  })
})
