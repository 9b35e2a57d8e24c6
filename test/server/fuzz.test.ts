import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientEvents, limits, type ClientEventName, type SignedIn } from '../../core/protocol/index.ts'
import { routes } from '../../server/http/routes/index.ts'
import {
  addSample,
  admin,
  ask,
  call,
  connect,
  guest,
  openWorld,
  vote,
  type Client,
  type TestServer,
  type World,
} from './attune.ts'

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
  const tables = [
    'users',
    'refresh_tokens',
    'wallet_nonces',
    'models',
    'sessions',
    'samples',
    'feedback',
    'steps',
    'receipts',
    'epochs',
    'epoch_records',
    'facts',
  ]
  const rows = await Promise.all(
    tables.map(async (table) => [
      table,
      (await world.pool.query(`select t::text as row from ${table} t order by 1`)).rows,
    ]),
  )
  return JSON.stringify(rows)
}

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    null,
    [],
    {},
    '',
    0,
    -1,
    1e308,
    '\u0000',
    '\ud800',
    '__proto__',
    'x'.repeat(10_000),
    'demo',
    "'; drop table users; --",
  ),
)

/** A vote with one field spoilt, or one that only its state forbids. */
const badVote = fc.oneof(
  fc
    .constantFrom(
      ['humanRating', 0],
      ['humanRating', 11],
      ['humanRating', '8'],
      ['humanRating', null],
      ['compassionRating', 1.01],
      ['compassionRating', -0.1],
      ['sessionId', 'nowhere'],
      ['sessionId', '../demo'],
      ['sessionId', ''],
      ['sampleId', randomUUID()],
      ['sampleId', 'demo'],
      ['id', 'not-a-uuid'],
      ['categories', [{ name: 'colour', score: 5 }]],
      ['categories', [{ name: 'helpfulness', score: 11 }]],
      ['categories', 'helpfulness'],
      ['categories', Array(limits.listItems + 1).fill({ name: 'helpfulness', score: 5 })],
      ['comments', 'x'.repeat(limits.commentChars + 1)],
      ['tags', ['']],
      ['tags', Array(limits.listItems + 1).fill('kind')],
      ['compassion', { agency: 2, capability: 0, suffering: 0 }],
      ['humanPreference', 'model_c'],
      ['modelResponse', 'x'.repeat(limits.textChars + 1)],
    )
    .map(([field, value]) => vote(sampleId, { [String(field)]: value })),
  fc.constant(0).map(() => vote(sampleId)), // voted on already
  fc
    .integer({ min: 1, max: 10 })
    .filter((rating) => rating !== 8)
    .map((humanRating) => vote(sampleId, { id: voted, humanRating })), // a stored id with another content
)

