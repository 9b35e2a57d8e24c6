import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { takeRunLock } from '../../core/db/run-lock.ts'
import { unheldRuns } from '../../core/db/run-queue.ts'
import { commitStep } from '../../core/db/steps.ts'
import { limits, type SignedIn } from '../../core/protocol/index.ts'
import { requeue } from '../../server/sessions/reconciler.ts'
import { append, compareSeq, EVERYWHERE } from '../../core/events/log.ts'
import {
  addSample,
  admin,
  ask,
  connect,
  guest,
  useServer,
  useWorld,
  vote,
  type Client,
  type TestServer,
} from './attune.ts'

const world = useWorld()
const east = useServer(world)
const west = useServer(world)
let redis: Redis
let ann: SignedIn
let ben: SignedIn
/** The session of the test at hand. */
let sessionId: string
const clients: Client[] = []
beforeAll(async () => {
  redis = new Redis(world.redisUrl)
  ann = await guest(east, 'Ann')
  ben = await guest(west, 'Ben')
})
beforeEach(async () => {
  const boss = await admin(east)
  sessionId = (
    await ask<{ sessionId: string }>(east, 'POST', '/api/training/start', {
      token: boss.token,
      body: { modelId: 'demo' },
    })
  ).sessionId
  for (const client of clients.splice(0)) client.close()
})
afterAll(() => {
  for (const client of clients) client.close()
  redis?.disconnect()
})

const come = async (server: TestServer, who: SignedIn): Promise<Client> => {
  const client = await connect(server, who.token)
  clients.push(client)
  return client
}
/** Comes in and joins the session. */
const join = async (server: TestServer, who: SignedIn): Promise<Client> => {
  const client = await come(server, who)
  expect(await client.send('join-session', sessionId)).toMatchObject({ ok: true })
  return client
}
/** What the trainer says, as a metrics-update with the step's number. */
const say = (step: number) =>
  append(redis, sessionId, { event: 'metrics-update', payload: { sessionId, step, metrics: {} } })
const stepsSeen = (client: Client) =>
  client.received.flatMap((one) => (one.event === 'metrics-update' ? [one.payload.step] : []))

test('P3: a snapshot comes before its acknowledgement, and every later event has its seq', async () => {
  const sampleId = await addSample(world.pool, 'open', sessionId)
  const client = await come(east, ann)
  const ack = await client.send('join-session', sessionId)
  const snapshot = await client.wait('session-snapshot')
  expect(ack).toEqual({ ok: true, data: { sessionId, seq: snapshot.seq, caughtUp: false } })
  expect(snapshot).toMatchObject({
    session: { id: sessionId, status: 'active' },
    samples: [{ id: sampleId, crowd: null, mine: null }],
    steps: [],
    receipts: [],
  })
  const seq = await say(1)
  expect(await client.wait('metrics-update')).toEqual({ sessionId, step: 1, metrics: {}, seq })
})

test('P3: sockets of two servers hear the same room', async () => {
  const [here, there] = [await join(east, ann), await join(west, ben)]
  await say(7)
  await Promise.all([here.wait('metrics-update'), there.wait('metrics-update')])
  const boss = await admin(east)
  await ask(east, 'POST', `/api/training/${sessionId}/pause`, { token: boss.token })
  expect(await there.wait('training-paused')).toMatchObject({ sessionId, session: sessionId })
})

test('P3: whoever joins while events pour in misses none after the snapshot and gets them in order', async () => {
  let step = 0
  let pouring = true
  const seqs: string[] = []
  const pour = (async () => {
    for (; pouring; step++) {
      seqs.push(await say(step))
      if (step % 5 === 0) await sleep(1)
    }
  })()
  const joined = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => join(i % 2 === 0 ? east : west, i % 3 === 0 ? ann : ben)),
  )
  await sleep(300)
  pouring = false
  await pour
  for (const client of joined) {
    const { seq: from } = await client.wait('session-snapshot')
    await client.wait('metrics-update', (payload) => payload.step === step - 1)
    const got = client.received.flatMap((one) => (one.event === 'metrics-update' ? [one.payload.seq] : []))
    expect(got).toEqual(seqs.filter((seq) => compareSeq(seq, from) > 0))
  }
})

