import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { applyTransition } from '../../core/db/sessions.ts'
import { warningsOf } from '../../core/db/warnings.ts'
import { takeRunLock, type RunLock } from '../../core/db/run-lock.ts'
import { unheldRuns } from '../../core/db/run-queue.ts'
import { VotesChanged, type StepCommit } from '../../core/db/steps.ts'
import { limits, type CheckpointConfig, type TrainingMetrics } from '../../core/protocol/index.ts'
import { openRedis, readAfter } from '../../core/events/log.ts'
import { checkpointsToResume } from '../../core/db/history.ts'
import { receiptsOfUser } from '../../core/db/receipts.ts'
import { CheckpointLost, type CheckpointStore } from '../../trainer/loop/checkpoint.ts'
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
  world.keeps(store, rulesOf())
  return () => {
    world.close()
    lock.release()
  }
})

/** An answer that is open to votes. */
async function openSample(): Promise<string> {
  const id = randomUUID()
  const rollout = { promptIds: [1], responseIds: [2, 3], logprobs: [-0.5, -0.25], truncated: false, group: [id] }
  await world.show([
    { ...{ id, prompt: 'p', response: 'an answer', rollout }, step: 1, origin: 'rollout', policyVersion: 0 },
  ])
  return id
}

/** Checkpoints that are names only: each has a tensor of as many zeros as its step. */
const store: CheckpointStore = {
  save: async ({ tensors }) => `hash-${tensors.get('step')?.data.length ?? 0}`,
  load: () => Promise.reject(new CheckpointLost('it is a name only')),
  prune: async () => undefined,
}
const rulesOf = (rules: Partial<CheckpointConfig> = {}): CheckpointConfig => ({
  ...{ keepLast: 1, keepEvery: 0, keepBest: 0, bestMetric: 'humanRating' },
  ...rules,
})
const stateOf = (step: number) => ({
  step,
  state: { tensors: new Map([['step', { shape: [step], data: new Float32Array(step) }]]), state: {} },
})

const commitOf = (step: number, votes: string[]): Omit<StepCommit, 'sessionId'> => ({
  step,
  policyVersion: step,
  metrics: { rewardScore: 0.5 },
  digest: `digest-${step}`,
  receipts: votes.map((feedbackId) => ({
    feedbackId,
    weight: 0.4,
    reliability: 0.6,
    crowd: 0.7,
    advantage: 0.1,
    latencyMs: 12_000,
    comparable: 3,
    updated: true,
    logprob: { before: -41.5, after: -41.25 },
  })),
  crowd: [],
  warnings: [],
  pause: null,
  excluded: [],
})
const steps = async () =>
  (
    await pool.query('select step, final, checkpoint, kept, votes from steps where session_id = $1 order by step', [
      sessionId,
    ])
  ).rows
const receipts = async () =>
  (await pool.query('select feedback_id from receipts where session_id = $1', [sessionId])).rows.length

