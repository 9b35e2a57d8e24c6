import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits, type HumanFeedback, type SignedIn } from '../../core/protocol/index.ts'
import {
  addSample,
  admin,
  ask,
  call,
  connect,
  guest,
  request,
  useServer,
  useWorld,
  vote,
  type Client,
} from './attune.ts'

const world = useWorld()
const server = useServer(world)
let boss: SignedIn
let ann: SignedIn
let socket: Client
beforeAll(async () => {
  boss = await admin(server)
  ann = await guest(server, 'Ann')
  socket = await connect(server, ann.token)
})
afterAll(() => socket?.close())

const stored = async (id: string) => (await world.pool.query('select * from feedback where id = $1', [id])).rows
const post = (body: unknown, token = ann.token) => call<HumanFeedback>(server, 'POST', '/api/feedback', { token, body })

test('V1: a vote that was acknowledged is in Postgres, with its value by the session’s weights', async () => {
  const sampleId = await addSample(world.pool)
  const given = vote(sampleId, { categories: [{ name: 'helpfulness', score: 8, weight: 99 }] })
  const ack = await socket.send('submit-feedback', given)
  // q = (7/9 + 7/9) / 2, v = 0.3 q + 0.7 · 0.9: the rater's own weight does not count.
  const value = 0.3 * (7 / 9) + 0.7 * 0.9
  expect(ack).toEqual({
    ok: true,
    data: {
      id: given.id,
      sampleId,
      value: expect.closeTo(value, 10),
      crowd: { votes: 1, value: expect.closeTo(value, 10), compassion: 0.9 },
      duplicate: false,
    },
  })
  expect(await stored(given.id)).toMatchObject([
    {
      sample_id: sampleId,
      user_id: ann.user.userId,
      human_rating: 8,
      input_text: `question ${sampleId}`,
      quality: expect.closeTo(7 / 9, 10),
      salt: expect.objectContaining({ length: 32 }),
    },
  ])
})

test('a rating alone is worth what it says: 10 is 1 and 1 is 0; compassion that nobody rated is missing everywhere', async () => {
  const alone = (sampleId: string, humanRating: number) => ({
    id: randomUUID(),
    sessionId: 'demo',
    sampleId,
    humanRating,
  })
  for (const [rating, value] of [
    [10, 1],
    [1, 0],
  ] as const) {
    const sampleId = await addSample(world.pool)
    const given = alone(sampleId, rating)
    expect(await socket.send('submit-feedback', given)).toEqual({
      ok: true,
      data: { id: given.id, sampleId, value, crowd: { votes: 1, value, compassion: null }, duplicate: false },
    })
    expect(await socket.send('submit-feedback', given)).toMatchObject({ ok: true, data: { duplicate: true } })
    expect(await stored(given.id)).toMatchObject([{ compassion_rating: null, compassion: null, quality: value, value }])
    const { body } = await call<HumanFeedback[]>(server, 'GET', '/api/feedback/demo?limit=200', { token: ann.token })
    expect(body).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({ id: given.id, compassionRating: null, compassion: null, value }),
      ]),
    })
  }
})

test('the crowd’s compassion is the mean of the votes that rated it', async () => {
  const sampleId = await addSample(world.pool)
  const [ben, eve] = [await guest(server), await guest(server)]
  await post(vote(sampleId, { compassionRating: 0.8 }))
  await post(vote(sampleId, { compassionRating: undefined }), ben.token)
  // 0 is an answer, not a missing one.
  const { body } = await post(vote(sampleId, { compassionRating: 0 }), eve.token)
  expect(body).toMatchObject({ success: true })
  const { rows } = await world.pool.query('select compassion_rating from feedback where sample_id = $1 order by seq', [
    sampleId,
  ])
  expect(rows.map((row) => row.compassion_rating)).toEqual([0.8, null, 0])
  expect(await call(server, 'GET', '/api/training/demo/samples?limit=200', { token: eve.token })).toMatchObject({
    body: {
      data: expect.arrayContaining([
        expect.objectContaining({
          id: sampleId,
          crowd: { votes: 3, value: expect.any(Number), compassion: expect.closeTo(0.4, 10) },
          mine: expect.objectContaining({ compassionRating: 0 }),
        }),
      ]),
    },
  })
})

test('the three sides of compassion are given all or none', async () => {
  const sampleId = await addSample(world.pool)
  expect(await post(vote(sampleId, { compassion: { agency: 1, suffering: 0 } }))).toMatchObject({
    status: 400,
    body: { path: 'compassion.capability' },
  })
  const given = vote(sampleId, {
    compassionRating: undefined,
    compassion: { agency: 1, capability: 0.5, suffering: 0 },
  })
  expect(await post(given)).toMatchObject({ status: 201 })
  expect(await stored(given.id)).toMatchObject([{ compassion_rating: expect.closeTo(2.5 / 3, 10) }])
})

