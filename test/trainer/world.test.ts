import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { applyTransition } from '../../core/db/sessions.ts'
import { warningsOf } from '../../core/db/warnings.ts'
import { takeRunLock, type RunLock } from '../../core/db/run-lock.ts'
import { unheldRuns } from '../../core/db/run-queue.ts'
import { VotesChanged, checkpointsToKeep, type StepCommit } from '../../core/db/steps.ts'
import { limits, type CheckpointConfig, type TrainingMetrics } from '../../core/protocol/index.ts'
import { openRedis, readAfter } from '../../core/events/log.ts'
import { openWorld } from '../../trainer/loop/postgres-world.ts'
import { Interrupted } from '../../trainer/loop/world.ts'
import { addSession, storeVote } from '../helpers/live-session.ts'
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
})
afterAll(async () => {
  redis.disconnect()
  await pool.end()
  await services.close()
})
beforeEach(async () => {
  const session = await addSession(pool, {})
  sessionId = session.sessionId
  raterId = session.raterId
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

const commitOf = (step: number, votes: string[]): Omit<StepCommit, 'sessionId'> => ({
  step,
  policyVersion: step,
  metrics: { rewardScore: 0.5 },
  checkpoint: `hash-${step}`,
  receipts: votes.map((feedbackId) => ({
    feedbackId,
    weight: 0.4,
    reliability: 0.6,
    crowd: 0.7,
    advantage: 0.1,
    latencyMs: 12_000,
    comparable: 3,
    updated: true,
  })),
  learntFrom: votes,
  crowd: [],
  warnings: [],
  pause: null,
  remade: false,
})
const steps = async () =>
  (await pool.query('select step, checkpoint, votes from steps where session_id = $1 order by step', [sessionId])).rows
const receipts = async () =>
  (await pool.query('select feedback_id from receipts where session_id = $1', [sessionId])).rows.length

describe('the trainer’s world', () => {
  it('V5, T3 gives the trainer no vote that can still be withdrawn, nor one that was', async () => {
    const [young, old, withdrawn] = [await openSample(), await openSample(), await openSample()]
    await storeVote(pool, { sampleId: young, raterId, ageMs: limits.withdrawMs - 500 })
    const settled = await storeVote(pool, { sampleId: old, raterId, ageMs: limits.withdrawMs + 1_000 })
    const gone = await storeVote(pool, { sampleId: withdrawn, raterId, ageMs: limits.withdrawMs + 1_000 })
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [gone])
    expect((await world.settledVotes()).map((vote) => vote.id)).toEqual([settled])
    await world.closeVoting([young])
    expect(await world.settlesIn([young])).toBeGreaterThan(0)
    expect(await world.settlesIn([old])).toBe(0)
  })

  it('T1 a step is committed whole: its row, its receipts and the session’s pointer', async () => {
    const vote = await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 })
    await world.commit(commitOf(1, [vote]))
    expect(await steps()).toEqual([{ step: 1, checkpoint: 'hash-1', votes: 1 }])
    const { rows } = await pool.query(
      'select current_step, policy_version, checkpoint, metrics from sessions where id = $1',
      [sessionId],
    )
    expect(rows).toEqual([{ current_step: 1, policy_version: 1, checkpoint: 'hash-1', metrics: { rewardScore: 0.5 } }])
    expect((await world.settledVotes()).map((v) => v.usedIn)).toEqual([1])
  })

  it('T3 a step that used a vote that was withdrawn meanwhile is not committed at all', async () => {
    const [kept, erased] = [
      await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 }),
      await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 }),
    ]
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [erased])
    await expect(world.commit(commitOf(1, [kept, erased]))).rejects.toThrow(VotesChanged)
    expect(await steps()).toEqual([])
    expect(await receipts()).toBe(0)
  })

  it('T3 nor is one whose reward model read a vote of an earlier step that was erased meanwhile', async () => {
    const [earlier, vote] = [
      await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 }),
      await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 }),
    ]
    await world.commit(commitOf(1, [earlier]))
    const second = { ...commitOf(2, [vote]), learntFrom: [earlier, vote] }
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [earlier])
    await expect(world.commit(second)).rejects.toThrow(VotesChanged)
    expect(await steps()).toHaveLength(1)
    await world.commit({ ...second, learntFrom: [vote] })
    expect(await steps()).toHaveLength(2)
  })

  it('V2 a vote has one receipt: a step that names it again is not committed', async () => {
    const vote = await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 })
    await world.commit(commitOf(1, [vote]))
    await expect(world.commit(commitOf(2, [vote]))).rejects.toThrow(/duplicate key/)
    expect(await steps()).toHaveLength(1)
  })

  it('keeps the checkpoints of the latest steps, of every so many, and of the best by a metric; without the metric a step is not the best', async () => {
    const metrics: TrainingMetrics[] = [
      {},
      { humanRating: 9 },
      { humanRating: 3 },
      { humanRating: 7 },
      { humanRating: 2 },
      { humanRating: 1 },
      {},
    ]
    for (const [i, measured] of metrics.entries()) await world.commit({ ...commitOf(i + 1, []), metrics: measured })
    const keep = async (step: number, rules: Partial<CheckpointConfig>) => {
      const hashes = await checkpointsToKeep(pool, sessionId, step, {
        keepLast: 1,
        keepEvery: 0,
        keepBest: 0,
        bestMetric: 'humanRating',
        ...rules,
      })
      return hashes.map((hash) => Number(hash.replace('hash-', ''))).sort()
    }
    expect(await keep(7, {})).toEqual([7])
    expect(await keep(7, { keepLast: 3 })).toEqual([5, 6, 7])
    expect(await keep(7, { keepEvery: 3 })).toEqual([3, 6, 7])
    expect(await keep(7, { keepBest: 2 })).toEqual([2, 4, 7])
    expect(await keep(7, { keepBest: 2, bestMetric: 'nobody measures this' })).toEqual([7])
    // A run that went back knows nothing of later steps.
    expect(await keep(3, { keepLast: 2, keepBest: 1 })).toEqual([2, 3])
  })

  it('T2 a step that calls for a pause pauses the run with its own commit, says why, and starts again only when somebody says so', async () => {
    const warning = { kind: 'reward-level' as const, message: 'The reward promises too much.' }
    await world.commit({ ...commitOf(1, []), warnings: [warning], pause: 'The reward promises too much.' })
    expect(world.signal.reason).toMatchObject({ status: 'paused' })
    const stands = async () =>
      (await pool.query('select status, pause_reason from sessions where id = $1', [sessionId])).rows[0]
    expect(await stands()).toEqual({ status: 'paused', pause_reason: 'The reward promises too much.' })
    const events = await readAfter(redis, sessionId, '0-0')
    expect(events.find(({ event }) => event === 'training-warning')).toMatchObject({ payload: { step: 1, ...warning } })
    expect(events.find(({ event }) => event === 'training-paused')).toMatchObject({
      payload: { reason: 'The reward promises too much.' },
    })
    expect(await warningsOf(pool, sessionId, 5)).toMatchObject([{ step: 1, ...warning }])
    await applyTransition(pool, sessionId, 'resume')
    expect(await stands()).toEqual({ status: 'active', pause_reason: null })
  })

  it('a run that somebody ended while its step was made stays ended', async () => {
    await applyTransition(pool, sessionId, 'stop')
    await world.commit({ ...commitOf(1, []), pause: 'too late' })
    const { rows } = await pool.query('select status, pause_reason from sessions where id = $1', [sessionId])
    expect(rows).toEqual([{ status: 'completed', pause_reason: null }])
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
    await pool.query('select pg_terminate_backend($1)', [rows[0]!.pid])
    await expect(world.sleep(60_000)).rejects.toMatchObject({ status: 'taken-away' })
    expect(await unheldRuns(pool)).toContain(sessionId)
  })

  it('a step that is made again streams no sample twice', async () => {
    const id = await openSample()
    expect(await world.start({ id, step: 1, origin: 'rollout', prompt: 'p', policyVersion: 0 })).toBe('an answer')
    const events = (await readAfter(redis, sessionId, '0-0')).map((entry) => entry.event)
    expect(events.filter((event) => event === 'sample-started')).toHaveLength(1)
  })
})
