/** Many runs and few places: who trains, who waits, and what those who wait cost. Real trainer processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TrainingConfigInput, TrainingSession } from '../../core/protocol/index.ts'
import { addSession, startVoter } from '../helpers/live-session.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'
import {
  admin,
  ask,
  connect,
  environmentOf,
  guest,
  openWorld,
  vote,
  type TestServer,
  type World,
} from '../server/attune.ts'
import { childrenOf, until } from '../start/npm-start.ts'

let world: World
let server: TestServer
let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-places-'))
  await writeTinyModel(join(dir, 'demo'))
  world = await openWorld()
  await world.pool.query(`update sessions set status = 'paused'`)
  server = await world.server({ MODELS_PATH: dir })
})
afterAll(async () => {
  await world.close()
  await rm(dir, { recursive: true })
})

const trainers: ChildProcess[] = []
afterEach(async () => {
  await world.pool.query(`update sessions set status = 'paused' where status = 'active'`)
  for (const child of trainers.splice(0)) {
    const exit = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await exit
  }
})

/** A trainer as `npm start` runs it. */
function trainer(environment: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'trainer/main.ts'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: {
      PATH: process.env.PATH,
      ...environmentOf(world),
      MODELS_PATH: dir,
      CHECKPOINTS_PATH: join(dir, 'runs'),
      LOG_LEVEL: 'error',
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  trainers.push(child)
  return child
}

/** Processes of runs: a trainer's children but for the helper that translates TypeScript. */
async function runsOf(child: ChildProcess): Promise<string[]> {
  const lines = await Promise.all(
    childrenOf(child.pid ?? 0).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return lines.filter((line) => line.includes('job.ts'))
}

const config = {
  batchSize: 4,
  epochs: 50,
  learningRate: 1e-2,
  ppoConfig: { miniBatchSize: 2, ppoEpochs: 2 },
  live: { shownPerStep: 4, minVotes: 1, minVotesPerStep: 1, maxNewTokens: 6, seed: 5 },
} satisfies TrainingConfigInput
const session = (id: string) => ask<TrainingSession>(server, 'GET', `/api/training/${id}`, { token })
const positions = async () => {
  const all = await ask<TrainingSession[]>(server, 'GET', '/api/training', { token })
  return all
    .filter(({ status }) => status === 'active')
    .map(({ queue }) => queue?.position ?? 0)
    .sort()
}
const answers = async (id: string, status = 'open') =>
  (
    await world.pool.query<{ id: string; response: string }>(
      `select id, response from samples where session_id = $1 and status = $2 and origin = 'rollout' order by id`,
      [id, status],
    )
  ).rows
let token: string
beforeEach(async () => {
  token = (await admin(server)).token
})

test('a run without a place says that it is queued, n-th; one that nobody votes on gives its place up, its process goes, and a vote or a question brings it back to the same answers', async () => {
  const ids = await Promise.all([1, 2, 3].map(async () => (await addSession(world.pool, config)).sessionId))
  const rater = await guest(server)
  const clients = await Promise.all(
    ids.map(async (id) => {
      const client = await connect(server, rater.token)
      await client.send('join-session', id)
      return client
    }),
  )
  const child = trainer({ TRAINER_PLACES: '1', TRAINER_PATIENCE: '5' })
  await until('one trains and two wait in line', async () => (await positions()).join() === '0,1,2')
  expect(await runsOf(child)).toHaveLength(1)
  // The room hears it, and so does the snapshot of somebody who comes now.
  await until(
    'two rooms hear that theirs is queued',
    () =>
      clients.filter(({ received }) =>
        received.some(
          ({ event, payload }) =>
            event === 'training-phase' && payload.phase === 'queued' && payload.position !== undefined,
        ),
      ).length >= 2,
  )

  await until('each has had its turn', async () =>
    (await Promise.all(ids.map((id) => answers(id)))).every((open) => open.length === 4),
  )
  await until(
    'nobody votes: no process is left, and nobody is queued',
    async () => (await runsOf(child)).length === 0 && (await positions()).join() === '0,0,0',
  )
  const before = await Promise.all(ids.map((id) => answers(id)))

  const voted = await clients[0]!.send(
    'submit-feedback',
    vote(before[0]![0]!.id, { sessionId: ids[0], categories: [] }),
  )
  expect(voted.ok).toBe(true)
  await until('its step is made', async () => (await session(ids[0]!)).currentStep === 1)
  // It has gone on from the answers that were there: one has its vote.
  expect((await answers(ids[0]!, 'closed')).map(({ id }) => id)).toEqual([before[0]![0]!.id])
  expect(
    (
      await world.pool.query(
        'select from receipts r join feedback f on f.id = r.feedback_id where f.session_id = $1 and r.weight > 0',
        [ids[0]],
      )
    ).rowCount,
  ).toBe(1)

  const asked = await ask<{ sampleId: string }>(server, 'POST', `/api/training/${ids[1]}/ask`, {
    token: rater.token,
    body: { prompt: 'a' },
  })
  await until(
    'the question is answered',
    async () =>
      (await world.pool.query(`select from samples where id = $1 and status = 'open'`, [asked.sampleId])).rowCount ===
      1,
  )
  expect(await answers(ids[1]!)).toEqual(before[1])
  await until('all is quiet again', async () => (await runsOf(child)).length === 0)
  for (const client of clients) client.close()
}, 240_000)

test('runs that people vote on all the time take turns', async () => {
  const runs = await Promise.all([1, 2, 3].map(() => addSession(world.pool, config)))
  const voters = runs.map((run) => startVoter(world.pool, run, 50))
  trainer({ TRAINER_PLACES: '1', TRAINER_TURN: '1' })
  await until(
    'each makes two steps',
    async () =>
      (await Promise.all(runs.map(({ sessionId }) => session(sessionId)))).every(({ currentStep }) => currentStep >= 2),
    200_000,
  )
  await Promise.all(voters.map((voter) => voter.stop()))
}, 240_000)

test('a run that is paused, stopped or finished has no process any more, and a trainer as many places as it is told', async () => {
  const runs = await Promise.all(
    [1, 2, 3].map((n) => addSession(world.pool, n === 3 ? { ...config, epochs: 1 } : config)),
  )
  const child = trainer({ TRAINER_PLACES: '3', TRAINER_PATIENCE: '600' })
  await until('all three train', async () => (await runsOf(child)).length === 3)
  const ids = runs.map(({ sessionId }) => sessionId)
  await until('each has answers', async () =>
    (await Promise.all(ids.map((id) => answers(id)))).every((open) => open.length > 0),
  )
  await ask(server, 'POST', `/api/training/${ids[0]}/pause`, { token })
  await ask(server, 'POST', `/api/training/${ids[1]}/stop`, { token })
  await until('two are gone', async () => (await runsOf(child)).length === 1)
  const voter = startVoter(world.pool, runs[2]!, 1)
  await until('the third is finished', async () => (await session(ids[2]!)).status === 'completed')
  await voter.stop()
  await until('none is left', async () => (await runsOf(child)).length === 0)
}, 240_000)

test('T1: a run whose process alone is killed with SIGKILL is taken up again', async () => {
  const run = await addSession(world.pool, config)
  const child = trainer({})
  await until('it trains', async () => (await answers(run.sessionId)).length === 4)
  const before = await answers(run.sessionId)
  const [pid] = (
    await Promise.all(
      childrenOf(child.pid ?? 0).map(async (one) => ({ one, line: await readFile(`/proc/${one}/cmdline`, 'utf8') })),
    )
  )
    .filter(({ line }) => line.includes('job.ts'))
    .map(({ one }) => one)
  process.kill(pid!, 'SIGKILL')
  const voter = startVoter(world.pool, run, 2)
  await until('its steps are made', async () => (await session(run.sessionId)).currentStep === 2)
  await voter.stop()
  expect(await answers(run.sessionId, 'closed')).toEqual(expect.arrayContaining(before))
}, 240_000)
