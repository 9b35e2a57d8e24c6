/** Votes begun while voting is open, and what a person's other connections hear of a vote. */
import { beforeEach, describe, expect, test } from 'vitest'
import { heldSamples } from '../../core/db/vote-begun.ts'
import { limits, type HumanFeedback, type Sample, type SignedIn } from '../../core/protocol/index.ts'
import { append, openRedis } from '../../core/events/log.ts'
import { addSample, ask, call, connect, guest, useServer, useWorld, vote, type Client } from './attune.ts'

const world = useWorld()
const server = useServer(world)
let ann: SignedIn
let socket: Client
const clients: Client[] = []
beforeEach(async () => {
  ann = await guest(server)
  socket = await come(ann)
  return () => {
    for (const client of clients.splice(0)) client.close()
  }
})

async function come(who: SignedIn, to = server): Promise<Client> {
  const client = await connect(to, who.token)
  clients.push(client)
  await client.send('join-session', 'demo')
  return client
}
const begin = (sampleId: string, by = socket) => by.send('begin-vote', { sessionId: 'demo', sampleId })
const close = (sampleId: string) =>
  world.pool.query(`update samples set status = 'closed', closed_at = clock_timestamp() where id = $1`, [sampleId])
/** Lets time pass for what was begun. */
const wait = (sampleId: string, ms: number) =>
  world.pool.query(
    'update vote_begun set begun_at = begun_at - make_interval(secs => $2::float8 / 1000) where sample_id = $1',
    [sampleId, ms],
  )
/** Casts a vote; whether its acknowledgement says that it came late. */
async function comesLate(by: Client, given: ReturnType<typeof vote>): Promise<boolean> {
  const answer = await by.send('submit-feedback', given)
  if (!answer.ok) throw new Error(answer.message)
  return answer.data.late ?? false
}
const isLate = async (id: string) =>
  (await world.pool.query<{ late: boolean }>('select late from feedback where id = $1', [id])).rows[0]?.late

describe('a vote begun in time counts', () => {
  test('begun while voting is open and cast after it has closed, it is on time, and says so', async () => {
    const sampleId = await addSample(world.pool)
    const begun = await begin(sampleId)
    expect(begun).toMatchObject({ ok: true, data: { sampleId } })
    const ms = begun.ok ? (begun.data.countsForMs ?? 0) : 0
    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThanOrEqual(limits.voteBegunMs)
    await close(sampleId)
    const given = vote(sampleId)
    expect(await comesLate(socket, given)).toBe(false)
    expect(await isLate(given.id)).toBe(false)
  })

  test('not begun, begun by somebody else, or begun after closing, it is late; so is one that took too long', async () => {
    const sample = () => addSample(world.pool)
    const [none, others, after, slow] = await Promise.all([sample(), sample(), sample(), sample()])
    const ben = await come(await guest(server))
    await begin(others, ben)
    await begin(slow)
    await wait(slow, limits.voteBegunMs)
    for (const sampleId of [none, others, after, slow]) await close(sampleId)
    expect(await begin(after)).toEqual({ ok: true, data: { sampleId: after, countsForMs: null } })
    for (const sampleId of [none, others, after, slow]) {
      expect(await comesLate(socket, vote(sampleId))).toBe(true)
    }
  })

  test('beginning again makes the time no longer, and a vote that was withdrawn can be given anew within it', async () => {
    const sampleId = await addSample(world.pool)
    await begin(sampleId)
    await wait(sampleId, limits.voteBegunMs / 2)
    const again = await begin(sampleId)
    expect(again.ok && again.data.countsForMs).toBeLessThanOrEqual(limits.voteBegunMs / 2)
    const first = vote(sampleId)
    await socket.send('submit-feedback', first)
    await socket.send('withdraw-feedback', first.id)
    await close(sampleId)
    expect(await comesLate(socket, vote(sampleId))).toBe(false)
  })

  test('V4, P4: a sample of another session, of none, or a body that is none begins nothing', async () => {
    const sampleId = await addSample(world.pool)
    expect(await socket.send('begin-vote', { sessionId: 'nowhere', sampleId })).toMatchObject({
      ok: false,
      code: 'not-found',
    })
    expect(await begin('9b2d5b0c-53d1-4d0e-8f3a-6a1f0f6f2c11')).toMatchObject({ ok: true, data: { countsForMs: null } })
    expect(await socket.send('begin-vote', { sessionId: 'demo', sampleId: 'x' })).toMatchObject({
      ok: false,
      code: 'invalid',
      path: 'sampleId',
    })
    expect(await socket.send('begin-vote', null)).toMatchObject({ ok: false, code: 'invalid' })
  })

  test('nobody marks a whole step as begun: who has begun some votes casts them first', async () => {
    const samples = await Promise.all(Array.from({ length: limits.votesBegun + 1 }, () => addSample(world.pool)))
    for (const sampleId of samples.slice(0, -1))
      expect(await begin(sampleId)).toMatchObject({ data: { countsForMs: expect.any(Number) } })
    const last = samples[limits.votesBegun]!
    expect(await begin(last)).toMatchObject({ ok: true, data: { countsForMs: null } })
    await socket.send('submit-feedback', vote(samples[0]))
    expect(await begin(last)).toMatchObject({ ok: true, data: { countsForMs: expect.any(Number) } })
  })

  test('a vote that reaches the server after an outage says whether it counted or came late; sent twice it says the same', async () => {
    const [begun, missed] = [await addSample(world.pool), await addSample(world.pool)]
    await begin(begun)
    socket.close()
    await close(begun)
    await close(missed)
    const back = await come(ann)
    const [counted, late] = [vote(begun), vote(missed)]
    expect(await comesLate(back, counted)).toBe(false)
    await wait(begun, limits.voteBegunMs)
    expect(await comesLate(back, counted)).toBe(false)
    expect(await comesLate(back, late)).toBe(true)
    expect(await comesLate(back, late)).toBe(true)
    const mine = await ask<HumanFeedback[]>(server, 'GET', '/api/feedback/demo', { token: ann.token })
    expect(Object.fromEntries(mine.map(({ id, late }) => [id, late]))).toEqual({ [counted.id]: false, [late.id]: true })
  })
})

