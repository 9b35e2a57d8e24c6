import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import jwt from 'jsonwebtoken'
import { createApp } from '../../server/http/app.ts'
import { routes } from '../../server/http/routes/index.ts'
import { permissions } from '../../core/permissions.ts'
import {
  limits,
  type HumanFeedback,
  type Sample,
  type SignedIn,
  type TrainingSession,
  type User,
} from '../../core/protocol/index.ts'
import { newAccount, signInMessage } from '../helpers/accounts.ts'
import { addSample, admin, ask, call, environmentOf, guest, request, useServer, useWorld, vote } from './attune.ts'

const world = useWorld()
const server = useServer(world)
let boss: SignedIn
let ann: SignedIn
beforeAll(async () => {
  boss = await admin(server)
  ann = await guest(server, 'Ann')
})

test('P5: success and failure come in the envelope, with the request id that was sent', async () => {
  const good = await call(server, 'GET', '/api/models', { token: ann.token, headers: { 'x-request-id': 'mine-1' } })
  expect(good.body).toMatchObject({
    success: true,
    data: [{ id: 'demo' }],
    requestId: 'mine-1',
    timestamp: expect.stringMatching(/Z$/),
  })
  expect(good.headers.get('x-request-id')).toBe('mine-1')
  const bad = await call(server, 'POST', '/api/feedback', {
    token: ann.token,
    body: { sessionId: 'demo', humanRating: 11, modelResponse: 'x' },
  })
  expect(bad.status).toBe(400)
  expect(bad.body).toMatchObject({
    success: false,
    error: 'invalid',
    path: 'humanRating',
    requestId: expect.any(String),
  })
})

test('P5: each kind of failure has its status', async () => {
  await request(server, 'GET', '/api/training').expect(401)
  await request(server, 'GET', '/api/training', { token: 'forged' }).expect(401)
  await request(server, 'POST', '/api/training/demo/pause', { token: ann.token }).expect(403)
  await request(server, 'GET', '/api/training/nowhere', { token: ann.token }).expect(404)
  await request(server, 'GET', '/api/nothing', { token: ann.token }).expect(404)
  await request(server, 'POST', '/api/auth/guest', { body: '{"displayName": ' }).expect(400)
  await request(server, 'POST', '/api/auth/register', { body: { username: 'Ann', password: 'long enough' } }).expect(
    409,
  )
  await request(server, 'POST', '/api/auth/guest', { body: { displayName: 'x'.repeat(limits.messageBytes) } }).expect(
    413,
  )
  await request(server, 'POST', '/api/blockchain/verify-contribution', { body: { proof: aProof } }).expect(503)
})

test('P5: too many requests get 429 with Retry-After', async () => {
  const own = await world.server()
  // A costly route, so that a slow machine refills nothing meanwhile.
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => call(own, 'GET', '/api/auth/export', { token: ann.token })),
  )
  const refused = answers.filter((answer) => answer.status === 429)
  expect(refused.length).toBeGreaterThan(0)
  expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused[0]!.body).toMatchObject({ success: false, error: 'too-frequent', retryAfter: expect.any(Number) })
})

test('/health has no envelope and names its parts', async () => {
  const { body } = await request(server, 'GET', '/health').expect(200)
  expect(body).toMatchObject({
    status: 'healthy',
    components: { database: 'up', queue: 'up', blockchain: 'none' },
    version: '0.1.0',
  })
})

test('S3: every route names a permission that exists, and is refused without it', async () => {
  const own = await world.server()
  for (const route of routes) {
    const path = route.path.replace(':sessionId', 'demo').replace(/:\w+/g, randomUUID())
    if (route.access === 'public') continue
    expect(permissions).toContain(route.access)
    expect(await call(own, route.method.toUpperCase(), path)).toMatchObject({
      status: 401,
      body: { error: 'unauthenticated' },
    })
  }
  for (const route of routes.filter((r) => r.access === 'train' || r.access === 'models')) {
    const path = route.path.replace(':sessionId', 'demo').replace(/:\w+/g, randomUUID())
    const body = route.method === 'post' ? { body: {} } : {}
    expect(await call(own, route.method.toUpperCase(), path, { token: ann.token, ...body })).toMatchObject({
      status: 403,
      body: { error: 'forbidden' },
    })
  }
})

