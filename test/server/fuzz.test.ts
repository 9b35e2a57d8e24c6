import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientEvents, limits, type ClientEventName, type SignedIn } from '../../server/protocol.ts'
import { routes } from '../../server/routes/index.ts'
import { addSample, admin, ask, call, connect, guest, openWorld, vote, type Client, type TestServer, type World } from './attune.ts'

/** Printed with every run; set it to repeat one. */
const seed = Number(process.env.ATTUNE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = 150
const codes = ['invalid', 'unauthenticated', 'forbidden', 'not-found', 'conflict', 'too-large', 'too-frequent']

let world: World
let server: TestServer
let ann: SignedIn
let sampleId: string
let voted: string
beforeAll(async () => {
  console.log(`fuzzing with ATTUNE_FUZZ_SEED=${seed}`)
  world = await openWorld()
  server = await world.server()
  ann = await guest(server, 'Ann')
  // A real run, sample and vote, so that what is sent can be nearly right. The vote is too old to withdraw.
  sampleId = await addSample(world.pool)
  voted = vote(sampleId).id
  await ask(server, 'POST', '/api/feedback', { token: ann.token, body: vote(sampleId, { id: voted }) })
  await world.pool.query(`update feedback set created_at = created_at - interval '1 hour'`)
  const boss = await admin(server)
  await ask(server, 'POST', '/api/training/demo/pause', { token: boss.token }) // so that nothing can be asked
})
afterAll(() => world.close())

/** Every row of every table that a message could change. */
async function everything(): Promise<string> {
  const tables = ['users', 'refresh_tokens', 'wallet_nonces', 'models', 'sessions', 'samples', 'feedback', 'steps', 'receipts', 'epochs', 'epoch_records', 'facts']
  const rows = await Promise.all(tables.map(async (table) => [table, (await world.pool.query(`select t::text as row from ${table} t order by 1`)).rows]))
  return JSON.stringify(rows)
}

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(null, [], {}, '', 0, -1, 1e308, '\u0000', '\ud800', '__proto__', 'x'.repeat(10_000), 'demo', "'; drop table users; --"),
)

/** A vote with one field spoilt, or one that only its state forbids. */
const badVote = fc.oneof(
  fc.constantFrom(
    ['humanRating', 0], ['humanRating', 11], ['humanRating', '8'], ['humanRating', null], ['compassionRating', 1.01], ['compassionRating', -0.1],
    ['sessionId', 'nowhere'], ['sessionId', '../demo'], ['sessionId', ''], ['sampleId', randomUUID()], ['sampleId', 'demo'], ['id', 'not-a-uuid'],
    ['categories', [{ name: 'colour', score: 5 }]], ['categories', [{ name: 'helpfulness', score: 11 }]], ['categories', 'helpfulness'],
    ['categories', Array(limits.listItems + 1).fill({ name: 'helpfulness', score: 5 })],
    ['comments', 'x'.repeat(limits.commentChars + 1)], ['tags', ['']], ['tags', Array(limits.listItems + 1).fill('kind')], ['compassion', { agency: 2, capability: 0, suffering: 0 }],
    ['humanPreference', 'model_c'], ['modelResponse', 'x'.repeat(limits.textChars + 1)],
  ).map(([field, value]) => vote(sampleId, { [String(field)]: value })),
  fc.constant(0).map(() => vote(sampleId)), // voted on already
  fc.integer({ min: 1, max: 10 }).filter((rating) => rating !== 8).map((humanRating) => vote(sampleId, { id: voted, humanRating })), // a stored id with another content
)

