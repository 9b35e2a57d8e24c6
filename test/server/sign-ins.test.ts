/** A sign-in: renewed by several tabs at once, ended in one place and so everywhere (rules S2, S5). */
import jwt from 'jsonwebtoken'
import { describe, expect, test } from 'vitest'
import { REFRESH_GRACE_MS } from '../../server/auth/tokens.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { addSample, ask, call, connect, environmentOf, guest, request, useServer, useWorld, vote } from './attune.ts'

const world = useWorld()
const server = useServer(world)
const other = useServer(world)

const password = 'a good password'
const register = (username: string) =>
  ask<SignedIn>(server, 'POST', '/api/auth/register', { body: { username, password } })
const login = (username: string) => ask<SignedIn>(server, 'POST', '/api/auth/login', { body: { username, password } })
const refresh = (refreshToken: string, at = server) =>
  call<SignedIn>(at, 'POST', '/api/auth/refresh', { body: { refreshToken } })
/** As if so many milliseconds had passed since the login's tokens were last renewed. */
const age = (userId: string, ms: number) =>
  world.pool.query(
    `update refresh_tokens set rotated_at = rotated_at - $2 * interval '1 millisecond' where user_id = $1`,
    [userId, ms],
  )
const soon = (token: string, seconds: number) => {
  const { iat: _, exp: __, ...claims } = jwt.decode(token) as Record<string, unknown>
  return jwt.sign(claims, environmentOf(world).JWT_SECRET, { expiresIn: seconds })
}

describe('renewing', () => {
  test('S5: tabs that renew at once all stay the same person, with one next token, on whichever server', async () => {
    const { user, refreshToken } = await guest(server)
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => refresh(refreshToken, i % 2 ? server : other)),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    const data = answers.flatMap(({ body }) => (body.success ? [body.data] : []))
    expect(new Set(data.map((one) => one.user.userId))).toEqual(new Set([user.userId]))
    expect(new Set(data.map((one) => one.refreshToken)).size).toBe(1)
    expect((await refresh(data[0]!.refreshToken)).status).toBe(200)
  })

  test('S5: a tab that lost the race renews within the grace, also once the winner has renewed again', async () => {
    const { refreshToken } = await register('Racer')
    const first = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', { body: { refreshToken } })
    await refresh(first.refreshToken)
    expect(await refresh(refreshToken)).toMatchObject({
      status: 200,
      body: { data: { refreshToken: first.refreshToken } },
    })
  })

  test('S2: a refresh token that is used again after the grace ends its whole login, and no other one', async () => {
    const stolen = await register('Robbed')
    const elsewhere = await login('Robbed')
    const owner = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', {
      body: { refreshToken: stolen.refreshToken },
    })
    await age(stolen.user.userId, REFRESH_GRACE_MS + 1)
    expect((await refresh(stolen.refreshToken)).status).toBe(401)
    expect((await refresh(owner.refreshToken)).status).toBe(401)
    await request(server, 'GET', '/api/auth/me', { token: owner.token }).expect(401)
    expect((await refresh(elsewhere.refreshToken)).status).toBe(200)
  })

  test('S5: a guest whose answer was lost in an outage longer than the grace is still that guest', async () => {
    const { user, refreshToken } = await guest(server)
    const lost = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', { body: { refreshToken } })
    await age(user.userId, 100 * REFRESH_GRACE_MS)
    expect(await refresh(refreshToken)).toMatchObject({
      status: 200,
      body: { data: { refreshToken: lost.refreshToken, user: { userId: user.userId } } },
    })
    // Once the next one has been used, the old one is nobody's any more.
    await refresh(lost.refreshToken)
    await age(user.userId, 100 * REFRESH_GRACE_MS)
    expect((await refresh(refreshToken)).status).toBe(401)
  })
})