test('S3: what Express serves is the route table and nothing else', async () => {
  const app = createApp(server.deps, {
    config: { allowedOrigins: [], publicUrl: null, trustProxy: 0 },
    clientDir: null,
  })
  const mounted = app.router.stack.flatMap(({ route }) =>
    route === undefined
      ? []
      : Object.keys((route as unknown as { methods: Record<string, boolean> }).methods).map(
          (method) => `${method} ${route.path}`,
        ),
  )
  expect(mounted.sort()).toEqual(['get /health', 'get /api/docs', ...routes.map((r) => `${r.method} ${r.path}`)].sort())
  const document = (await request(server, 'GET', '/api/docs')).body as {
    openapi: string
    paths: Record<string, Record<string, { 'x-permission'?: string }>>
  }
  expect(document.openapi).toBe('3.1.0')
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(documented.sort()).toEqual(routes.map((r) => `${r.method} ${r.path.replace(/:(\w+)/g, '{$1}')}`).sort())
  expect(document.paths['/api/training/{sessionId}/pause']!.post!['x-permission']).toBe('train')
})

test('an account: register, sign in, refresh, sign out', async () => {
  const body = { username: 'Berta', email: 'berta@example.org', password: 'a good password' }
  const registered = await ask<SignedIn>(server, 'POST', '/api/auth/register', { body })
  expect(registered.user).toMatchObject({
    username: 'Berta',
    email: 'berta@example.org',
    role: 'contributor',
    guest: false,
  })
  expect(jwt.decode(registered.token)).toMatchObject({
    userId: registered.user.userId,
    role: 'contributor',
    permissions: expect.arrayContaining(['vote']),
    walletAddress: null,
  })
  await request(server, 'POST', '/api/auth/login', { body: { username: 'Berta', password: 'wrong' } }).expect(401)
  await request(server, 'POST', '/api/auth/login', { body: { username: 'Nobody', password: 'wrong' } }).expect(401)
  const { refreshToken } = await ask<SignedIn>(server, 'POST', '/api/auth/login', { body })
  const next = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', { body: { refreshToken } })
  expect(next.refreshToken).not.toBe(refreshToken)
  await request(server, 'POST', '/api/auth/refresh', { body: { refreshToken: 'never given' } }).expect(401)
  await ask(server, 'POST', '/api/auth/logout', { body: { refreshToken: next.refreshToken } })
  await request(server, 'POST', '/api/auth/refresh', { body: { refreshToken: next.refreshToken } }).expect(401)
})

test('a wallet signs in with Ethereum, once a nonce, and only for this site', async () => {
  const account = newAccount()
  const signIn = async (domain: string, token?: string) => {
    const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce')
    const message = signInMessage({ address: account.address, nonce, domain })
    const body = { message, signature: await account.signMessage(message) }
    return {
      body,
      answer: await call<SignedIn>(server, 'POST', '/api/auth/wallet/verify', { body, ...(token && { token }) }),
    }
  }
  expect((await signIn('evil.test')).answer.status).toBe(401)
  const { body, answer } = await signIn('attune.test:3001', ann.token)
  expect(answer.body).toMatchObject({
    success: true,
    data: { user: { userId: ann.user.userId, walletAddress: account.address.toLowerCase() } },
  })
  await request(server, 'POST', '/api/auth/wallet/verify', { body }).expect(401)
  expect((await signIn('attune.test:3001')).answer.body).toMatchObject({ data: { user: { userId: ann.user.userId } } })
  expect((await signIn('attune.test:3001', boss.token)).answer.status).toBe(409)
})

test('S2: a token that was signed with another secret, another algorithm or none is refused', async () => {
  const claims = jwt.decode(boss.token) as object
  const forged = [
    jwt.sign(claims, 'a secret of somebody else altogether'),
    jwt.sign(claims, environmentOf(world).JWT_SECRET, { algorithm: 'HS512' }),
    jwt.sign(claims, '', { algorithm: 'none' }),
    jwt.sign({ ...claims, exp: 1 }, environmentOf(world).JWT_SECRET),
    jwt.sign({ userId: 'admin' }, environmentOf(world).JWT_SECRET),
  ]
  for (const token of forged) await request(server, 'GET', '/api/auth/me', { token }).expect(401)
})

