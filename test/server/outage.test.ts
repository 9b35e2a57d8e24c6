import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, openRedis, type Service } from '../../scripts/start/services.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { pauseItself } from '../../core/db/sessions.ts'
import { pausedByFullDisk } from '../../core/disk.ts'
import {
  addSample,
  admin,
  ask,
  call,
  connect,
  guest,
  openWorld,
  request,
  vote,
  type Client,
  type TestServer,
  type World,
} from './attune.ts'

let world: World
let dir: string
let port: number
let redis: Service
let server: TestServer
let ann: SignedIn
const startRedis = () =>
  openRedis({ dir, port, password: 'test', cache: fileURLToPath(new URL('../../.attune/cache', import.meta.url)) })
beforeAll(async () => {
  world = await openWorld()
  dir = mkdtempSync(join(tmpdir(), 'attune-outage-'))
  port = await freePort()
  redis = await startRedis()
  server = await world.server({ REDIS_URL: redis.url })
  ann = await guest(server, 'Ann')
})
afterAll(async () => {
  await world.close()
  await redis.close()
  rmSync(dir, { recursive: true, force: true })
})

/** A socket that could not be brought up to date is closed by the server; as a page does, it joins again. */
const comesBack = (client: Client) => client.socket.on('connect', () => void client.send('join-session', 'demo'))

test('a run that a full disk has put down shows in the installation’s state until somebody resumes it', async () => {
  const boss = await admin(server)
  const status = () => ask<{ status: string; pausedRuns: unknown[] }>(server, 'GET', '/api/status')
  const steer = (action: string) => ask(server, 'POST', `/api/training/demo/${action}`, { token: boss.token })
  const before = (await status()).status
  await steer('pause')
  expect(await status()).toMatchObject({ status: before, pausedRuns: [] })
  await steer('resume')
  expect(await pauseItself(world.pool, 'demo', pausedByFullDisk)).toBe(true)
  expect(await status()).toMatchObject({
    status: 'degraded',
    pausedRuns: [{ sessionId: 'demo', reason: expect.stringMatching(/disk is full.*resume/) }],
  })
  await steer('resume')
  expect(await status()).toMatchObject({ status: before, pausedRuns: [] })
})

test('V1: with Redis killed votes are taken, people join, and the run is queued again once it is back', async () => {
  const sampleId = await addSample(world.pool)
  const client = await connect(server, ann.token)
  comesBack(client)
  await client.send('join-session', 'demo')
  expect((await client.wait('session-snapshot')).samples).toMatchObject([{ id: sampleId, mine: null }])

  redis.child.kill('SIGKILL')
  await redis.child.exited
  await sleep(200)
  const given = vote(sampleId)
  expect(await client.send('submit-feedback', given)).toMatchObject({ ok: true, data: { duplicate: false } })
  expect((await world.pool.query('select from feedback where id = $1', [given.id])).rowCount).toBe(1)
  const other = await connect(server, ann.token)
  comesBack(other)
  expect(await other.send('join-session', 'demo')).toMatchObject({ ok: true, data: { caughtUp: false } })
  expect((await other.wait('session-snapshot')).samples).toMatchObject([
    { id: sampleId, mine: { feedbackId: given.id } },
  ])
  expect((await call(server, 'GET', '/api/status')).body).toMatchObject({
    data: { status: 'degraded', queuedJobs: null, components: { queue: 'down' } },
  })

  const before = client.received.length
  const beforeOther = other.received.length
  redis = await startRedis()
  // The room missed the vote; the snapshot that comes by itself has it.
  const isBack = (who: typeof client, from: number) =>
    who.received.slice(from).some((one) => one.event === 'session-snapshot')
  for (
    let patience = 500;
    patience > 0 && !(isBack(client, before) && isBack(other, beforeOther) && server.deps.redis.status === 'ready');
    patience--
  )
    await sleep(20)
  await sleep(500) // a second connection that comes back later brings a second round
  expect(
    client.received
      .slice(before)
      .filter((one) => one.event === 'session-snapshot')
      .at(-1),
  ).toMatchObject({ payload: { samples: [{ mine: { feedbackId: given.id } }] } })

  const second = await addSample(world.pool)
  await client.send('submit-feedback', vote(second))
  expect(await other.wait('feedback-received', (payload) => payload.sampleId === second)).toHaveProperty(
    'crowd.votes',
    1,
  )

  let waiting: string[] = []
  for (let patience = 500; patience > 0 && !waiting.includes('demo'); patience--) {
    // The queue has a connection of its own, which may come back later than the rooms'.
    waiting = await server.deps.trainQueue.getJobs(['waiting']).then(
      (jobs) => jobs.map((job) => job.data.sessionId),
      () => [],
    )
    await sleep(20)
  }
  expect(waiting).toEqual(['demo'])
  client.close()
  other.close()
})

test('a server starts without Redis, and serves', async () => {
  const lonely = await world.server({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` })
  const client = await connect(lonely, ann.token)
  expect(await client.send('join-session', 'demo')).toMatchObject({ ok: true })
  await request(lonely, 'GET', '/health').expect(200)
  client.close()
})