describe('the trainer’s world', () => {
  it('V5, T3 tells of each vote whether it can still be withdrawn, of none that was, and again of none that a step has used', async () => {
    const [young, old, withdrawn] = [await openSample(), await openSample(), await openSample()]
    const fresh = await storeVote(pool, { sampleId: young, raterId, ageMs: limits.withdrawMs - 500 })
    const settled = await storeVote(pool, { sampleId: old, raterId, ageMs: limits.withdrawMs + 1_000 })
    const gone = await storeVote(pool, { sampleId: withdrawn, raterId, ageMs: limits.withdrawMs + 1_000 })
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [gone])
    const { cast, settledUntil } = await world.news(0)
    expect(cast.map(({ id, at }) => [id, at <= settledUntil])).toEqual([
      [fresh, false],
      [settled, true],
    ])
    await world.commit(commitOf(1, [settled]))
    expect((await world.news(1)).cast.map(({ id }) => id)).toEqual([fresh])
    await pool.query('update feedback set withdrawn_at = clock_timestamp() where id = $1', [fresh])
    expect(await world.news(1)).toMatchObject({ cast: [], withdrawn: expect.arrayContaining([fresh]) })
    expect((await world.usedVotes(1, 10)).map(({ id, usedIn }) => [id, usedIn])).toEqual([[settled, 1]])
  })

  it('an answer is shown once and stays as it was sampled, its group with it', async () => {
    const [a, b] = [randomUUID(), randomUUID()]
    const sampled = (id: string, response: string) => ({
      ...{ id, prompt: 'p', response, step: 3, origin: 'rollout' as const, policyVersion: 2 },
      rollout: { promptIds: [1], responseIds: [2], logprobs: [Math.fround(-0.1)], truncated: true, group: [a, b] },
    })
    await world.show([sampled(a, 'one'), sampled(b, 'two')])
    await world.show([sampled(a, 'another'), sampled(b, 'two')])
    const found = await world.recorded([b])
    expect(found.sort((x, y) => (x.id === a ? -1 : y.id === a ? 1 : 0))).toEqual([sampled(a, 'one'), sampled(b, 'two')])
    await storeVote(pool, { sampleId: a, raterId, ageMs: 0 })
    const open = new Map((await world.pool()).map(({ id, votes }) => [id, votes]))
    expect([open.get(a), open.get(b)]).toEqual([1, 0])
    expect((await world.pool()).map(({ people }) => people)).toEqual([1, 1])
    await world.closeVoting([a])
    expect((await world.pool()).map(({ id }) => id)).not.toContain(a)
    expect(await world.shown()).toBe(2)
  })

  it('T1 a step is committed whole: its row, its receipts and the session’s place; final once its state is stored', async () => {
    const vote = await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 })
    await world.commit(commitOf(1, [vote]))
    expect(await steps()).toEqual([{ step: 1, final: false, checkpoint: null, kept: false, votes: 1 }])
    const place = async () =>
      (
        await pool.query('select current_step, policy_version, checkpoint, metrics from sessions where id = $1', [
          sessionId,
        ])
      ).rows[0]
    expect(await place()).toEqual({
      ...{ current_step: 1, policy_version: 1, checkpoint: null },
      metrics: { rewardScore: 0.5 },
    })
    const [said] = await receiptsOfUser(pool, raterId, 10, sessionId)
    expect(said).toMatchObject({ feedbackId: vote, provisional: true, logprob: { before: -41.5, after: -41.25 } })
    await world.finalise([stateOf(1)])
    expect(await steps()).toEqual([{ step: 1, final: true, checkpoint: 'hash-1', kept: true, votes: 1 }])
    expect(await place()).toMatchObject({ current_step: 1, checkpoint: 'hash-1' })
    expect(await receiptsOfUser(pool, raterId, 10, sessionId)).toEqual([{ ...said, provisional: false }])
    // The room hears of its receipts twice: when they are given, and when they are final.
    const told = (await readAfter(redis, sessionId, '0-0')).flatMap(({ event, payload }) =>
      event === 'receipts' ? [payload.steps] : [],
    )
    expect(told).toEqual([[1], [1]])
  })

  it('V2, T3 a provisional step is undone with its receipts; a final one never', async () => {
    const votes = [
      await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 }),
      await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 }),
    ]
    await world.commit(commitOf(1, [votes[0]!]))
    await world.finalise([stateOf(1)])
    await world.commit(commitOf(2, [votes[1]!]))
    expect((await world.logged(0)).map(({ step, final, digest, votes: of }) => [step, final, digest, of])).toEqual([
      [1, true, 'digest-1', [votes[0]]],
      [2, false, 'digest-2', [votes[1]]],
    ])
    await world.undo(1)
    expect((await steps()).map(({ step }) => step)).toEqual([1])
    expect((await receiptsOfUser(pool, raterId, 10, sessionId)).map(({ step }) => step)).toEqual([1])
    const { rows } = await pool.query('select current_step from sessions where id = $1', [sessionId])
    expect(rows).toEqual([{ current_step: 1 }])
    expect((await world.news(1)).cast.map(({ id }) => id)).toEqual([votes[1]])
  })

  it('T3 a step of which a vote was withdrawn meanwhile does not become final', async () => {
    const vote = await storeVote(pool, { sampleId: await openSample(), raterId, ageMs: 20_000 })
    await world.commit(commitOf(1, [vote]))
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [vote])
    await expect(world.finalise([stateOf(1)])).rejects.toThrow(VotesChanged)
    expect(await steps()).toMatchObject([{ step: 1, final: false, checkpoint: null }])
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
    const kept = async (rules: Partial<CheckpointConfig>) => {
      const session = await addSession(pool, {})
      const ours = (await takeRunLock(pool, session.sessionId)) ?? fail(new Error('the lock is taken'))
      const one = openWorld({ sessionId: session.sessionId, lock: ours, pool, redis, log: pino({ level: 'silent' }) })
      one.keeps(store, rulesOf(rules))
      for (const [i, measured] of metrics.entries()) {
        await one.commit({ ...commitOf(i + 1, []), metrics: measured })
        await one.finalise([stateOf(i + 1)])
      }
      one.close()
      ours.release()
      return (await checkpointsToResume(pool, session.sessionId)).map(({ step }) => step).sort()
    }
    expect(await kept({})).toEqual([7])
    expect(await kept({ keepLast: 3 })).toEqual([5, 6, 7])
    expect(await kept({ keepEvery: 3 })).toEqual([3, 6, 7])
    expect(await kept({ keepBest: 2 })).toEqual([2, 4, 7])
    expect(await kept({ keepBest: 2, bestMetric: 'nobody measures this' })).toEqual([7])
  })

  it('of the steps that become final at once, those whose state was given are kept', async () => {
    for (const step of [1, 2, 3]) await world.commit(commitOf(step, []))
    world.keeps(store, rulesOf({ keepLast: 5 }))
    await world.finalise([stateOf(1), stateOf(3)])
    expect((await steps()).map(({ checkpoint, kept, final }) => [checkpoint, kept, final])).toEqual([
      ['hash-1', true, true],
      [null, false, true],
      ['hash-3', true, true],
    ])
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
})
