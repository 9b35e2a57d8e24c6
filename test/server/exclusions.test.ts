/** An owner excludes a rater from a session, and readmits them. */
import { beforeAll, expect, test } from 'vitest'
import type { Rater, SignedIn } from '../../core/protocol/index.ts'
import { openLiveRoom, voteOf, worthOf } from '../helpers/live-room.ts'
import { addSample, admin, ask, call, connect, guest, request, useServer, useWorld, vote } from './attune.ts'

const world = useWorld()
const east = useServer(world)
const west = useServer(world)
let boss: SignedIn
beforeAll(async () => {
  boss = await admin(east)
})

const path = (userId: string, sessionId = 'demo') => `/api/training/${sessionId}/raters/${userId}/exclude`
const exclude = (userId: string, token: string, reason = 'votes the opposite', sessionId = 'demo') =>
  call(east, 'POST', path(userId, sessionId), { token, body: { reason } })
const readmit = (userId: string, token: string, sessionId = 'demo') =>
  call(east, 'DELETE', path(userId, sessionId), { token })

test('an excluded rater’s votes are refused with a sentence, over sockets and REST; open sockets on any server are told; readmitted, they vote again', async () => {
  const ann = await guest(west)
  const client = await connect(west, ann.token)
  await client.send('join-session', 'demo')
  expect((await client.wait('session-snapshot')).exclusion).toBeNull()
  expect((await exclude(ann.user.userId, boss.token)).status).toBe(200)
  expect(await client.wait('exclusion')).toEqual({ sessionId: 'demo', excluded: true, reason: 'votes the opposite' })
  const sampleId = await addSample(world.pool)
  const sentence =
    'You are excluded from voting in this session (votes the opposite). If you think that this is a mistake, write to its owner.'
  expect(await client.send('submit-feedback', vote(sampleId))).toEqual({
    ok: false,
    code: 'forbidden',
    message: sentence,
  })
  expect(await call(west, 'POST', '/api/feedback', { token: ann.token, body: vote(sampleId) })).toMatchObject({
    status: 403,
    body: { error: 'forbidden', message: sentence },
  })
  // Who comes back finds it, by a snapshot and by catching up.
  const again = await connect(west, ann.token)
  const joined = await again.send('join-session', 'demo')
  expect((await again.wait('session-snapshot')).exclusion).toBe('votes the opposite')
  const third = await connect(west, ann.token)
  await third.send('join-session', { sessionId: 'demo', since: joined.ok ? joined.data.seq : '' })
  expect(await third.wait('exclusion')).toMatchObject({ excluded: true })
  // Another session is another matter (rule V4).
  const { sessionId } = await ask<{ sessionId: string }>(east, 'POST', '/api/training/start', {
    token: boss.token,
    body: { modelId: 'demo' },
  })
  expect(
    (await client.send('submit-feedback', vote(await addSample(world.pool, 'open', sessionId), { sessionId }))).ok,
  ).toBe(true)

  expect((await readmit(ann.user.userId, boss.token)).status).toBe(200)
  await client.wait('exclusion', ({ excluded }) => !excluded)
  expect((await client.send('submit-feedback', vote(sampleId))).ok).toBe(true)
  for (const one of [client, again, third]) one.close()
})

test('S3: a run’s owner and administrators list, exclude and readmit; nobody else; each with the right code', async () => {
  const [ann, ben] = [await guest(east), await guest(east)]
  const researcher = await ask<SignedIn>(east, 'POST', '/api/auth/register', {
    body: { username: 'a researcher', password: 'long enough' },
  })
  const other = await ask<SignedIn>(east, 'POST', '/api/auth/register', {
    body: { username: 'another researcher', password: 'long enough' },
  })
  for (const { user } of [researcher, other])
    await ask(east, 'POST', '/api/auth/role', { token: boss.token, body: { username: user.username, role: 'trainer' } })
  const { sessionId } = await ask<{ sessionId: string }>(east, 'POST', '/api/training/start', {
    token: researcher.token,
    body: { modelId: 'demo' },
  })
  for (const token of [ben.token, other.token]) {
    expect((await exclude(ann.user.userId, token, 'why', sessionId)).status).toBe(403)
    expect((await readmit(ann.user.userId, token, sessionId)).status).toBe(403)
    await request(east, 'GET', `/api/training/${sessionId}/raters`, { token }).expect(403)
  }
  expect((await exclude(ann.user.userId, researcher.token, 'why', sessionId)).status).toBe(200)
  expect((await exclude(ann.user.userId, boss.token, 'why', sessionId)).status).toBe(409)
  expect((await readmit(ann.user.userId, boss.token, sessionId)).status).toBe(200)
  expect((await readmit(ann.user.userId, researcher.token, sessionId)).status).toBe(409)
  expect((await exclude('00000000-0000-4000-8000-000000000000', boss.token)).status).toBe(404)
  expect((await exclude(ann.user.userId, boss.token, 'why', 'no-such-session')).status).toBe(404)
  expect((await exclude('not-an-id', boss.token)).status).toBe(400)
  expect((await exclude(ann.user.userId, boss.token, ' ')).status).toBe(400)
  expect((await exclude(ann.user.userId, boss.token, 'x'.repeat(501))).status).toBe(400)
  const { rows } = await world.pool.query(
    'select excluded_by, reason, readmitted_by from exclusions where session_id = $1',
    [sessionId],
  )
  expect(rows).toEqual([{ excluded_by: researcher.user.userId, reason: 'why', readmitted_by: boss.user.userId }])
})