test('V3: whoever may still cast a vote that they began sees the others’ no earlier than that, though voting has closed', async () => {
  const sampleId = await addSample(world.pool)
  const ben = await come(await guest(server))
  await ben.send('submit-feedback', vote(sampleId, { humanRating: 2 }))
  await begin(sampleId)
  await close(sampleId)
  const crowd = { votes: 1, value: 0.3, compassion: 0.9 }
  const redis = await openRedis(world.redisUrl, (error) => console.error(error))
  await append(redis, 'demo', { event: 'voting-closed', payload: { sessionId: 'demo', sampleId, crowd } })
  redis.disconnect()
  const isIt = (one: { sampleId: string | null }) => one.sampleId === sampleId
  expect(await ben.wait('voting-closed', isIt)).toMatchObject({ crowd })
  expect(await socket.wait('voting-closed', isIt)).toMatchObject({ crowd: { votes: 1, value: null, compassion: null } })
  const seen = async () =>
    (await ask<Sample[]>(server, 'GET', '/api/training/demo/samples?limit=200', { token: ann.token })).find(
      ({ id }) => id === sampleId,
    )?.crowd
  expect(await seen()).toBeNull()
  const again = await come(ann)
  const snapshot = await again.wait('session-snapshot')
  expect(snapshot.samples.find(({ id }) => id === sampleId)?.crowd).toBeNull()
  expect(await socket.send('submit-feedback', vote(sampleId))).toMatchObject({ data: { crowd: { votes: 2 } } })
  expect(await seen()).toMatchObject({ votes: 2 })
})

