import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPool, type Pool } from '../../server/db/pool.ts'
import { takeRunLock, unheldRuns, type RunLock } from '../../server/db/run-lock.ts'
import { VotesChanged, type StepCommit } from '../../server/db/steps.ts'
import { TrainingConfig, limits } from '../../server/protocol.ts'
import { openRedis, readAfter } from '../../server/room.ts'
import { Interrupted, openWorld } from '../../trainer/world.ts'
import { openServices, type TestServices } from '../helpers/services.ts'

const fail = (error: Error): never => {
  throw error
}
let services: TestServices
let pool: Pool
let redis: Awaited<ReturnType<typeof openRedis>>
let lock: RunLock
let world: ReturnType<typeof openWorld>
let sessionId: string
let raterId: string

beforeAll(async () => {
  services = await openServices()
  pool = openPool(services.databaseUrl, fail)
  redis = await openRedis(services.redisUrl, fail)
  raterId = (await pool.query(`insert into users (username, role) values ('rater', 'contributor') returning id`)).rows[0].id
  await pool.query(`insert into models (id, name, type, architecture) values ('m', 'm', 'nlp', 'gpt2')`)
})
afterAll(async () => {
  redis.disconnect()
  await pool.end()
  await services.close()
})
beforeEach(async () => {
  sessionId = `run-${randomUUID()}`
  await pool.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps) values ($1, $1, 'm', $2, 'active', $3, 10)`,
    [sessionId, raterId, TrainingConfig.parse({})],
  )
  lock = (await takeRunLock(pool, sessionId)) ?? fail(new Error('the lock is taken'))
  world = openWorld({ sessionId, lock, pool, redis, log: pino({ level: 'silent' }) })
  return () => {
    world.close()
    lock.release()
  }
})

/** A sample that is whole and open to votes. */
async function openSample(): Promise<string> {
  const id = randomUUID()
  await world.start({ id, step: 1, origin: 'rollout', prompt: 'p', policyVersion: 0 })
  await world.ready(id, 'an answer')
  return id
}

async function storeVote(sampleId: string, ageMs: number): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, compassion_rating, quality, value, salt, created_at)
     values ($1, $2, $3, $4, 'p', 'an answer', 7, 0.8, 0.7, 0.75, $5, clock_timestamp() - make_interval(secs => $6::float8 / 1000)) returning id`,
    [randomUUID(), sessionId, sampleId, raterId, Buffer.alloc(32, 1), ageMs],
  )
  return rows[0].id
}

const commitOf = (step: number, votes: string[]): Omit<StepCommit, 'sessionId'> => ({
  step,
  policyVersion: step,
  metrics: { rewardScore: 0.5 },
  checkpoint: `hash-${step}`,
  receipts: votes.map((feedbackId) => ({ feedbackId, weight: 0.4, reliability: 0.6, crowd: 0.7, advantage: 0.1, latencyMs: 12_000 })),
  crowd: [],
})
const steps = async () => (await pool.query('select step, checkpoint, votes from steps where session_id = $1 order by step', [sessionId])).rows
const receipts = async () => (await pool.query('select feedback_id from receipts where session_id = $1', [sessionId])).rows.length

describe('the trainer’s world', () => {
  it('V5, T3 gives the trainer no vote that can still be withdrawn, nor one that was', async () => {
    const [young, old, withdrawn] = [await openSample(), await openSample(), await openSample()]
    await storeVote(young, limits.withdrawMs - 500)
    const settled = await storeVote(old, limits.withdrawMs + 1_000)
    const gone = await storeVote(withdrawn, limits.withdrawMs + 1_000)
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [gone])
    expect((await world.settledVotes()).map((vote) => vote.id)).toEqual([settled])
    await world.closeVoting([young])
    expect(await world.settlesIn([young])).toBeGreaterThan(0)
    expect(await world.settlesIn([old])).toBe(0)
  })

  it('T1 a step is committed whole: its row, its receipts and the session’s pointer', async () => {
    const vote = await storeVote(await openSample(), 20_000)
    await world.commit(commitOf(1, [vote]))
    expect(await steps()).toEqual([{ step: 1, checkpoint: 'hash-1', votes: 1 }])
    const { rows } = await pool.query('select current_step, policy_version, checkpoint, metrics from sessions where id = $1', [sessionId])
    expect(rows).toEqual([{ current_step: 1, policy_version: 1, checkpoint: 'hash-1', metrics: { rewardScore: 0.5 } }])
    expect((await world.settledVotes()).map((v) => v.used)).toEqual([true])
  })

  it('T3 a step that used a vote that was withdrawn meanwhile is not committed at all', async () => {
    const [kept, erased] = [await storeVote(await openSample(), 20_000), await storeVote(await openSample(), 20_000)]
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [erased])
    await expect(world.commit(commitOf(1, [kept, erased]))).rejects.toThrow(VotesChanged)
    expect(await steps()).toEqual([])
    expect(await receipts()).toBe(0)
  })

  it('V2 a vote has one receipt: a step that names it again is not committed', async () => {
    const vote = await storeVote(await openSample(), 20_000)
    await world.commit(commitOf(1, [vote]))
    await expect(world.commit(commitOf(2, [vote]))).rejects.toThrow(/duplicate key/)
    expect(await steps()).toHaveLength(1)
  })

  it('T2 a paused session interrupts the run, whatever it waits for', async () => {
    const waiting = world.sleep(60_000)
    await pool.query(`update sessions set status = 'paused' where id = $1`, [sessionId])
    await expect(waiting).rejects.toThrow(Interrupted)
    expect(world.signal.reason).toMatchObject({ status: 'paused' })
  })

  it('T1 one process trains a session at a time, and a lock whose connection breaks is free', async () => {
    expect(await takeRunLock(pool, sessionId)).toBeNull()
    expect(await unheldRuns(pool)).not.toContain(sessionId)
    const { rows } = await lock.client.query<{ pid: number }>('select pg_backend_pid() as pid')
    await pool.query('select pg_terminate_backend($1)', [rows[0].pid])
    await expect(world.sleep(60_000)).rejects.toMatchObject({ status: 'taken-away' })
    expect(await unheldRuns(pool)).toContain(sessionId)
  })

  it('a step that is made again streams no sample twice', async () => {
    const id = await openSample()
    expect(await world.start({ id, step: 1, origin: 'rollout', prompt: 'p', policyVersion: 0 })).toBe(false)
    const events = (await readAfter(redis, sessionId, '0-0')).map((entry) => entry.event)
    expect(events.filter((event) => event === 'sample-started')).toHaveLength(1)
  })
})
