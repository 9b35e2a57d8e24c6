/** Invitations into a session, and the record of what was decided about people in it. */
import { createHash, randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../core/config.ts'
import { decisionsOf } from '../../core/db/decisions.ts'
import { migrate } from '../../core/db/migrate.ts'
import { openPool } from '../../core/db/pool.ts'
import type { Decision, Invite, NewInvite, Rater, SignedIn } from '../../core/protocol/index.ts'
import { openServer } from '../../server/server.ts'
import { addSample, admin, ask, call, environmentOf, guest, useServer, useWorld, vote } from './attune.ts'
import { accept, account, crowded, elsewhere, invitee, inviteTo, setAudience, startRun, withRole } from './invited.ts'

const world = useWorld()
const east = useServer(world, crowded)
const west = useServer(world, crowded)
let boss: SignedIn
let owner: SignedIn
beforeAll(async () => {
  boss = await admin(east)
  owner = await withRole(east, 'trainer')
})

const path = (sessionId: string, rest = '') => `/api/training/${sessionId}${rest}`
const links = (sessionId: string) =>
  ask<Invite[]>(east, 'GET', path(sessionId, '/invites'), { token: owner.token, headers: elsewhere() })
const revoke = (sessionId: string, id: string, who = owner) =>
  call<Invite>(east, 'DELETE', path(sessionId, `/invites/${id}`), { token: who.token, headers: elsewhere() })
const excludeAll = (sessionId: string, id: string, reason: string, who = owner) =>
  call<{ people: number }>(east, 'POST', path(sessionId, `/invites/${id}/exclude`), {
    token: who.token,
    body: { reason },
    headers: elsewhere(),
  })
const decisions = (sessionId: string, who = owner) =>
  ask<Decision[]>(east, 'GET', path(sessionId, '/decisions'), { token: who.token, headers: elsewhere() })
const sees = async (who: SignedIn, sessionId: string) =>
  (await call(east, 'GET', path(sessionId), { token: who.token, headers: elsewhere() })).status === 200
const cast = (who: SignedIn, sessionId: string, sampleId: string) =>
  call(east, 'POST', '/api/feedback', {
    token: who.token,
    body: vote(sampleId, { sessionId }),
    headers: elsewhere(),
  })
const expire = (id: string) =>
  world.pool.query(`update invites set expires_at = clock_timestamp() - interval '1 second' where id = $1`, [id])
const refusalOf = async (who: SignedIn, token: string) => {
  const { status, body } = await accept(east, who, token)
  return body.success ? null : { status, error: body.error, message: body.message }
}

describe('a link', () => {
  test('has a token that nobody guesses, which is shown once and stored as its hash alone', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const made = await inviteTo(east, owner, sessionId, { cap: 3, label: 'The class of 7b' })
    expect(made).toMatchObject({ label: 'The class of 7b', role: 'rater', cap: 3, uses: 0, state: 'open' })
    expect(Buffer.from(made.token, 'base64url').length * 8).toBeGreaterThanOrEqual(128)
    const { token, ...shown } = made
    expect(await links(sessionId)).toEqual([shown])
    const { rows } = await world.pool.query<{ row: string; hash: Buffer }>(
      'select i::text as row, token_hash as hash from invites i where id = $1',
      [made.id],
    )
    expect(rows[0]?.row).not.toContain(token)
    expect(rows[0]?.hash).toEqual(createHash('sha256').update(token).digest())
    expect((await inviteTo(east, owner, sessionId)).token).not.toBe(token)
  })

  test('lets a guest in, once, who stays in as an account, and when it is revoked or has expired', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const [link, other] = [await inviteTo(east, owner, sessionId), await inviteTo(east, owner, sessionId)]
    const who = await guest(east)
    expect(await sees(who, sessionId)).toBe(false)
    expect((await accept(east, who, link.token)).body).toMatchObject({ success: true, data: { sessionId } })
    const registered = await ask<SignedIn>(east, 'POST', '/api/auth/register', {
      token: who.token,
      body: { username: `Greta ${randomUUID().slice(0, 8)}`, password: 'long enough' },
      headers: elsewhere(),
    })
    expect(await sees(registered, sessionId)).toBe(true)
    for (const token of [link.token, ` ${link.token}\n`])
      expect((await accept(west, registered, token)).body).toMatchObject({ success: true, data: { sessionId } })
    expect((await links(sessionId)).find(({ id }) => id === link.id)?.uses).toBe(1)

    const second = await invitee(east, other)
    await revoke(sessionId, link.id)
    await expire(other.id)
    for (const [person, { token }] of [
      [registered, link],
      [second, other],
    ] as const) {
      expect((await accept(east, person, token)).status).toBe(200)
      expect(await sees(person, sessionId)).toBe(true)
    }
    // In by one link is not in by another.
    expect((await accept(east, second, link.token)).status).toBe(409)
  })

  test('that is revoked, has expired or is full lets nobody else in, and says which; one that is unknown is not found', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const [revoked, expired, full] = [
      await inviteTo(east, owner, sessionId),
      await inviteTo(east, owner, sessionId),
      await inviteTo(east, owner, sessionId, { cap: 1 }),
    ]
    expect((await revoke(sessionId, revoked.id)).body).toMatchObject({ data: { state: 'revoked' } })
    await expire(expired.id)
    await invitee(east, full)
    const who = await guest(east)
    expect(await refusalOf(who, revoked.token)).toMatchObject({
      status: 409,
      message: expect.stringMatching(/revoked/),
    })
    expect(await refusalOf(who, expired.token)).toMatchObject({
      status: 409,
      message: expect.stringMatching(/expired/),
    })
    expect(await refusalOf(who, full.token)).toMatchObject({
      status: 409,
      message: expect.stringMatching(/full: it was for one person/),
    })
    for (const token of [full.token.slice(0, -1), full.token.toUpperCase(), 'x', full.id])
      expect(await refusalOf(who, token)).toMatchObject({ status: 404, error: 'not-found' })
    expect((await call(east, 'POST', '/api/invites/accept', { body: { token: full.token } })).status).toBe(401)
    expect(await sees(who, sessionId)).toBe(false)
    expect((await links(sessionId)).map(({ id, state }) => [id, state])).toEqual([
      [full.id, 'full'],
      [expired.id, 'expired'],
      [revoked.id, 'revoked'],
    ])
    expect((await revoke(sessionId, revoked.id)).status).toBe(409)
    expect((await revoke(sessionId, randomUUID())).status).toBe(404)
  })

  test('lets in as many people as it is for, however many come at once, on however many servers', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    for (const cap of [1, 2, 5]) {
      const link = await inviteTo(east, owner, sessionId, { cap })
      const people = await Promise.all(Array.from({ length: 8 }, () => guest(east)))
      const answers = await Promise.all(people.map((who, i) => accept(i % 2 === 0 ? east : west, who, link.token)))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(cap)
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(8 - cap)
      expect(await Promise.all(people.map((who) => sees(who, sessionId)))).toEqual(
        answers.map(({ status }) => status === 200),
      )
    }
  })

  test('gives one person one place, however often at once they come', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const link = await inviteTo(east, owner, sessionId, { cap: 2 })
    const who = await guest(east)
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => accept(i % 2 === 0 ? east : west, who, link.token)),
    )
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect((await links(sessionId))[0]).toMatchObject({ uses: 1, state: 'open' })
    // Who is in anyway takes none.
    for (const inside of [owner, boss])
      expect((await accept(east, inside, link.token)).body).toMatchObject({ data: { sessionId } })
    expect((await links(sessionId))[0]?.uses).toBe(1)
  })

  test('is made, listed and revoked by the run’s owner and administrators alone, and only in that run', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const link = await inviteTo(east, boss, sessionId)
    const other = await withRole(east, 'trainer')
    const theirs = await startRun(east, other, 'public')
    const body = { role: 'rater', cap: 1, expiresInHours: 1 }
    for (const { token } of [other, await account(east), await guest(east)]) {
      const headers = elsewhere()
      expect((await call(east, 'POST', path(sessionId, '/invites'), { token, body, headers })).status).toBe(403)
      expect((await call(east, 'GET', path(sessionId, '/invites'), { token, headers })).status).toBe(403)
      expect((await call(east, 'GET', path(sessionId, '/decisions'), { token, headers })).status).toBe(403)
    }
    expect((await revoke(sessionId, link.id, other)).status).toBe(403)
    expect((await revoke(theirs, link.id, other)).status).toBe(404)
    expect((await excludeAll(theirs, link.id, 'why', other)).status).toBe(404)
    for (const wrong of [{ role: 'validator' }, { cap: 0 }, { cap: 1.5 }, { expiresInHours: 0 }, { label: ' ' }])
      expect(
        (
          await call(east, 'POST', path(sessionId, '/invites'), {
            token: owner.token,
            body: { ...body, ...wrong },
            headers: elsewhere(),
          })
        ).status,
      ).toBe(400)
    expect((await links(sessionId)).map(({ id, state, by }) => [id, state, by])).toEqual([[link.id, 'open', 'admin']])
  })

  test('is not in the server’s log, and guesses are soon told to wait', async () => {
    const lines: string[] = []
    const config = loadConfig(environmentOf(world), ['JWT_SECRET', 'DATA_KEY'])
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) })
    const opened = await openServer(config, log)
    const server = { ...opened, url: `http://127.0.0.1:${opened.port}` }
    try {
      const sessionId = await startRun(east, owner, 'invited')
      const made = await ask<NewInvite>(server, 'POST', path(sessionId, '/invites'), {
        token: owner.token,
        body: { role: 'rater', cap: 1, expiresInHours: 1 },
      })
      const who = await guest(server)
      const enter = (token: string) =>
        call(server, 'POST', '/api/invites/accept', { token: who.token, body: { token } })
      expect((await enter(made.token)).status).toBe(200)
      const guesses = await Promise.all(Array.from({ length: 80 }, () => enter(randomUUID())))
      expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([404, 429]))
      expect(lines.join('')).toContain('/api/invites/accept')
      expect(lines.join('')).not.toContain(made.token)
    } finally {
      await opened.close()
    }
  })
})

