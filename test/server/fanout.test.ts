import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { limits, type SignedIn, type Tally } from '../../core/protocol/index.ts'
import { append, logKey } from '../../core/events/log.ts'
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
  type Received,
} from './attune.ts'

const RATERS = 10
const SAMPLES = 16

const world = useWorld()
const server = useServer(world)
const other = useServer(world)
let redis: Redis
let people: SignedIn[]
let sessionId: string
let samples: string[]
const clients: Client[] = []
beforeAll(async () => {
  redis = new Redis(world.redisUrl)
  people = []
  for (let i = 0; i < RATERS; i++) people.push(await guest(server, `Rater ${i}`))
})
beforeEach(async () => {
  for (const client of clients.splice(0)) client.close()
  const boss = await admin(server)
  sessionId = (
    await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
      token: boss.token,
      body: { modelId: 'demo' },
    })
  ).sessionId
  samples = []
  for (let i = 0; i < SAMPLES; i++) samples.push(await addSample(world.pool, 'open', sessionId))
})
afterAll(() => {
  for (const client of clients) client.close()
  redis?.disconnect()
})

const join = async (who: SignedIn, on = server): Promise<Client> => {
  const client = await connect(on, who.token)
  clients.push(client)
  expect(await client.send('join-session', sessionId)).toMatchObject({ ok: true })
  return client
}
/** Everything that a client was told of samples' votes, oldest first. */
const tallies = ({ received }: Pick<Client, 'received'>): Tally[] =>
  received.flatMap((one) => {
    if (one.event !== 'feedback-received' && one.event !== 'feedback-withdrawn') return []
    const { sampleId, votes, crowd, others = [] } = one.payload
    return [...others, ...(sampleId === null ? [] : [{ sampleId, votes, ...(crowd && { crowd }) }])]
  })
const count = (client: Client) => client.received.filter((one) => one.event === 'feedback-received').length
/** Until every client has heard of so many votes on each sample. */
const heardOf = async (votes: number) => {
  const done = (client: Client) =>
    samples.every((id) => tallies(client).some((tally) => tally.sampleId === id && tally.votes === votes))
  for (let patience = 500; patience > 0 && !clients.every(done); patience--) await sleep(20)
  for (const client of clients)
    expect(new Map(tallies(client).map(({ sampleId, votes: n }) => [sampleId, n]))).toEqual(
      new Map(samples.map((id) => [id, votes])),
    )
}
/** Everybody votes on every sample, one after the other. */
const everybodyVotes = async (raters: readonly Client[]) => {
  const began = Date.now()
  await Promise.all(
    raters.map(async (client, i) => {
      for (let n = 0; n < SAMPLES; n++)
        expect(await client.send('submit-feedback', vote(samples[(i + n) % SAMPLES], { sessionId }))).toMatchObject({
          ok: true,
        })
    }),
  )
  return Date.now() - began
}

test('what a socket hears of votes grows with ticks, not with votes: one message each tick, however many samples', async () => {
  for (const who of people) await join(who)
  const silent = await join(await guest(server, 'Silent'))
  const ms = await everybodyVotes(clients.filter((client) => client !== silent))
  await heardOf(RATERS)
  // One at once, one for each tick begun, one after the end.
  const most = Math.ceil(ms / limits.tallyMs) + 2
  for (const client of clients) expect(count(client)).toBeLessThanOrEqual(most)
  // And so does the log, which so reaches back further.
  const entries = (await redis.xrange(logKey(sessionId), '-', '+')).filter(([, fields]) =>
    fields.includes('feedback-received'),
  )
  expect(entries.length).toBeLessThanOrEqual(most)
})

test('V3: of a tick’s votes everybody hears how many, and what they come to only of samples that they have voted on', async () => {
  const ann = await join(people[0]!)
  const ben = await join(people[1]!, other)
  const silent = await join(people[2]!)
  await Promise.all(samples.map((id, i) => (i % 2 === 0 ? ann : ben).send('submit-feedback', vote(id, { sessionId }))))
  await heardOf(1)
  const valued = (client: Client) =>
    new Set(tallies(client).flatMap(({ sampleId, crowd }) => (crowd ? [sampleId] : [])))
  expect(valued(ann)).toEqual(new Set(samples.filter((_, i) => i % 2 === 0)))
  expect(valued(ben)).toEqual(new Set(samples.filter((_, i) => i % 2 === 1)))
  expect(valued(silent)).toEqual(new Set())
  expect(JSON.stringify(silent.received.filter(isTally))).not.toContain('"value"')
})
const isTally = (one: Received) => one.event === 'feedback-received'