test('S4: an email is sealed in the database, exported to its owner, and erased with everything that names them', async () => {
  const carl = await ask<SignedIn>(server, 'POST', '/api/auth/register', {
    body: { username: 'Carl', email: 'carl@example.org', password: 'a good password' },
  })
  const sampleId = await addSample(world.pool)
  await ask(server, 'POST', '/api/feedback', { token: carl.token, body: vote(sampleId, { comments: 'my own words' }) })
  const { rows } = await world.pool.query<{ email: Buffer }>('select email from users where id = $1', [
    carl.user.userId,
  ])
  expect(rows[0]!.email.toString('latin1')).not.toContain('carl')
  const exported = await ask<{ user: User; votes: HumanFeedback[] }>(server, 'GET', '/api/auth/export', {
    token: carl.token,
  })
  expect(exported).toMatchObject({
    user: { email: 'carl@example.org' },
    votes: [{ sampleId, comments: 'my own words' }],
  })

  await ask(server, 'DELETE', '/api/auth/me', { token: carl.token })
  await request(server, 'GET', '/api/auth/me', { token: carl.token }).expect(401)
  await request(server, 'POST', '/api/auth/refresh', { body: { refreshToken: carl.refreshToken } }).expect(401)
  await request(server, 'POST', '/api/auth/login', { body: { username: 'Carl', password: 'a good password' } }).expect(
    401,
  )
  const left = await world.pool.query(
    'select u.username, u.email, f.comments, f.source, f.withdrawn_at from users u join feedback f on f.user_id = u.id where u.id = $1',
    [carl.user.userId],
  )
  expect(left.rows).toEqual([
    {
      username: `erased ${carl.user.userId}`,
      email: null,
      comments: null,
      source: null,
      withdrawn_at: expect.any(Date),
    },
  ])
})

test('S4: what an erased person asked is forgotten, also in the votes of others on the answer', async () => {
  const dora = await guest(server)
  const sampleId = await addSample(world.pool, 'open', 'demo', {
    prompt: 'a question of Dora’s own',
    response: 'an answer',
  })
  const queued = await addSample(world.pool, 'queued', 'demo', { prompt: 'another question of hers' })
  await world.pool.query(`update samples set origin = 'ask', asked_by = $2 where id = any($1)`, [
    [sampleId, queued],
    dora.user.userId,
  ])
  await ask(server, 'POST', '/api/feedback', { token: ann.token, body: vote(sampleId) })
  await ask(server, 'DELETE', '/api/auth/me', { token: dora.token })
  const { rows } = await world.pool.query(
    'select s.id, s.prompt, s.response, s.asked_by, s.status, f.input_text from samples s left join feedback f on f.sample_id = s.id where s.id = any($1) order by s.status desc',
    [[sampleId, queued]],
  )
  const prompt = '(an erased question)'
  expect(rows).toEqual(
    expect.arrayContaining([
      { id: sampleId, prompt, response: 'an answer', asked_by: null, status: 'open', input_text: prompt },
      expect.objectContaining({ id: queued, prompt, asked_by: null, status: 'failed', input_text: null }),
    ]),
  )
})