test('P4: over REST, whatever is malformed, oversized or forged gets an error code and changes nothing', async () => {
  const before = await everything()
  const inert = routes.filter(
    (route) =>
      route.method === 'post' &&
      !['/api/auth/guest', '/api/auth/logout', '/api/auth/wallet/nonce'].includes(route.path),
  )
  const request = fc.record({
    route: fc.constantFrom(...inert),
    token: fc.constantFrom(undefined, 'forged', 'a.b.c', ann.token),
    id: fc.oneof(fc.constantFrom('demo', 'nowhere', '%00', '..%2f..', 'x'.repeat(300)), fc.uuid()),
    body: fc.oneof(
      { weight: 3, arbitrary: junk.map((value) => JSON.stringify(value)) },
      { weight: 3, arbitrary: badVote.map((value) => JSON.stringify(value)) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '{"',
          '[1,',
          'null',
          '{"a":'.repeat(2_000),
          JSON.stringify({ displayName: 'x'.repeat(limits.messageBytes) }),
        ),
      },
    ),
  })
  let failures = 0
  await fc.assert(
    fc.asyncProperty(request, async ({ route, token, id, body }) => {
      const answer = await call(server, 'POST', route.path.replace(/:\w+/g, id), {
        body,
        ...(token !== undefined && { token }),
      })
      failures += answer.body.success ? 0 : 1
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
      expect(answer.body).toMatchObject({
        success: false,
        error: expect.stringMatching(new RegExp(codes.join('|'))),
        message: expect.any(String),
        requestId: expect.any(String),
      })
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
    fc.record({
      event: fc.constantFrom<string[]>(
        'submit-feedback',
        'withdraw-feedback',
        'ask',
        'no-such-event',
        '__proto__',
        'constructor',
        'toString',
      ),
      body: fc.array(junk, { maxLength: 3 }),
    }),
    fc.record({ event: fc.constant('submit-feedback'), body: fc.tuple(badVote) }),
    fc.record({
      event: fc.constant('withdraw-feedback'),
      body: fc.tuple(
        fc.oneof(
          fc.constant(0).map(() => voted),
          fc.uuid(),
        ),
      ),
    }),
    fc.record({
      event: fc.constant('ask'),
      body: fc.tuple(
        fc.record({ sessionId: fc.constantFrom('demo', 'nowhere'), prompt: fc.string({ maxLength: 500 }) }),
      ),
    }),
    fc.record({
      event: fc.constant('submit-feedback'),
      body: fc.tuple(fc.constant('y'.repeat(limits.messageBytes + 1))),
    }),
  )
  const { send, close } = await openSender()
  await fc.assert(
    fc.asyncProperty(sends, async ({ event, body }) => {
      const answer = await send(event, body)
      expect(answer).toMatchObject({
        ok: false,
        code: expect.stringMatching(new RegExp(codes.join('|'))),
        message: expect.any(String),
      })
    }),
    { seed, numRuns: runs },
  )
  close()
  expect(await everything()).toBe(before)
})

/** Sends as Ann, over a new connection now and then, or the frequency limit answers everything. */
async function openSender() {
  let client = await connect(server, ann.token)
  let sent = 0
  return {
    async send(event: string, body: unknown[]) {
      if (++sent % (limits.socketBurst - 10) === 0) {
        client.close()
        client = await connect(server, ann.token)
      }
      return emit(client, event, body)
    },
    close: () => client.close(),
  }
}

/** What breaks casts, columns, parsers and paths: for any field of any body. */
const hostile = fc.oneof(
  fc.constantFrom<unknown[]>(
    null,
    true,
    '',
    'x',
    '0x',
    '0xzz',
    `0x${'f'.repeat(64)}`,
    `0x${'A'.repeat(40)}`,
    '1e999',
    'NaN',
    '-1',
    '99999999999999999999999999999999',
    '../..',
    '..',
    '../../etc/passwd',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udfff\ud800',
    '9999-99-99T99:99:99Z',
    '+275760-09-13T00:00:00.001Z',
    randomUUID(),
    'demo',
    'x'.repeat(20_000),
    '💥'.repeat(5_000),
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -(2 ** 63),
    1e300,
    [],
    [[]],
    {},
    { toString: 1 },
    { constructor: { prototype: 1 } },
    [null],
    [2 ** 40, -(2 ** 40)],
    { a: '\u0000' },
    { '\u0000': 1 },
    { length: 1e9 },
    JSON.parse('{"__proto__":{"polluted":1}}'),
    JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`),
    JSON.parse(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`),
  ),
  junk,
)

/** Something of about a schema's form, with hostile values in it. */
function near(schema: unknown, depth = 0): fc.Arbitrary<unknown> {
  const { def } = (schema ?? { def: { type: 'unknown' } }) as {
    def: {
      type: string
      shape?: Record<string, unknown>
      innerType?: unknown
      in?: unknown
      element?: unknown
      options?: unknown[]
      entries?: Record<string, string>
      values?: unknown[]
    }
  }
  if (depth > 5) return hostile
  if (def.type === 'object') {
    const fields = Object.fromEntries(
      Object.entries(def.shape ?? {}).map(([key, inner]) => [
        key,
        fc.oneof({ weight: 5, arbitrary: near(inner, depth + 1) }, { weight: 1, arbitrary: hostile }),
      ]),
    )
    return fc.record(fields, { requiredKeys: [] })
  }
  if (def.type === 'array') return fc.array(near(def.element, depth + 1), { maxLength: 3 })
  if (def.type === 'union') return fc.oneof(...(def.options ?? []).map((option) => near(option, depth + 1)))
  if (def.type === 'enum') return fc.oneof(fc.constantFrom(...Object.values(def.entries ?? { x: 'x' })), hostile)
  if (def.type === 'literal') return fc.oneof(fc.constantFrom(...(def.values ?? [''])), hostile)
  if (def.type === 'number') return fc.oneof(fc.constantFrom(1, 0, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, 1e300), hostile)
  if (def.type === 'string')
    return fc.oneof(
      fc.constantFrom('demo', 'run', '1', randomUUID(), `0x${'1'.repeat(64)}`, `0x${'aB'.repeat(20)}`),
      hostile,
    )
  const inner = def.innerType ?? def.in
  return inner === undefined ? hostile : near(inner, depth + 1)
}

