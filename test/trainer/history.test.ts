/** Real runs, taken back and branched by a real server. */
import { mkdtempSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRedis } from '../../core/events/log.ts'
import type { RunHistory, SignedIn } from '../../core/protocol/index.ts'
import { addSession, startVoter, trainIn } from '../helpers/live-session.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'
import { admin, ask, useServer, useWorld } from '../server/attune.ts'

const world = useWorld()
const dir = mkdtempSync(join(tmpdir(), 'attune-ways-back-'))
const server = useServer(world, { CHECKPOINTS_PATH: join(dir, 'runs') })
let redis: Awaited<ReturnType<typeof openRedis>>
let boss: SignedIn
beforeAll(async () => {
  redis = await openRedis(world.redisUrl, () => undefined)
  boss = await admin(server)
  await writeTinyModel(join(dir, 'demo'))
})
afterAll(async () => {
  redis.disconnect()
  await rm(dir, { recursive: true })
})

const shown = 4
const configuration = {
  batchSize: 8,
  learningRate: 1e-2,
  ppoConfig: { miniBatchSize: 4, ppoEpochs: 1 },
  live: { shownPerStep: shown, minVotes: 1, minVotesPerStep: shown, maxNewTokens: 12, seed: 5 },
  checkpoints: { keepEvery: 1 },
}

/** A run whose voter goes no further than step 3. */
async function trainThree(epochs: number) {
  const session = await addSession(world.pool, { ...configuration, epochs })
  await world.pool.query('update sessions set user_id = $2 where id = $1', [session.sessionId, boss.user.userId])
  const voter = startVoter(world.pool, session, 3)
  const ended = train(session.sessionId)
  const kept = async () =>
    (await world.pool.query('select from steps where session_id = $1 and kept', [session.sessionId])).rowCount
  await expect.poll(kept, { timeout: 120_000 }).toBe(3)
  return { ...session, voter, ended }
}

// Without memory to undo steps, each is final, and has its checkpoint, when it is made.
const train = (sessionId: string) => trainIn(dir, { sessionId, pool: world.pool, redis, undoBytes: 0 })
const stepsOf = async (sessionId: string) =>
  (
    await world.pool.query<{ step: number; version: number; set_aside: boolean }>(
      'select step, policy_version as version, set_aside from steps where session_id = $1 order by step',
      [sessionId],
    )
  ).rows
const post = <T>(path: string, body?: object) =>
  ask<T>(server, 'POST', `/api/training/${path}`, { token: boss.token, ...(body && { body }) })

it('T9 a run that is taken back goes on from the weights of that step, under the next free number', async () => {
  const { sessionId, voter, ended } = await trainThree(6)
  await post(`${sessionId}/rollback`, { step: 2 })
  expect(await ended).toBe('paused')
  await post(`${sessionId}/resume`)
  voter.lastStep = 6
  expect(await train(sessionId)).toBe('completed')
  await voter.stop()
  const { kept, rollbacks } = await ask<RunHistory>(server, 'GET', `/api/training/${sessionId}/history`, {
    token: boss.token,
  })
  // The number of a step whose answers were on show already is not used again.
  const next = rollbacks[0]!.atStep + 1
  expect([4, 5]).toContain(next)
  // A policy's version is the number of its updates: the third is made twice.
  expect(await stepsOf(sessionId)).toEqual([
    { step: 1, version: 1, set_aside: false },
    { step: 2, version: 2, set_aside: false },
    { step: 3, version: 3, set_aside: true },
    ...[4, 5, 6].filter((step) => step >= next).map((step, i) => ({ step, version: 3 + i, set_aside: false })),
  ])
  expect(kept.map(({ step }) => step)).toEqual([6, 5, ...(next === 4 ? [4] : []), 3, 2, 1])
})

it('T9 a branch goes on from its origin’s weights, step number and votes, and keeps its origin’s checkpoint', async () => {
  const { sessionId, raterId, voter, ended } = await trainThree(5)
  await post(`${sessionId}/stop`)
  expect(await ended).toBe('completed')
  await voter.stop()
  const { sessionId: child } = await post<{ sessionId: string }>(`${sessionId}/branch`, {
    step: 2,
    overrides: { learningRate: 5e-3 },
  })
  const next = startVoter(world.pool, { sessionId: child, raterId }, 5)
  expect(await train(child)).toBe('completed')
  await next.stop()
  expect(await stepsOf(child)).toEqual([
    { step: 3, version: 3, set_aside: false },
    { step: 4, version: 4, set_aside: false },
    { step: 5, version: 5, set_aside: false },
  ])
  const { rows } = await world.pool.query<{ checkpoint: string }>(
    'select checkpoint from branches where session_id = $1',
    [child],
  )
  expect(await readdir(join(dir, 'runs', child))).toContain(`${rows[0]!.checkpoint}.safetensors`)
  expect((await stepsOf(sessionId)).length).toBe(3)
})