test('P3: after a lost connection a client catches up from its last seq, by the missed events alone', async () => {
  const client = await join(east, ann)
  await say(1)
  const { seq } = await client.wait('metrics-update')
  const connected = new Promise<void>((resolve) => client.socket.once('connect', () => resolve()))
  client.socket.io.engine.close() // the network, not the client
  for (let step = 2; step <= 40; step++) await say(step)
  await connected
  const before = client.received.length
  expect(await client.send('join-session', { sessionId, since: seq })).toMatchObject({
    ok: true,
    data: { caughtUp: true },
  })
  await say(41)
  await client.wait('metrics-update', (payload) => payload.step === 41)
  expect(stepsSeen(client)).toEqual(Array.from({ length: 41 }, (_, i) => i + 1))
  expect(client.received.slice(before).map((one) => one.event)).not.toContain('session-snapshot')
})

test('P3: whoever comes in right behind somebody else has all that happened in between', async () => {
  await Promise.all(Array.from({ length: 5 }, () => join(east, ann)))
  for (let step = 1; step <= 5; step++) {
    await say(step)
    const boss = await admin(east)
    await ask(east, 'POST', `/api/training/${sessionId}/${step % 2 === 1 ? 'pause' : 'resume'}`, { token: boss.token })
    const late = await join(east, ben)
    // By the snapshot, or by what followed it before the acknowledgement.
    const told = late.received.flatMap((one) => {
      if (one.event === 'session-snapshot') return [one.payload.session.status]
      return one.event === 'training-paused' ? ['paused'] : one.event === 'training-resumed' ? ['active'] : []
    })
    expect(told.at(-1)).toBe(step % 2 === 1 ? 'paused' : 'active')
    late.close()
  }
})

test('a whole room that comes in at once reads what all see alike once', async () => {
  const { pool } = east.deps
  const asked = pool.query.bind(pool)
  let steps = 0
  pool.query = ((...sent: Parameters<typeof asked>) => {
    if (/select step, metrics, created_at from steps/.test(String(sent[0]))) steps++
    return asked(...sent)
  }) as typeof pool.query
  try {
    const room = await Promise.all(Array.from({ length: 16 }, (_, i) => come(east, i % 2 === 0 ? ann : ben)))
    const began = Date.now()
    await Promise.all(room.map((client) => client.send('join-session', sessionId)))
    expect(steps).toBeLessThanOrEqual(1 + Math.ceil((Date.now() - began) / limits.snapshotMs))
    for (const client of room)
      expect(await client.wait('session-snapshot')).toMatchObject({ session: { id: sessionId } })
  } finally {
    pool.query = asked
  }
})

test('P3: where the log no longer reaches back, a snapshot comes instead', async () => {
  const client = await come(east, ann)
  await say(1)
  expect(await client.send('join-session', { sessionId, since: '1-1' })).toMatchObject({
    ok: true,
    data: { caughtUp: false },
  })
  await client.wait('session-snapshot')
})

test('P3: the snapshot of a sample that is streaming holds the text so far', async () => {
  const sampleId = await addSample(world.pool, 'streaming', sessionId, { response: '' })
  const started = { sessionId, sampleId, prompt: 'x', policyVersion: 0, step: 1, origin: 'rollout' as const }
  const tokens = (offset: number, text: string) =>
    append(redis, sessionId, { event: 'sample-tokens', payload: { sessionId, sampleId, offset, text } })
  await append(redis, sessionId, { event: 'sample-started', payload: started })
  await tokens(0, 'an answer of a step that was repeated')
  await append(redis, sessionId, { event: 'sample-started', payload: started })
  await tokens(0, 'I am ')
  await tokens(5, 'sorry to')
  for (let i = 0; i < 600; i++) await say(i) // further back than one read
  const client = await join(east, ann)
  expect((await client.wait('session-snapshot')).samples).toMatchObject([
    { id: sampleId, status: 'streaming', response: 'I am sorry to' },
  ])
  await tokens(13, ' hear')
  expect(await client.wait('sample-tokens')).toMatchObject({ offset: 13, text: ' hear' })
})