test('V3: a vote that is withdrawn in the tick that it was cast in closes its sample’s value again', async () => {
  const ann = await join(people[0]!)
  const ben = await join(people[1]!, other)
  const given = vote(samples[0], { sessionId })
  await Promise.all([ann.send('submit-feedback', vote(samples[1], { sessionId })), ann.send('submit-feedback', given)])
  expect(await ann.send('withdraw-feedback', given.id)).toMatchObject({ ok: true })
  await ben.wait('feedback-withdrawn', (payload) => payload.sampleId === samples[0] && payload.votes === 0)
  const before = ann.received.length
  await ben.send('submit-feedback', vote(samples[0], { sessionId, compassionRating: 0.123 }))
  const last = (client: Client) => tallies(client).findLast((tally) => tally.sampleId === samples[0])
  for (let patience = 200; patience > 0 && (last(ann)?.votes !== 1 || last(ben)?.crowd === undefined); patience--)
    await sleep(20)
  expect(last(ben)).toHaveProperty('crowd.votes', 1)
  expect(tallies({ received: ann.received.slice(before) })).toEqual([{ sampleId: samples[0], votes: 1 }])
})

test('P3: a client that comes back in the middle of a tick catches up on all that it missed', async () => {
  const ann = await join(people[0]!)
  const ben = await join(people[1]!)
  await ann.send('submit-feedback', vote(samples[0], { sessionId }))
  const { seq } = await ben.wait('feedback-received')
  ben.close()
  for (const id of samples.slice(1, 8)) await ann.send('submit-feedback', vote(id, { sessionId }))
  const back = await connect(server, people[1]!.token)
  clients.splice(clients.indexOf(ben), 1, back)
  const more = Promise.all(samples.slice(8).map((id) => ann.send('submit-feedback', vote(id, { sessionId }))))
  expect(await back.send('join-session', { sessionId, since: seq })).toMatchObject({
    ok: true,
    data: { caughtUp: true },
  })
  await more
  const told = () => new Set(tallies(back).map(({ sampleId }) => sampleId))
  for (let patience = 200; patience > 0 && told().size < SAMPLES - 1; patience--) await sleep(20)
  expect(told()).toEqual(new Set(samples.slice(1)))
  const seqs = back.received.flatMap((one) => (one.event === 'feedback-received' ? [one.payload.seq] : []))
  expect(new Set(seqs).size).toBe(seqs.length)
})

test('P3: in a full room what is being written goes once a tick too, whole and in order', async () => {
  for (let i = 0; i <= limits.fullRoom; i++) await join(people[i % RATERS]!)
  const payload = (sampleId: string) => ({
    sessionId,
    sampleId,
    prompt: 'x',
    policyVersion: 0,
    step: 1,
    origin: 'rollout' as const,
  })
  for (const id of samples) await append(redis, sessionId, { event: 'sample-started', payload: payload(id) })
  const began = Date.now()
  for (let n = 0; n < 20; n++) {
    for (const sampleId of samples)
      await append(redis, sessionId, {
        event: 'sample-tokens',
        payload: { sessionId, sampleId, offset: 2 * n, text: `${n % 10} ` },
      })
    await sleep(20)
  }
  await append(redis, sessionId, {
    event: 'sample-ready',
    payload: { sessionId, sampleId: samples[0]!, response: 'whole' },
  })
  const ms = Date.now() - began
  const whole = Array.from({ length: 20 }, (_, n) => `${n % 10} `).join('')
  for (const client of clients) {
    await client.wait('sample-ready')
    const messages = client.received.flatMap((one) => (one.event === 'sample-tokens' ? [one.payload] : []))
    expect(messages.length).toBeLessThanOrEqual(Math.ceil(ms / limits.tallyMs) + 1)
    const texts = new Map(samples.map((id) => [id, '']))
    for (const { sampleId, offset, text, others = [] } of messages) {
      for (const piece of [...others, { sampleId, offset, text }]) {
        expect(piece.offset).toBe(texts.get(piece.sampleId)?.length)
        texts.set(piece.sampleId, texts.get(piece.sampleId) + piece.text)
      }
    }
    expect([...texts.values()]).toEqual(samples.map(() => whole))
    // The last piece came before what followed it in the log.
    const order = client.received.map((one) => one.event)
    expect(order.lastIndexOf('sample-tokens')).toBeLessThan(order.indexOf('sample-ready'))
  }
})

test('a vote in a quiet room is told at once, as one sample’s', async () => {
  const ann = await join(people[0]!)
  await ann.send('submit-feedback', vote(samples[0], { sessionId }))
  expect(await ann.wait('feedback-received')).toEqual({
    sessionId,
    sampleId: samples[0],
    votes: 1,
    crowd: expect.objectContaining({ votes: 1 }),
    seq: expect.any(String),
  })
})