test('V2: the same vote again, by socket and by REST, is one vote and the same answer', async () => {
  const sampleId = await addSample(world.pool)
  const given = vote(sampleId, {
    comments: 'kind',
    tags: ['kind'],
    compassion: { agency: 1, capability: 0.5, suffering: 0 },
  })
  const all = await Promise.all([
    socket.send('submit-feedback', given),
    socket.send('submit-feedback', given),
    post(given).then((answer) => answer.body),
  ])
  expect(all.map((answer) => ('ok' in answer ? answer.ok : answer.success))).toEqual([true, true, true])
  const again = await socket.send('submit-feedback', given)
  expect(again).toMatchObject({ ok: true, data: { duplicate: true, crowd: { votes: 1 } } })
  expect(await stored(given.id)).toHaveLength(1)
})

test('V2: an id is one vote only: another content or another person gets a conflict', async () => {
  const sampleId = await addSample(world.pool)
  const given = vote(sampleId)
  await post(given)
  const ben = await guest(server)
  expect(await post({ ...given, humanRating: 3 })).toMatchObject({ status: 409, body: { path: 'id' } })
  expect(await post(given, ben.token)).toMatchObject({ status: 409, body: { path: 'id' } })
  expect(await stored(given.id)).toMatchObject([{ human_rating: 8, user_id: ann.user.userId }])
})

test('V4: a vote counts only on a whole sample of its own session', async () => {
  const { sessionId } = await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
    token: boss.token,
    body: { modelId: 'demo' },
  })
  const elsewhere = await addSample(world.pool, 'open', sessionId)
  expect(await post(vote(elsewhere))).toMatchObject({ status: 404, body: { path: 'sampleId' } })
  for (const status of ['queued', 'streaming', 'failed'] as const) {
    expect(await post(vote(await addSample(world.pool, status)))).toMatchObject({
      status: 409,
      body: { path: 'sampleId' },
    })
  }
  expect((await post(vote(await addSample(world.pool, 'closed')))).status).toBe(201) // late: trains the reward model
  await ask(server, 'POST', `/api/training/${sessionId}/stop`, { token: boss.token })
  expect((await post(vote(elsewhere, { sessionId }))).status).toBe(409)
})

test('V5: a vote can be withdrawn by its author for ten seconds, and only then be given anew', async () => {
  const sampleId = await addSample(world.pool)
  const first = vote(sampleId)
  await post(first)
  expect(await post(vote(sampleId))).toMatchObject({ status: 409, body: { path: 'sampleId' } })
  const ben = await guest(server)
  await request(server, 'DELETE', `/api/feedback/${first.id}`, { token: ben.token }).expect(404)
  expect(await socket.send('withdraw-feedback', first.id)).toEqual({ ok: true, data: { id: first.id } })
  expect(await socket.send('withdraw-feedback', first.id)).toEqual({ ok: true, data: { id: first.id } })
  expect((await post(first)).status).toBe(409)
  const second = vote(sampleId)
  expect((await post(second)).status).toBe(201)
  await world.pool.query(
    'update feedback set created_at = created_at - make_interval(secs => $2::float8 / 1000) where id = $1',
    [second.id, limits.withdrawMs],
  )
  expect(await socket.send('withdraw-feedback', second.id)).toMatchObject({ ok: false, code: 'conflict' })
  expect(await stored(second.id)).toMatchObject([{ withdrawn_at: null }])
})

test('a vote without a sample is matched by its text; a text that the session never produced needs an account', async () => {
  const sampleId = await addSample(world.pool, 'open', 'demo', {
    prompt: 'I lost my keys',
    response: 'That is a nuisance.',
  })
  const matched = await post(vote(undefined, { inputText: 'I lost my keys', modelResponse: 'That is a nuisance.' }))
  expect(matched.body).toMatchObject({ success: true, data: { sampleId } })
  const free = vote(undefined, { inputText: 'I lost my keys', modelResponse: 'Buy new ones.' })
  expect((await post(free)).status).toBe(403)
  expect((await post(free, boss.token)).body).toMatchObject({
    success: true,
    data: { sampleId: null, modelResponse: 'Buy new ones.' },
  })
})