test('a run: started with every default, paused, resumed, stopped; a state that does not allow it gets 409', async () => {
  const { sessionId } = await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
    token: boss.token,
    body: { modelId: 'demo', configuration: { learningRate: 0.001 } },
  })
  const session = await ask<TrainingSession>(server, 'GET', `/api/training/${sessionId}`, { token: ann.token })
  expect(session).toMatchObject({
    status: 'active',
    userId: boss.user.userId,
    configuration: { learningRate: 0.001, batchSize: 32, ppoConfig: { clipRatio: 0.2 } },
  })
  const steer = async (action: string) => {
    const { status, body } = await call<{ status: string }>(server, 'POST', `/api/training/${sessionId}/${action}`, {
      token: boss.token,
    })
    return body.success ? body.data.status : status
  }
  expect([
    await steer('resume'),
    await steer('pause'),
    await steer('pause'),
    await steer('resume'),
    await steer('stop'),
    await steer('stop'),
    await steer('resume'),
  ]).toEqual([409, 'paused', 409, 'active', 'completed', 409, 409])
  await request(server, 'POST', '/api/training/start', { token: boss.token, body: { modelId: 'none' } }).expect(404)
  const refused = (configuration: object) =>
    call(server, 'POST', '/api/training/start', { token: boss.token, body: { modelId: 'demo', configuration } })
  expect(await refused({ rewardModel: { type: 'hybrid' } })).toMatchObject({
    status: 400,
    body: { error: 'invalid', path: 'configuration.rewardModel.type' },
  })
  expect(await refused({ batchSize: 100 })).toMatchObject({
    status: 400,
    body: { error: 'invalid', path: 'configuration.ppoConfig.miniBatchSize' },
  })
  expect(await refused({ checkpoints: { bestMetric: 'niceness' } })).toMatchObject({
    status: 400,
    body: { error: 'invalid', path: 'configuration.checkpoints.bestMetric' },
  })
  expect(await refused({ rewardHacking: { warnAt: 9 } })).toMatchObject({
    status: 400,
    body: { error: 'invalid', path: 'configuration.rewardHacking.pauseAt' },
  })
})

test('models: registered with what is required, refused without or with a path out of the folder', async () => {
  const body = { name: 'Tiny one', type: 'nlp', architecture: 'gpt2' }
  const model = await ask<{ id: string }>(server, 'POST', '/api/models', {
    token: boss.token,
    body: { ...body, checkpointPath: 'demo' },
  })
  expect(await ask(server, 'GET', `/api/models/${model.id}`, { token: ann.token })).toMatchObject({
    ...body,
    checkpointPath: 'demo',
  })
  expect(
    (await call(server, 'POST', '/api/models', { token: boss.token, body: { name: 'x', type: 'nlp' } })).body,
  ).toMatchObject({ path: 'architecture' })
  expect(
    (await call(server, 'POST', '/api/models', { token: boss.token, body: { ...body, checkpointPath: '../secret' } }))
      .body,
  ).toMatchObject({ path: 'checkpointPath' })
})

test('samples: pages after the last one seen, the crowd only after voting', async () => {
  const first = await addSample(world.pool)
  const second = await addSample(world.pool)
  const page = await ask<Sample[]>(server, 'GET', `/api/training/demo/samples?after=${first}&limit=5`, {
    token: ann.token,
  })
  expect(page.map((sample) => [sample.id, sample.crowd, sample.mine])).toEqual([[second, null, null]])
  const given = vote(second)
  await ask(server, 'POST', '/api/feedback', { token: ann.token, body: given })
  const [voted] = await ask<Sample[]>(server, 'GET', `/api/training/demo/samples?after=${first}`, { token: ann.token })
  expect(voted).toMatchObject({ mine: { feedbackId: given.id, humanRating: 8 }, crowd: { votes: 1 } })
})

test('a question waits for the trainer; of one person only a few at a time, and none where nobody would answer', async () => {
  const put = () =>
    call<{ sampleId: string }>(server, 'POST', '/api/training/demo/ask', {
      token: ann.token,
      body: { prompt: 'How do I say sorry?' },
    })
  expect([(await put()).status, (await put()).status]).toEqual([201, 201])
  expect(await put()).toMatchObject({ status: 429, body: { error: 'too-frequent' } })
  await ask(server, 'POST', '/api/training/demo/pause', { token: boss.token })
  expect((await put()).status).toBe(409)
  await ask(server, 'POST', '/api/training/demo/resume', { token: boss.token })
})

const aProof = {
  epochId: 1,
  leaf: '0x',
  proof: [],
  root: '0x',
  contract: '0x',
  chainId: 1,
  txHash: '0x',
  leafFields: {
    chainId: '1',
    ledger: '0x',
    epochId: '1',
    index: '0',
    session: '0x',
    contributor: '0x',
    kind: 1,
    credit: '1',
    recordHash: '0x',
  },
}