test('S4: why somebody was excluded is in their export, and is forgotten with them', async () => {
  const ann = await guest(east)
  await exclude(ann.user.userId, boss.token, 'Ann of Bath inverts')
  expect(await ask(east, 'GET', '/api/auth/export', { token: ann.token })).toMatchObject({
    exclusions: [{ sessionId: 'demo', reason: 'Ann of Bath inverts', readmittedAt: null }],
  })
  await ask(east, 'DELETE', '/api/auth/me', { token: ann.token })
  const { rows } = await world.pool.query('select reason from exclusions where user_id = $1', [ann.user.userId])
  expect(rows).toEqual([{ reason: '(an erased reason)' }])
})

const leftOut = async (sessionId: string, step: number) =>
  (
    await world.pool.query<{ excluded: string[] }>('select excluded from steps where session_id = $1 and step = $2', [
      sessionId,
      step,
    ])
  ).rows[0]?.excluded

test('from the next step on an excluded rater’s votes weigh nothing, receipts stand, the crowd’s value goes without them; readmitted, they weigh again', async () => {
  const people = await Promise.all(Array.from({ length: 4 }, () => guest(east)))
  const out = people[0]!
  const room = await openLiveRoom(world, east, { epochs: 3 })
  const clients = await Promise.all(people.map((who) => room.join(who)))
  const raters = () => ask<Rater[]>(east, 'GET', `/api/training/${room.sessionId}/raters`, { token: boss.token })
  const everybodyVotes = async (step: number, voters: readonly number[]) => {
    for (const { id, response } of await room.answersOf(step)) {
      for (const i of voters)
        expect(
          await clients[i]!.send(
            'submit-feedback',
            voteOf(room.sessionId, id, i === 0 ? 1 - worthOf(response) : worthOf(response)),
          ),
        ).toMatchObject({ ok: true })
    }
  }
  await everybodyVotes(1, [0, 1, 2, 3])
  await room.age()
  await room.learnt(1)
  expect((await raters()).map(({ userId }) => userId)).toContain(out.user.userId)
  const before = (await room.receipts()).filter(({ userId }) => userId === out.user.userId)
  expect(before).toHaveLength(8)

  // Votes on the second step, and is excluded before it is learnt from.
  await everybodyVotes(2, [0])
  expect((await exclude(out.user.userId, boss.token, 'inverts', room.sessionId)).status).toBe(200)
  await everybodyVotes(2, [1, 2, 3])
  const { id } = (await room.answersOf(2))[0]!
  await room.age()
  await room.learnt(2)
  expect((await room.receipts()).filter(({ userId }) => userId === out.user.userId)).toEqual(before)
  expect((await raters()).find(({ userId }) => userId === out.user.userId)).toMatchObject({
    share: 0,
    votes: 16,
    excluded: { reason: 'inverts', by: 'admin' },
  })
  expect(await leftOut(room.sessionId, 2)).toEqual([out.user.userId])
  const samples = await ask<{ id: string; crowd: { votes: number } }[]>(
    east,
    'GET',
    `/api/training/${room.sessionId}/samples`,
    { token: people[1]!.token },
  )
  expect(samples.find((sample) => sample.id === id)?.crowd.votes).toBe(3)

  expect((await readmit(out.user.userId, boss.token, room.sessionId)).status).toBe(200)
  // What was left out is learnt from now, and gets its receipt from the step that does.
  await room.learnt(3)
  const after = (await room.receipts()).filter(({ userId }) => userId === out.user.userId)
  expect(after.filter(({ step }) => step === 3)).toHaveLength(8)
  expect(await leftOut(room.sessionId, 3)).toEqual([])
  await room.close()
})