test('V3: on the wire, a sample’s crowd value reaches only those who have voted on it, on whichever server', async () => {
  const sampleId = await addSample(world.pool, 'open', sessionId)
  const annEast = await join(east, ann)
  const annWest = await join(west, ann)
  const benWest = await join(west, ben)
  const of = (votes: number) => (payload: { votes: number; sampleId: string | null }) =>
    payload.votes === votes && payload.sampleId === sampleId

  const first = await annEast.send('submit-feedback', vote(sampleId, { sessionId, categories: [] }))
  expect(first).toMatchObject({ ok: true, data: { crowd: { votes: 1 } } })
  expect(await annEast.wait('feedback-received', of(1))).toHaveProperty('crowd.votes', 1)
  expect(await annWest.wait('feedback-received', of(1))).toHaveProperty('crowd.votes', 1)
  expect(await benWest.wait('feedback-received', of(1))).not.toHaveProperty('crowd')

  const benEast = await join(east, ben)
  expect((await benEast.wait('session-snapshot')).samples).toMatchObject([{ id: sampleId, crowd: null, mine: null }])
  expect(JSON.stringify([benWest.received, benEast.received])).not.toContain('compassion":0.9')

  const second = await benWest.send(
    'submit-feedback',
    vote(sampleId, { sessionId, categories: [], compassionRating: 0.1 }),
  )
  expect(second).toMatchObject({ ok: true, data: { crowd: { votes: 2, compassion: expect.closeTo(0.5, 6) } } })
  for (const client of [annEast, annWest, benEast, benWest])
    expect(await client.wait('feedback-received', of(2))).toHaveProperty('crowd.votes', 2)
  await benEast.send('join-session', sessionId)
  expect(
    (await benEast.wait('session-snapshot', (snapshot) => snapshot.samples[0]!.mine !== null)).samples[0],
  ).toMatchObject({ crowd: { votes: 2 } })
})

test('V3: what a client catches up on hides the crowd value, too', async () => {
  const sampleId = await addSample(world.pool, 'open', sessionId)
  const { seq } = { seq: await say(0) }
  const annEast = await join(east, ann)
  await annEast.send('submit-feedback', vote(sampleId, { sessionId }))
  const benEast = await come(east, ben)
  expect(await benEast.send('join-session', { sessionId, since: seq })).toMatchObject({
    ok: true,
    data: { caughtUp: true },
  })
  expect(await benEast.wait('feedback-received')).toEqual({ sessionId, sampleId, votes: 1, seq: expect.any(String) })
})

test('V3: once voting has closed everybody sees it', async () => {
  const sampleId = await addSample(world.pool, 'closed', sessionId)
  const benWest = await join(west, ben)
  expect((await benWest.wait('session-snapshot')).samples).toMatchObject([
    { id: sampleId, crowd: { votes: 0, value: null } },
  ])
  await append(redis, sessionId, {
    event: 'voting-closed',
    payload: { sessionId, sampleId, crowd: { votes: 3, value: 0.5, compassion: 0.5 } },
  })
  expect(await benWest.wait('voting-closed')).toMatchObject({ crowd: { votes: 3 } })
})