describe('signing out', () => {
  test('S2: ends the login’s sockets on every server, its access token and its refresh tokens, and nobody else’s', async () => {
    const here = await register('Leaver')
    const elsewhere = await login('Leaver')
    const sockets = await Promise.all([
      connect(server, here.token, { reconnection: false }),
      connect(other, here.token, { reconnection: false }),
    ])
    const stays = await connect(other, elsewhere.token, { reconnection: false })
    const next = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', { body: { refreshToken: here.refreshToken } })
    await ask(server, 'POST', '/api/auth/logout', { body: { refreshToken: next.refreshToken } })
    for (const { socket } of sockets) await expect.poll(() => socket.connected).toBe(false)
    for (const token of [here.token, next.token]) await request(other, 'GET', '/api/auth/me', { token }).expect(401)
    await expect(connect(server, here.token)).rejects.toMatchObject({ data: { code: 'unauthenticated' } })
    for (const token of [here.refreshToken, next.refreshToken]) expect((await refresh(token)).status).toBe(401)
    expect(await stays.send('submit-feedback', vote(await addSample(world.pool)))).toMatchObject({ ok: true })
    stays.close()
  })

  test('S5: a vote that is sent by a signed-out socket is not taken', async () => {
    const here = await register('Left')
    const { socket } = await connect(server, here.token, { reconnection: false })
    const sent = vote(await addSample(world.pool))
    await ask(server, 'POST', '/api/auth/logout', { body: { refreshToken: here.refreshToken } })
    socket.emit('submit-feedback', sent)
    await expect.poll(() => socket.connected).toBe(false)
    expect((await world.pool.query('select 1 from feedback where id = $1', [sent.id])).rowCount).toBe(0)
  })

  test('a sign-out goes through whatever its access token is worth', async () => {
    const here = await register('Late Leaver')
    await request(server, 'POST', '/api/auth/logout', { body: { refreshToken: here.refreshToken } }).expect(200)
    await request(server, 'POST', '/api/auth/logout', { body: { refreshToken: here.refreshToken } }).expect(200)
  })

  test('S4: erasing an account ends its sockets on every server', async () => {
    const gone = await register('Goner')
    const sockets = await Promise.all([
      connect(server, gone.token, { reconnection: false }),
      connect(other, gone.token, { reconnection: false }),
    ])
    await ask(server, 'DELETE', '/api/auth/me', { token: gone.token })
    for (const { socket } of sockets) await expect.poll(() => socket.connected).toBe(false)
  })
})

describe('sockets', () => {
  test('S2: a socket takes no vote once its token has expired, and ends', async () => {
    const { token } = await guest(server)
    const { socket, send } = await connect(server, soon(token, 2), { reconnection: false })
    expect(await send('join-session', 'demo')).toMatchObject({ ok: true })
    await expect.poll(() => socket.connected, { timeout: 20_000 }).toBe(false)
  })

  test('S2: a socket that renews its token in time stays in its room', async () => {
    const { token, refreshToken } = await guest(server)
    const client = await connect(server, soon(token, 3), { reconnection: false })
    await client.send('join-session', 'demo')
    const next = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', { body: { refreshToken } })
    expect(await client.send('authenticate', { token: next.token })).toMatchObject({
      ok: true,
      data: { userId: next.user.userId, expiresAt: expect.stringMatching(/Z$/) },
    })
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    expect(client.socket.connected).toBe(true)
    const sampleId = await addSample(world.pool)
    await client.send('submit-feedback', vote(sampleId))
    await client.wait('feedback-received', (payload) => payload.sampleId === sampleId)
    client.close()
  })

  test('S5: a socket never becomes somebody else’s', async () => {
    const [ann, ben] = await Promise.all([guest(server), guest(server)])
    const client = await connect(server, ann.token)
    expect(await client.send('authenticate', { token: ben.token })).toMatchObject({ ok: false, code: 'forbidden' })
    expect(await client.send('authenticate', { token: 'forged' })).toMatchObject({ ok: false, code: 'unauthenticated' })
    const sent = vote(await addSample(world.pool))
    expect(await client.send('submit-feedback', sent)).toMatchObject({ ok: true })
    expect((await world.pool.query('select user_id from feedback where id = $1', [sent.id])).rows).toEqual([
      { user_id: ann.user.userId },
    ])
    client.close()
  })

  test('S2: what a person may do changes on their open sockets, on every server', async () => {
    const before = await guest(server)
    const client = await connect(other, before.token)
    const free = () =>
      client.send('submit-feedback', { ...vote(undefined), inputText: 'a question', modelResponse: 'a text of my own' })
    expect(await free()).toMatchObject({ ok: false, code: 'forbidden' })
    await ask(server, 'POST', '/api/auth/register', { token: before.token, body: { username: 'Risen', password } })
    await expect.poll(free).toMatchObject({ ok: true })
    client.close()
  })
})