test('P4: no route answers 500, whatever is sent to it by whomever', async () => {
  const own = await world.server()
  const boss = await admin(own)
  const pieces = fc.constantFrom(
    'demo',
    'nowhere',
    randomUUID(),
    '%00',
    '..%2f..',
    '%2e%2e',
    '%ff',
    '%zz',
    '%ED%A0%80',
    'x'.repeat(300),
    '0',
    '-1',
    '4294967296',
    `0x${'1'.repeat(64)}`,
    `0x${'aB'.repeat(20)}`,
    'demo:fp32:none',
    '%F0%9F%92%A5',
  )
  const numbers = fc.constantFrom(
    '0',
    '-1',
    '1.5',
    '4294967296',
    '1e999',
    'NaN',
    '',
    '99999999999999999999',
    '%00',
    'a',
    '1&limit=2',
  )
  const request = fc.constantFrom(...routes).chain((route) =>
    fc.record({
      route: fc.constant(route),
      token: fc.constantFrom(undefined, ann.token, boss.token, boss.token, boss.token),
      path: fc
        .array(pieces, { minLength: 3, maxLength: 3 })
        .map((ids) => route.path.replace(/:\w+/g, () => ids.shift() ?? 'demo')),
      query: fc.option(
        fc
          .tuple(
            fc.constantFrom('limit', 'since', 'after', 'before', 'name', 'state', 'sessionId', '__proto__'),
            numbers,
          )
          .map(([name, value]) => `?${name}=${value}`),
        { nil: '' },
      ),
      body:
        route.body === undefined
          ? hostile
          : fc.oneof({ weight: 6, arbitrary: near(route.body) }, { weight: 1, arbitrary: hostile }),
    }),
  )
  let answered = 0
  await fc.assert(
    fc.asyncProperty(request, async ({ route, token, path, query, body }) => {
      // Those who ask stay who they are.
      if (/^\/api\/auth\/(me|role)$/.test(route.path) && route.method !== 'get') return
      const answer = await fetch(`${own.url}${path}${query}`, {
        method: route.method.toUpperCase(),
        headers: {
          'content-type': route.upload ?? 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(route.method === 'post' && { body: JSON.stringify(body) }),
      })
      const said = await answer.text()
      answered += answer.status === 429 ? 0 : 1
      expect(answer.status, `${route.method} ${path}${query} ${said}`).not.toBe(500)
      // It waits as it is told to, or most are told that they are too many.
      if (answer.status === 429) await sleep(Math.min(2_000, 1_000 * Number(answer.headers.get('retry-after'))))
    }),
    { seed, numRuns: 400 },
  )
  expect(answered).toBeGreaterThan(200)
})

test('P4: no socket event ends in an error of the server, whatever is sent with it', async () => {
  const sends = fc.constantFrom(...(Object.keys(clientEvents) as ClientEventName[])).chain((event) =>
    fc.record({
      event: fc.constant(event),
      body: fc.oneof(
        { weight: 4, arbitrary: near(clientEvents[event]) },
        { weight: 1, arbitrary: hostile },
        { weight: 1, arbitrary: fc.constant(Buffer.from('bytes')) },
      ),
    }),
  )
  const { send, close } = await openSender()
  await fc.assert(
    fc.asyncProperty(sends, async ({ event, body }) => {
      const answer = await send(event, [body])
      expect([event, answer.ok ? 'ok' : answer.code]).not.toEqual([event, 'internal'])
    }),
    { seed, numRuns: 300 },
  )
  close()
})

test.each<[string, string, string, unknown]>([
  [
    'a shape beyond its column',
    'POST',
    '/api/models',
    { name: 'Huge', type: 'nlp', architecture: 'x', inputShape: [2 ** 40] },
  ],
  [
    'a shape beyond its column, the other way',
    'POST',
    '/api/models',
    { name: 'Huge', type: 'nlp', architecture: 'x', outputShape: [-(2 ** 40)] },
  ],
  [
    'hyperparameters too deep to be stored',
    'POST',
    '/api/models',
    `{"name": "Deep", "type": "nlp", "architecture": "x", "hyperparameters": {"a": ${'['.repeat(9_000)}${']'.repeat(9_000)}}}`,
  ],
  [
    'a NUL in a document',
    'POST',
    '/api/models',
    { name: 'Nul', type: 'nlp', architecture: 'x', hyperparameters: { a: '\u0000' } },
  ],
  ['half a surrogate pair in a name', 'POST', '/api/models', { name: 'a\ud800', type: 'nlp', architecture: 'x' }],
  ['a step beyond its column', 'GET', '/api/metrics/demo?since=4294967296', undefined],
  ['an import of what is above', 'POST', '/api/imports', { repo: '../..' }],
  ['an import of a name without letters', 'POST', '/api/imports', { repo: '_/__' }],
  ['an import at a revision above', 'POST', '/api/imports', { repo: 'a/b', revision: '../../x' }],
])('P4: %s is 400', async (_, method, path, body) => {
  const own = await world.server()
  const boss = await admin(own)
  expect(await call(own, method, path, { token: boss.token, ...(body !== undefined && { body }) })).toMatchObject({
    status: 400,
    body: { success: false, error: 'invalid', message: expect.stringMatching(/\w/) },
  })
})

test.each<[string, object, string]>([
  [
    'whose chain is no number',
    { leafFields: { ...proof().leafFields, chainId: 'mainnet' } },
    'proof.leafFields.chainId',
  ],
  ['whose hex is malformed', { proof: ['0xzz'] }, 'proof.proof.0'],
  ['whose hex is cut', { leaf: '0x11' }, 'proof.leaf'],
  [
    'of numbers of more than 256 bits',
    { leafFields: { ...proof().leafFields, credit: '9'.repeat(78) } },
    'proof.leafFields.credit',
  ],
  ['of no address', { leafFields: { ...proof().leafFields, ledger: '0x12' } }, 'proof.leafFields.ledger'],
])('P4: a proof %s is 400, and the chain is not asked', async (_, change, path) => {
  const own = await world.server({
    BLOCKCHAIN_RPC_URL: 'http://127.0.0.1:9',
    BLOCKCHAIN_NETWORK_ID: '31337',
    CONTRACT_ADDRESS: `0x${'1'.repeat(40)}`,
  })
  expect(
    await call(own, 'POST', '/api/blockchain/verify-contribution', { body: { proof: { ...proof(), ...change } } }),
  ).toMatchObject({ status: 400, body: { error: 'invalid', path } })
})

test('P4: a flood on one connection is answered with too-frequent, beyond the burst to the last message, and changes nothing', async () => {
  const before = await everything()
  const client = await connect(server, ann.token)
  const events = Object.keys(clientEvents) as ClientEventName[]
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, i) => emit(client, events[i % events.length]!, [{ i }])),
  )
  expect(answers.every((answer) => !answer.ok)).toBe(true)
  expect(answers.filter((answer) => !answer.ok && answer.code === 'too-frequent').length).toBeGreaterThan(
    500 - 3 * limits.socketBurst,
  )
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

/** A proof that is well-formed, and of nothing. */
function proof() {
  const hash = `0x${'1'.repeat(64)}`
  const address = `0x${'aB'.repeat(20)}`
  const leafFields = {
    chainId: '31337',
    ledger: address,
    epochId: '1',
    index: '0',
    session: hash,
    contributor: hash,
    kind: 1,
    credit: '100',
    recordHash: hash,
  }
  return {
    epochId: 1,
    leaf: hash,
    leafFields,
    proof: [hash],
    root: hash,
    contract: address,
    chainId: 31337,
    txHash: hash,
  }
}

const emit = (client: Client, event: string, body: unknown[]) =>
  (
    client.socket as unknown as {
      timeout: (ms: number) => {
        emitWithAck: (event: string, ...body: unknown[]) => Promise<{ ok: boolean; code?: string }>
      }
    }
  )
    .timeout(10_000)
    .emitWithAck(event, ...body)