describe('everybody who has come by a link', () => {
  test('is excluded together, and it is revoked: their votes weigh nothing, they are out and can’t come back as somebody else; others are as they were', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const [bad, good] = [
      await inviteTo(east, owner, sessionId, { label: 'From the forum' }),
      await inviteTo(east, owner, sessionId, { label: 'The class of 7b' }),
    ]
    const farm = await Promise.all([1, 2, 3].map(() => invitee(east, bad)))
    const honest = await invitee(east, good)
    const sampleId = await addSample(world.pool, 'open', sessionId)
    for (const who of [...farm, honest]) expect((await cast(who, sessionId, sampleId)).status).toBe(201)
    // One of them is excluded already, and stays so for the reason of that time.
    await ask(east, 'POST', path(sessionId, `/raters/${farm[0]!.user.userId}/exclude`), {
      token: owner.token,
      body: { reason: 'the first one' },
    })
    expect((await excludeAll(sessionId, bad.id, 'votes as one')).body).toMatchObject({ data: { people: 2 } })

    const raters = await ask<Rater[]>(east, 'GET', path(sessionId, '/raters'), { token: owner.token })
    expect(
      Object.fromEntries(
        raters.map(({ userId, invite, share, excluded }) => [userId, [invite, share, excluded?.reason]]),
      ),
    ).toEqual({
      [farm[0]!.user.userId]: ['From the forum', 0, 'the first one'],
      [farm[1]!.user.userId]: ['From the forum', 0, 'votes as one'],
      [farm[2]!.user.userId]: ['From the forum', 0, 'votes as one'],
      [honest.user.userId]: ['The class of 7b', 1, undefined],
    })
    for (const who of farm) {
      expect(await sees(who, sessionId)).toBe(false)
      expect((await cast(who, sessionId, await addSample(world.pool, 'open', sessionId))).status).toBe(404)
      expect(await refusalOf(who, bad.token)).toMatchObject({ status: 403, message: expect.stringMatching(/excluded/) })
      expect(await refusalOf(who, good.token)).toMatchObject({ status: 403 })
    }
    expect(await refusalOf(await guest(east), bad.token)).toMatchObject({
      status: 409,
      message: expect.stringMatching(/revoked/),
    })
    expect((await cast(honest, sessionId, await addSample(world.pool, 'open', sessionId))).status).toBe(201)
    // Readmitted, one of them is in again.
    await ask(east, 'DELETE', path(sessionId, `/raters/${farm[1]!.user.userId}/exclude`), { token: owner.token })
    expect(await sees(farm[1]!, sessionId)).toBe(true)
    // Again, it concerns whoever was readmitted.
    expect((await excludeAll(sessionId, bad.id, 'once more')).body).toMatchObject({ data: { people: 1 } })
  })

  test('is excluded although more of them come at the same moment', async () => {
    const sessionId = await startRun(east, owner, 'invited')
    const link = await inviteTo(east, owner, sessionId)
    const people = await Promise.all(Array.from({ length: 8 }, () => guest(east)))
    const [, ...answers] = await Promise.all([
      excludeAll(sessionId, link.id, 'votes as one'),
      ...people.map((who, i) => accept(i % 2 === 0 ? east : west, who, link.token)),
    ])
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true)
    for (const who of people) expect(await sees(who, sessionId)).toBe(false)
  })

  test('of a public session sees it on, and votes no more', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const link = await inviteTo(east, owner, sessionId)
    const who = await invitee(east, link)
    await excludeAll(sessionId, link.id, 'votes as one')
    expect(await sees(who, sessionId)).toBe(true)
    expect((await cast(who, sessionId, await addSample(world.pool, 'open', sessionId))).status).toBe(403)
  })
})