test('a receipt, and the news that a vote is on the chain, reach its author alone', async () => {
  const sampleId = await addSample(world.pool, 'open', sessionId)
  const [annWest, benWest] = [await join(west, ann), await join(west, ben)]
  const given = vote(sampleId, { sessionId })
  await annWest.send('submit-feedback', given)
  const client = await world.pool.connect()
  const receipt = {
    feedbackId: given.id,
    weight: 0.5,
    reliability: 0.6,
    crowd: 0.8,
    advantage: 1.2,
    latencyMs: 900,
    comparable: 3,
    updated: true,
    logprob: { before: -3.5, after: -3.25 },
  }
  await commitStep(client, {
    sessionId,
    step: 1,
    policyVersion: 1,
    metrics: {},
    digest: 'd',
    receipts: [receipt],
    crowd: [{ sampleId, value: 0.8 }],
    warnings: [],
    pause: null,
    excluded: [],
  })
  client.release()
  await append(redis, sessionId, { event: 'receipts', payload: { steps: [1] } })
  expect(await annWest.wait('receipt')).toEqual({ ...receipt, sessionId, sampleId, step: 1, provisional: true })

  const ledger = `0x${'1'.repeat(40)}`
  await world.pool.query(
    `insert into epochs (chain_id, ledger, id, contributions_root, rewards_root, manifest_hash, manifest, count, tx_hash, confirmed_at)
     values (1, $1, 1, '', '', '', '', 1, '0xabc', now())`,
    [ledger],
  )
  await world.pool.query(
    'insert into epoch_records (feedback_id, chain_id, ledger, epoch_id, leaf_index, credit) values ($1, 1, $2, 1, 0, 5)',
    [given.id, ledger],
  )
  await append(redis, EVERYWHERE, { event: 'recorded', payload: { epochId: 1 } })
  expect(await annWest.wait('recorded')).toEqual({ feedbackId: given.id, epochId: 1, txHash: '0xabc' })
  expect(benWest.received.map((one) => one.event)).not.toContain('receipt')
  expect(benWest.received.map((one) => one.event)).not.toContain('recorded')
})

test('presence counts people, not sockets, over all servers', async () => {
  const annEast = await join(east, ann)
  const annWest = await join(west, ann)
  const benWest = await join(west, ben)
  await annEast.wait('presence', (payload) => payload.raters === 2)
  await benWest.wait('presence', (payload) => payload.raters === 2)
  const left = annEast.received.length
  annWest.close()
  await sleep(1_500)
  expect(annEast.received.slice(left).filter((one) => one.event === 'presence')).toEqual([])
  await benWest.send('leave-session', sessionId)
  await annEast.wait('presence', (payload) => payload.raters === 1)
})

test('after leaving nothing of the session comes; metrics alone can be watched', async () => {
  const client = await join(east, ann)
  await client.send('leave-session', sessionId)
  await client.send('subscribe-metrics', sessionId)
  await say(5)
  await append(redis, sessionId, { event: 'training-paused', payload: { sessionId, session: sessionId } })
  await client.wait('metrics-update', (payload) => payload.step === 5)
  await client.send('unsubscribe-metrics', sessionId)
  await say(6)
  await sleep(300)
  expect(stepsSeen(client)).toEqual([5])
  expect(client.received.map((one) => one.event)).not.toContain('training-paused')
})

test('S4: the sockets of somebody who is erased end, on every server', async () => {
  const carl = await guest(east, `Carl ${randomUUID()}`)
  const client = await come(west, carl)
  const ended = new Promise((resolve) => client.socket.once('disconnect', resolve))
  await ask(east, 'DELETE', '/api/auth/me', { token: carl.token })
  expect(await ended).toBe('io server disconnect')
})

test('T1: an active run that nobody trains and no job waits for is queued again, a held one is not', async () => {
  const waiting = async () =>
    (await east.deps.trainQueue.getJobs(['waiting'])).filter((job) => job.data.sessionId === sessionId)
  for (const job of await waiting()) await job.remove()
  const lock = await takeRunLock(world.pool, sessionId)
  expect(await requeue(east.deps, await unheldRuns(world.pool))).not.toContain(sessionId)
  lock?.release()
  for (let patience = 200; patience > 0 && (await waiting()).length === 0; patience--) await sleep(20)
  // Two, where both servers looked in the same moment: the lock lets one of them train.
  expect(await waiting()).not.toHaveLength(0)
  expect(await requeue(west.deps, await unheldRuns(world.pool))).not.toContain(sessionId)
})