describe('what a closing waits for', () => {
  const holding = (...samples: string[]) => heldSamples(world.pool, 'demo', samples)
  /** Somebody whose vote the session has. */
  async function regular(): Promise<Client> {
    const given = vote(await addSample(world.pool))
    await socket.send('submit-feedback', given)
    await world.pool.query(
      'update feedback set created_at = created_at - make_interval(secs => $2::float8 / 1000) where id = $1',
      [given.id, limits.withdrawMs + 1],
    )
    return socket
  }

  test('for people who have voted before; a newcomer holds nobody up', async () => {
    const sampleId = await addSample(world.pool)
    await begin(sampleId)
    expect(await holding(sampleId)).toEqual([])
    await regular()
    expect(await holding(sampleId)).toEqual([sampleId])
  })

  test('until the vote is cast; withdrawn, it holds nothing again', async () => {
    await regular()
    const sampleId = await addSample(world.pool)
    await begin(sampleId)
    await begin(sampleId)
    expect(await holding(sampleId)).toEqual([sampleId])
    const given = vote(sampleId)
    await socket.send('submit-feedback', given)
    expect(await holding(sampleId)).toEqual([])
    await socket.send('withdraw-feedback', given.id)
    await begin(sampleId)
    expect(await holding(sampleId)).toEqual([])
  })

  test('not for somebody who leaves what they begin', async () => {
    await regular()
    for (let left = 0; left < limits.holdsLeft; left++) {
      const sampleId = await addSample(world.pool)
      await begin(sampleId)
      expect(await holding(sampleId)).toEqual([sampleId])
      await close(sampleId)
      await wait(sampleId, limits.voteBegunMs)
    }
    const sampleId = await addSample(world.pool)
    expect(await begin(sampleId)).toMatchObject({ data: { countsForMs: expect.any(Number) } })
    expect(await holding(sampleId)).toEqual([])
  })
})

describe('every connection of a person knows of their vote', () => {
  test('S5: voted in one tab, it is known in the other at once, through another server too; nobody else is told', async () => {
    const west = await world.server()
    const [second, third, stranger] = [await come(ann), await come(ann, west), await come(await guest(server))]
    const sampleId = await addSample(world.pool)
    const given = vote(sampleId, { humanRating: 9 })
    await socket.send('submit-feedback', given)
    const mine = { feedbackId: given.id, humanRating: 9, compassionRating: 0.9 }
    for (const tab of [second, third])
      expect(await tab.wait('own-vote', (one) => one.sampleId === sampleId)).toEqual({
        sessionId: 'demo',
        sampleId,
        mine,
      })
    await socket.send('withdraw-feedback', given.id)
    for (const tab of [second, third])
      await tab.wait('own-vote', (one) => one.sampleId === sampleId && one.mine === null)
    await stranger.wait('feedback-withdrawn', (one) => one.sampleId === sampleId)
    expect(stranger.received.filter(({ event }) => event === 'own-vote')).toEqual([])
  })

  test('P3: a tab that was away meanwhile hears of it when it catches up', async () => {
    const away = await connect(server, ann.token)
    clients.push(away)
    const joined = await away.send('join-session', 'demo')
    const since = joined.ok ? joined.data.seq : ''
    away.close()
    const sampleId = await addSample(world.pool)
    await socket.send('submit-feedback', vote(sampleId))
    await socket.wait('feedback-received', (one) => one.sampleId === sampleId)
    const back = await connect(server, ann.token)
    clients.push(back)
    expect(await back.send('join-session', { sessionId: 'demo', since })).toMatchObject({ data: { caughtUp: true } })
    await back.wait('own-vote', (one) => one.sampleId === sampleId && one.mine !== null)
  })

  test('a refusal is a sentence, and the field beside it', async () => {
    const sampleId = await addSample(world.pool)
    await socket.send('submit-feedback', vote(sampleId))
    const refused = await socket.send('submit-feedback', vote(sampleId))
    expect(refused).toMatchObject({ ok: false, code: 'conflict', path: 'sampleId' })
    expect(refused.ok ? '' : refused.message).toMatch(/^you have voted on this answer already/)
    expect(await socket.wait('feedback-error')).toMatchObject({
      path: 'sampleId',
      error: expect.not.stringContaining('sampleId'),
    })
    const rest = await call(server, 'POST', '/api/feedback', { token: ann.token, body: vote(sampleId) })
    expect(rest.body).toMatchObject({
      success: false,
      path: 'sampleId',
      message: expect.not.stringContaining('sampleId'),
    })
  })
})