describe('what was decided', () => {
  test('is written down with who, what, whom, why and when, newest first', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const link = await inviteTo(east, owner, sessionId, { label: 'The class of 7b' })
    const who = await invitee(east, link)
    const exclude = { token: boss.token, body: { reason: 'votes the opposite' } }
    await ask(east, 'POST', path(sessionId, `/raters/${who.user.userId}/exclude`), exclude)
    // What is refused is no decision.
    expect((await call(east, 'POST', path(sessionId, `/raters/${who.user.userId}/exclude`), exclude)).status).toBe(409)
    await ask(east, 'DELETE', path(sessionId, `/raters/${who.user.userId}/exclude`), { token: owner.token })
    await setAudience(east, owner, sessionId, 'invited', 'we go on among ourselves')
    await excludeAll(sessionId, link.id, 'votes as one')
    const rows = await decisions(sessionId, boss)
    const whom = { userId: who.user.userId, username: who.user.username }
    const invite = { id: link.id, label: 'The class of 7b' }
    const none = { whom: null, invite: null, audience: null, people: null, reason: null }
    const by = owner.user.username
    expect(rows.map(({ id: _, sessionId: __, timestamp: ___, ...rest }) => rest)).toEqual([
      { ...none, by, what: 'exclude-invited', invite, people: 1, reason: 'votes as one' },
      { ...none, by, what: 'revoke', invite },
      { ...none, by, what: 'audience', audience: 'invited', reason: 'we go on among ourselves' },
      { ...none, by, what: 'readmit', whom },
      { ...none, by: 'admin', what: 'exclude', whom, reason: 'votes the opposite' },
      { ...none, by, what: 'invite', invite },
    ])
    const times = rows.map(({ timestamp }) => Date.parse(timestamp))
    expect(times).toEqual([...times].sort((a, b) => b - a))
    expect(await decisions(sessionId)).toEqual(rows)
  })

  test('begins with the exclusions that are older than its table', async () => {
    const folder = fileURLToPath(new URL('../../migrations', import.meta.url))
    const before = mkdtempSync(join(tmpdir(), 'migrations-'))
    for (const file of readdirSync(folder).filter((name) => name < '000024'))
      cpSync(join(folder, file), join(before, file))
    await world.pool.query('create schema earlier')
    const pool = openPool(`${world.databaseUrl}?options=-c%20search_path%3Dearlier`, () => undefined, 1)
    try {
      await migrate(pool, before)
      await pool.query(`
        insert into users (id, username, role) values ('00000000-0000-4000-8000-000000000001', 'Owner', 'trainer'), ('00000000-0000-4000-8000-000000000002', 'Ann', 'contributor');
        insert into models (id, name, type, architecture) values ('demo', 'demo', 'nlp', 'gpt2');
        insert into sessions (id, title, model_id, user_id, status, configuration, total_steps)
          values ('demo', 'demo', 'demo', '00000000-0000-4000-8000-000000000001', 'active', '{}', 1);
        insert into exclusions (session_id, user_id, reason, excluded_by, readmitted_by, readmitted_at, excluded_at)
          select 'demo', a.id, why, o.id, case when why = 'first' then o.id end, case when why = 'first' then now() - interval '2 days' end, now() - days * interval '1 day'
          from users a, users o, (values ('first', 3), ('second', 1)) as x (why, days) where a.username = 'Ann' and o.username = 'Owner'`)
      await migrate(pool)
      const written = await decisionsOf(pool, 'demo', 10)
      expect(written.map(({ what, by, whom, reason }) => [what, by, whom?.username, reason])).toEqual([
        ['exclude', 'Owner', 'Ann', 'second'],
        ['readmit', 'Owner', 'Ann', null],
        ['exclude', 'Owner', 'Ann', 'first'],
      ])
    } finally {
      await pool.end()
      rmSync(before, { recursive: true })
    }
  })

  test('is not changed or deleted by anybody, by SQL either', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const who = await guest(east)
    await ask(east, 'POST', path(sessionId, `/raters/${who.user.userId}/exclude`), {
      token: owner.token,
      body: { reason: 'votes the opposite' },
    })
    const before = await decisions(sessionId)
    for (const change of [
      `update decisions set reason = 'another reason' where session_id = $1`,
      `update decisions set reason = '(an erased reason)' where session_id = $1`,
      `update decisions set decided_at = now() where session_id = $1`,
      'delete from decisions where session_id = $1',
      'delete from sessions where id = $1',
    ])
      await expect(world.pool.query(change, [sessionId]), change).rejects.toThrow()
    await expect(world.pool.query('truncate decisions')).rejects.toThrow('stands as it was made')
    expect(await decisions(sessionId)).toEqual(before)
  })

  test('S4: why somebody was excluded is forgotten with them, and what a link for them alone was called; their place is not freed', async () => {
    const sessionId = await startRun(east, owner, 'public')
    const [alone, shared] = [
      await inviteTo(east, owner, sessionId, { cap: 1, label: 'Ann of Bath' }),
      await inviteTo(east, owner, sessionId, { cap: 2, label: 'The class of 7b' }),
    ]
    const ann = await invitee(east, alone)
    await accept(east, ann, shared.token)
    expect(await ask(east, 'GET', '/api/auth/export', { token: ann.token, headers: elsewhere() })).toMatchObject({
      invites: [
        { sessionId, role: 'rater' },
        { sessionId, role: 'rater' },
      ],
    })
    const one = path(sessionId, `/raters/${ann.user.userId}/exclude`)
    await ask(east, 'POST', one, { token: owner.token, body: { reason: 'Ann inverts' } })
    await ask(east, 'DELETE', one, { token: owner.token })
    await excludeAll(sessionId, alone.id, 'all of them are Ann')
    await ask(east, 'DELETE', '/api/auth/me', { token: ann.token, headers: elsewhere() })

    const left = JSON.stringify([await decisions(sessionId), await links(sessionId)])
    expect(left).not.toContain('Ann')
    expect(left).not.toContain(ann.user.username)
    expect((await decisions(sessionId)).flatMap(({ reason }) => reason ?? [])).toEqual([
      '(an erased reason)',
      '(an erased reason)',
    ])
    expect((await links(sessionId)).map(({ label, uses }) => [label, uses])).toEqual([
      ['The class of 7b', 1],
      ['(an erased label)', 1],
    ])
    // The one place that is left is the only one.
    await invitee(east, shared)
    expect(await refusalOf(await guest(east), shared.token)).toMatchObject({
      status: 409,
      message: expect.stringMatching(/full/),
    })
  })
})