test('P4: over REST, whatever is malformed, oversized or forged gets an error code and changes nothing', async () => {
  const before = await everything()
  const inert = routes.filter((route) => route.method === 'post' && !['/api/auth/guest', '/api/auth/logout', '/api/auth/wallet/nonce'].includes(route.path))
  const request = fc.record({
    route: fc.constantFrom(...inert),
    token: fc.constantFrom(undefined, 'forged', 'a.b.c', ann.token),
    id: fc.oneof(fc.constantFrom('demo', 'nowhere', '%00', '..%2f..', 'x'.repeat(300)), fc.uuid()),
    body: fc.oneof(
      { weight: 3, arbitrary: junk.map((value) => JSON.stringify(value)) },
      { weight: 3, arbitrary: badVote.map((value) => JSON.stringify(value)) },
      { weight: 1, arbitrary: fc.constantFrom('{"', '[1,', 'null', '{"a":'.repeat(2_000), JSON.stringify({ displayName: 'x'.repeat(limits.messageBytes) })) },
    ),
  })
  let failures = 0
  await fc.assert(
    fc.asyncProperty(request, async ({ route, token, id, body }) => {
      const answer = await call(server, 'POST', route.path.replace(/:\w+/g, id), { body, ...(token !== undefined && { token }) })
      failures += answer.body.success ? 0 : 1
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
      expect(answer.body).toMatchObject({ success: false, error: expect.stringMatching(new RegExp(codes.join('|'))), message: expect.any(String), requestId: expect.any(String) })
    }),
    { seed, numRuns: runs },
  )
  expect(failures).toBeGreaterThanOrEqual(runs)
  expect(await everything()).toBe(before)
})

test('P4: over the socket, whatever is malformed, oversized, forged or too frequent gets an error code and changes nothing', async () => {
  const before = await everything()
  const sends = fc.oneof(
    // Rooms may be joined and left: that changes no table. What is left must fail.
    fc.record({ event: fc.constantFrom<string[]>('submit-feedback', 'withdraw-feedback', 'ask', 'no-such-event', '__proto__', 'constructor', 'toString'), body: fc.array(junk, { maxLength: 3 }) }),
    fc.record({ event: fc.constant('submit-feedback'), body: fc.tuple(badVote) }),
    fc.record({ event: fc.constant('withdraw-feedback'), body: fc.tuple(fc.oneof(fc.constant(0).map(() => voted), fc.uuid())) }),
    fc.record({ event: fc.constant('ask'), body: fc.tuple(fc.record({ sessionId: fc.constantFrom('demo', 'nowhere'), prompt: fc.string({ maxLength: 500 }) })) }),
    fc.record({ event: fc.constant('submit-feedback'), body: fc.tuple(fc.constant('y'.repeat(limits.messageBytes + 1))) }),
  )
  let client = await connect(server, ann.token)
  let sent = 0
  await fc.assert(
    fc.asyncProperty(sends, async ({ event, body }) => {
      // A new connection now and then, or the frequency limit answers everything.
      if (++sent % (limits.socketBurst - 10) === 0) {
        client.close()
        client = await connect(server, ann.token)
      }
      const answer = await emit(client, event, body)
      expect(answer).toMatchObject({ ok: false, code: expect.stringMatching(new RegExp(codes.join('|'))), message: expect.any(String) })
    }),
    { seed, numRuns: runs },
  )
  client.close()
  expect(await everything()).toBe(before)
})

test('P4: a flood on one connection is answered with too-frequent, beyond the burst to the last message, and changes nothing', async () => {
  const before = await everything()
  const client = await connect(server, ann.token)
  const events = Object.keys(clientEvents) as ClientEventName[]
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => emit(client, events[i % events.length], [{ i }])))
  expect(answers.every((answer) => !answer.ok)).toBe(true)
  expect(answers.filter((answer) => !answer.ok && answer.code === 'too-frequent').length).toBeGreaterThan(500 - 3 * limits.socketBurst)
  client.close()
  expect(await everything()).toBe(before)
})

test('P4: a message beyond what the transport takes ends the connection, and changes nothing', async () => {
  const before = await everything()
  const client = await connect(server, ann.token, { reconnection: false })
  const gone = new Promise((resolve) => client.socket.once('disconnect', resolve))
  client.socket.emit('submit-feedback', vote(sampleId, { comments: 'z'.repeat(8 * limits.messageBytes) }))
  await gone
  expect(await everything()).toBe(before)
})

const emit = (client: Client, event: string, body: unknown[]) =>
  (client.socket as unknown as { timeout: (ms: number) => { emitWithAck: (event: string, ...body: unknown[]) => Promise<{ ok: boolean; code?: string }> } })
    .timeout(10_000)
    .emitWithAck(event, ...body)