test('categories: unknown ones are refused by name, free ones count with a weight of at most 2', async () => {
  const odd = vote(await addSample(world.pool), {
    categories: [
      { name: 'helpfulness', score: 5 },
      { name: 'colour', score: 5 },
    ],
  })
  expect(await post(odd)).toMatchObject({ status: 400, body: { path: 'categories.1.name' } })
  const { sessionId } = await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
    token: boss.token,
    body: { modelId: 'demo', configuration: { live: { freeCategories: true } } },
  })
  const sampleId = await addSample(world.pool, 'open', sessionId)
  const free = await post({ ...odd, sessionId, sampleId, categories: [{ name: 'colour', score: 5, weight: 7 }] })
  expect(free.body).toMatchObject({ success: true, data: { categories: [{ name: 'colour', score: 5, weight: 2 }] } })
})

test('my votes are mine to read; a reviewer reads everybody’s', async () => {
  const ben = await guest(server)
  const given = vote(await addSample(world.pool))
  await post(given, ben.token)
  const mine = await ask<HumanFeedback[]>(server, 'GET', '/api/feedback/demo', { token: ben.token })
  expect(mine.map((one) => one.id)).toEqual([given.id])
  const all = await ask<HumanFeedback[]>(server, 'GET', '/api/feedback/demo', { token: boss.token })
  expect(all.length).toBeGreaterThan(1)
  await request(server, 'GET', `/api/blockchain/contributions/${ben.user.userId}`, { token: ann.token }).expect(403)
  expect(
    await ask(server, 'GET', `/api/blockchain/contributions/${ben.user.userId}`, { token: ben.token }),
  ).toMatchObject([{ feedbackId: given.id, verified: false, merkleProof: null }])
})

test('P2: every client event is acknowledged, and without a callback works as well', async () => {
  const sampleId = await addSample(world.pool)
  expect(await socket.send('join-session', 'demo')).toMatchObject({
    ok: true,
    data: { sessionId: 'demo', caughtUp: false },
  })
  expect(await socket.send('subscribe-metrics', 'demo')).toEqual({ ok: true, data: { sessionId: 'demo' } })
  expect(await socket.send('unsubscribe-metrics', 'demo')).toEqual({ ok: true, data: { sessionId: 'demo' } })
  expect(await socket.send('ask', { sessionId: 'demo', prompt: 'Hello?' })).toMatchObject({
    ok: true,
    data: { sampleId: expect.any(String) },
  })
  expect(await socket.send('leave-session', 'demo')).toEqual({ ok: true, data: { sessionId: 'demo' } })
  const given = vote(sampleId)
  socket.socket.emit('submit-feedback', given)
  for (let patience = 100; patience > 0 && (await stored(given.id)).length === 0; patience--) await sleep(20)
  expect(await stored(given.id)).toHaveLength(1)
})

test('P4: a failure is acknowledged with its code, and a failed vote told as feedback-error too', async () => {
  expect(await socket.send('submit-feedback', { sessionId: 'demo' })).toMatchObject({
    ok: false,
    code: 'invalid',
    message: expect.stringContaining('humanRating'),
  })
  expect(await socket.wait('feedback-error', (payload) => payload.code === 'invalid')).toMatchObject({
    code: 'invalid',
    error: expect.any(String),
  })
  expect(await socket.send('join-session', 'nowhere')).toMatchObject({ ok: false, code: 'not-found' })
  expect(await socket.send('no-such-event' as 'ask', {})).toMatchObject({ ok: false, code: 'invalid' })
  expect(
    await socket.send('submit-feedback', vote(randomUUID(), { comments: 'x'.repeat(limits.messageBytes) })),
  ).toMatchObject({ ok: false, code: 'too-large' })
})

test('P4: too many events at once get too-frequent, and pass again after a while', async () => {
  const hasty = await connect(server, ann.token)
  const answers = await Promise.all(
    Array.from({ length: limits.socketBurst + 20 }, () => hasty.send('unsubscribe-metrics', 'demo')),
  )
  expect(answers.filter((answer) => answer.ok).length).toBeGreaterThanOrEqual(limits.socketBurst)
  expect(answers.at(-1)).toMatchObject({ ok: false, code: 'too-frequent' })
  await sleep(300)
  expect(await hasty.send('unsubscribe-metrics', 'demo')).toMatchObject({ ok: true })
  hasty.close()
})

test('S2: a socket comes in with a token, by auth, header or query, and not without', async () => {
  await expect(connect(server, undefined)).rejects.toMatchObject({ data: { code: 'unauthenticated' } })
  await expect(connect(server, 'forged')).rejects.toMatchObject({ data: { code: 'unauthenticated' } })
  const byHeader = await connect(server, undefined, { extraHeaders: { authorization: `Bearer ${ann.token}` } })
  const byQuery = await connect(server, undefined, { query: { token: ann.token } })
  byHeader.close()
  byQuery.close()
})
