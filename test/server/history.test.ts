/** Evaluations, kept steps, rollbacks and branches, over REST. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evaluationsBehind, keepEvaluation } from '../../core/db/evaluations.ts'
import { NO_NEWS, usedVotes, voteNews } from '../../core/db/feedback.ts'
import { checkpointsHeld, checkpointsToResume, stepAfter } from '../../core/db/history.ts'
import { castVotesOf } from '../../core/db/raters.ts'
import { takeRunLock } from '../../core/db/run-lock.ts'
import {
  TrainingConfig,
  type Evaluation,
  type EvaluationAnswer,
  type Receipt,
  type RunHistory,
  type SignedIn,
  type TrainingConfigInput,
  type TrainingSession,
} from '../../core/protocol/index.ts'
import { addSession, storeVote } from '../helpers/live-session.ts'
import { addSample, admin, ask, call, connect, guest, request, useServer, useVotes, useWorld } from './attune.ts'

const world = useWorld()
const checkpoints = mkdtempSync(join(tmpdir(), 'attune-history-'))
const server = useServer(world, { CHECKPOINTS_PATH: checkpoints })
/** Branches are started here: one server would find so many requests too frequent. */
const other = useServer(world, { CHECKPOINTS_PATH: checkpoints })
let boss: SignedIn
beforeAll(async () => {
  boss = await admin(server)
})
afterAll(() => rm(checkpoints, { recursive: true }))

/** A paused run of the administrator's with so many committed steps, the checkpoints of all on disk. */
async function aRun(steps: number, configuration: TrainingConfigInput = {}): Promise<{ id: string; raterId: string }> {
  const { sessionId: id, raterId } = await addSession(world.pool, configuration)
  await world.pool.query(`update sessions set user_id = $2, status = 'paused' where id = $1`, [id, boss.user.userId])
  for (let step = 1; step <= steps; step++) await commit(id, step, [])
  return { id, raterId }
}

async function commit(id: string, step: number, votes: readonly string[]): Promise<void> {
  expect(await useVotes(world.pool, votes, { sessionId: id })).toBe(step)
  const hash = await checkpoint(id)
  await world.pool.query(
    `update steps set checkpoint = $3, policy_version = step, metrics = jsonb_build_object('humanRating', step % 4) where session_id = $1 and step = $2`,
    [id, step, hash],
  )
  await world.pool.query(`update sessions set current_step = $2, policy_version = $2, checkpoint = $3 where id = $1`, [
    id,
    step,
    hash,
  ])
}

async function checkpoint(id: string): Promise<string> {
  const bytes = randomBytes(100)
  const hash = createHash('sha256').update(bytes).digest('hex')
  await mkdir(join(checkpoints, id), { recursive: true })
  await writeFile(join(checkpoints, id, `${hash}.safetensors`), bytes)
  return hash
}

/** A vote of this rater's that a step was the first to use. */
async function usedVote(id: string, raterId: string, step: number): Promise<string> {
  const vote = await storeVote(world.pool, {
    sampleId: await addSample(world.pool, 'closed', id),
    raterId,
    ageMs: 60_000,
  })
  await commit(id, step, [vote])
  return vote
}

const hashOf = async (id: string, step: number): Promise<string> =>
  (await world.pool.query('select checkpoint from steps where session_id = $1 and step = $2', [id, step])).rows[0]
    .checkpoint
const historyOf = (id: string) => ask<RunHistory>(server, 'GET', `/api/training/${id}/history`, { token: boss.token })
const rollback = (id: string, step: number, token = boss.token) =>
  call<{ step: number }>(server, 'POST', `/api/training/${id}/rollback`, { token, body: { step } })
const branch = (id: string, body: object, token = boss.token) =>
  call<{ sessionId: string }>(other, 'POST', `/api/training/${id}/branch`, { token, body })
const branched = async (id: string, body: object): Promise<string> =>
  (await ask<{ sessionId: string }>(other, 'POST', `/api/training/${id}/branch`, { token: boss.token, body })).sessionId
const session = (id: string) => ask<TrainingSession>(server, 'GET', `/api/training/${id}`, { token: boss.token })
const learnt = async (id: string): Promise<string[]> =>
  [...(await usedVotes(world.pool, id, 1_000_000, 1_000)), ...(await voteNews(world.pool, id, 1_000_000, NO_NEWS)).cast]
    .sort((a, b) => a.seq - b.seq)
    .map((vote) => vote.id)

const evaluationOf = (sessionId: string, step: number, more: Partial<Evaluation> = {}) => ({
  sessionId,
  step,
  policyVersion: step,
  metrics: { 'eval/value': step / 100 },
  heads: { rating: { mean: 0.5, error: 0.1 } },
  against: step === 0 ? null : { step: 0, difference: 0.1, error: 0.05 },
  regressed: false,
  shows: step,
  answers: [{ prompt: 'Hi', answer: `Hello ${step}`, value: 0.6, reference: { answer: 'Hey', value: 0.4 } }],
  ...more,
})

describe('evaluations', () => {
  test('are read by everybody, with what was answered; one that is made again replaces the former', async () => {
    const { id } = await aRun(2)
    for (const step of [0, 2]) await keepEvaluation(world.pool, evaluationOf(id, step))
    await keepEvaluation(world.pool, evaluationOf(id, 2, { regressed: true, shows: 0 }))
    const { token } = await guest(server)
    const path = `/api/training/${id}/evaluations`
    expect(await ask<Evaluation[]>(server, 'GET', path, { token })).toEqual([
      expect.objectContaining({ step: 0, against: null, metrics: { 'eval/value': 0 }, setAside: false }),
      expect.objectContaining({ step: 2, regressed: true, shows: 0 }),
    ])
    expect(await ask<Evaluation[]>(server, 'GET', `${path}?limit=1`, { token })).toMatchObject([{ step: 2 }])
    expect(await ask<EvaluationAnswer[]>(server, 'GET', `${path}/2`, { token })).toEqual([
      { prompt: 'Hi', answer: 'Hello 2', value: 0.6, reference: { answer: 'Hey', value: 0.4 } },
    ])
    await request(server, 'GET', `${path}/1`, { token }).expect(404)
    await request(server, 'GET', '/api/training/nowhere/evaluations', { token }).expect(404)
    const client = await connect(server, token)
    await client.send('join-session', id)
    expect((await client.wait('session-snapshot')).evaluations).toMatchObject([{ step: 0 }, { step: 2 }])
    client.close()
  })

  test('are what the gate decides by, from the last good one on; a branch’s first weights are good', async () => {
    const { id } = await aRun(4)
    const against = { step: 1, difference: -0.2, error: 0.01 }
    for (const step of [0, 1]) await keepEvaluation(world.pool, evaluationOf(id, step))
    for (const step of [2, 3])
      await keepEvaluation(world.pool, evaluationOf(id, step, { regressed: true, shows: 1, against }))
    const behind = async (id: string) => (await evaluationsBehind(world.pool, id)).map(({ step }) => step)
    expect(await behind(id)).toEqual([1, 2, 3])
    await rollback(id, 2)
    expect(await behind(id)).toEqual([1, 2])
    const child = await branched(id, { step: 2 })
    expect(await behind(child)).toEqual([2])
    await keepEvaluation(world.pool, evaluationOf(child, 3, { regressed: true, shows: 2, against }))
    expect(await evaluationsBehind(world.pool, child)).toEqual([
      { step: 2, against: null },
      { step: 3, against },
    ])
  })

  test('answers are cut at their limit, and not in the middle of a character', async () => {
    const { id } = await aRun(0)
    const answer = 'a' + '😀'.repeat(3_000)
    await keepEvaluation(world.pool, {
      ...evaluationOf(id, 0),
      answers: [{ prompt: 'Hi', answer, value: 0, reference: null }],
    })
    const [stored] = await ask<EvaluationAnswer[]>(server, 'GET', `/api/training/${id}/evaluations/0`, {
      token: boss.token,
    })
    expect(stored?.answer).toBe(answer.slice(0, 3_999))
  })
})

describe('kept steps', () => {
  test('are those whose file is there, each with what keeps it', async () => {
    const { id } = await aRun(7, { checkpoints: { keepLast: 2, keepEvery: 5, keepBest: 1 } })
    await keepEvaluation(world.pool, evaluationOf(id, 7, { regressed: true, shows: 4 }))
    await rm(join(checkpoints, id, `${await hashOf(id, 1)}.safetensors`))
    const { kept, rollbacks, origin } = await historyOf(id)
    expect(kept.map(({ step, keptBy, bytes }) => [step, keptBy, bytes])).toEqual([
      [7, ['last', 'best'], 100],
      [6, ['last'], 100],
      [5, ['every'], 100],
      [4, ['gate'], 100],
      [3, [], 100],
      [2, [], 100],
    ])
    expect(kept.map(({ current, setAside }) => [current, setAside])[0]).toEqual([true, false])
    expect(kept[0]).toMatchObject({ evaluation: { 'eval/value': 0.07 }, metrics: { humanRating: 3 }, policyVersion: 7 })
    expect({ rollbacks, origin }).toEqual({ rollbacks: [], origin: null })
    expect(await checkpointsHeld(world.pool, id, { bestMetric: 'humanRating', keepBest: 1 })).toEqual([
      await hashOf(id, 4),
    ])
    expect((await checkpointsHeld(world.pool, id, { bestMetric: 'eval/value', keepBest: 1 })).sort()).toEqual(
      [await hashOf(id, 4), await hashOf(id, 7)].sort(),
    )
  })

  test('of a run without any are none', async () => {
    const { id } = await aRun(0)
    expect(await historyOf(id)).toEqual({ kept: [], rollbacks: [], origin: null })
    await request(server, 'GET', '/api/training/nowhere/history', { token: boss.token }).expect(404)
  })
})

describe('a rollback', () => {
  test('goes on from the step’s weights under the next free number; the log stands, and the later votes are set aside', async () => {
    const { id, raterId } = await aRun(2)
    const [third, fourth] = [await usedVote(id, raterId, 3), await usedVote(id, raterId, 4)]
    const waiting = await addSample(world.pool, 'open', id)
    const unused = await storeVote(world.pool, { sampleId: waiting, raterId, ageMs: 60_000 })
    expect(await learnt(id)).toEqual([third, fourth, unused])
    expect((await rollback(id, 3)).body).toMatchObject({ data: { sessionId: id, status: 'paused', step: 3 } })

    expect(await checkpointsToResume(world.pool, id)).toEqual(
      await Promise.all([3, 2, 1].map(async (step) => ({ step, checkpoint: await hashOf(id, step) }))),
    )
    expect(await Promise.all([2, 3].map((step) => stepAfter(world.pool, id, step)))).toEqual([3, 5])
    expect(await learnt(id)).toEqual([third, unused])
    expect((await castVotesOf(world.pool, id, [])).length).toBe(2)
    expect(await session(id)).toMatchObject({ currentStep: 4, policyVersion: 3, status: 'paused' })
    const pointer = await world.pool.query('select checkpoint from sessions where id = $1', [id])
    expect(pointer.rows[0].checkpoint).toBe(await hashOf(id, 3))
    const { rows } = await world.pool.query('select status from samples where id = $1', [waiting])
    expect(rows).toEqual([{ status: 'closed' }])

    const { kept, rollbacks } = await historyOf(id)
    expect(kept.slice(0, 2)).toMatchObject([
      { step: 4, setAside: true, current: false },
      { step: 3, setAside: false, current: true, keptBy: ['last', 'best', 'rollback'] },
    ])
    expect(rollbacks).toEqual([{ atStep: 4, toStep: 3, by: 'admin', timestamp: expect.any(String) }])
    expect(await checkpointsHeld(world.pool, id, { bestMetric: 'humanRating', keepBest: 1 })).toEqual([
      await hashOf(id, 3),
    ])
    const warned = await world.pool.query('select kind, message from warnings where session_id = $1', [id])
    expect(warned.rows).toEqual([
      {
        kind: 'rolled-back',
        message:
          'The run was taken back to step 3, and goes on from its weights as step 5. Votes that were first used in between no longer teach it; their receipts stand.',
      },
    ])

    // Forth again to what was set aside, after a step on the new way.
    const fifth = await usedVote(id, raterId, 5)
    expect(await Promise.all([3, 5].map((step) => stepAfter(world.pool, id, step)))).toEqual([5, 6])
    expect(await learnt(id)).toEqual([third, unused, fifth])
    expect((await rollback(id, 4)).status).toBe(200)
    expect(await learnt(id)).toEqual([third, fourth, unused])
    expect((await usedVotes(world.pool, id, 3, 1_000)).map((vote) => vote.id)).toEqual([third])
    expect(await stepAfter(world.pool, id, 4)).toBe(6)
  })

  test('leaves receipts as they were given, and they say so', async () => {
    const { id } = await aRun(1)
    const ann = await guest(server)
    const vote = await usedVote(id, ann.user.userId, 2)
    const receipts = () => ask<Receipt[]>(server, 'GET', '/api/feedback/receipts', { token: ann.token })
    const [before] = await receipts()
    expect(before).toMatchObject({ feedbackId: vote, step: 2 })
    expect(before).not.toHaveProperty('setAside')
    expect((await rollback(id, 1)).status).toBe(200)
    expect(await receipts()).toEqual([{ ...before, setAside: true }])
  })

  test('pauses an active run, and waits until its trainer has let go of it', async () => {
    const { id } = await aRun(2)
    await world.pool.query(`update sessions set status = 'active' where id = $1`, [id])
    const lock = await takeRunLock(world.pool, id)
    const rolled = rollback(id, 1)
    await expect.poll(async () => (await session(id)).status).toBe('paused')
    expect((await historyOf(id)).rollbacks).toEqual([])
    lock?.release()
    expect((await rolled).status).toBe(200)
    expect((await historyOf(id)).rollbacks).toHaveLength(1)
  })

  test('is refused for a step that is not kept, damaged or current, and of a run that has ended', async () => {
    const { id } = await aRun(3)
    await rm(join(checkpoints, id, `${await hashOf(id, 1)}.safetensors`))
    await writeFile(join(checkpoints, id, `${await hashOf(id, 2)}.safetensors`), 'other')
    const refused = async (step: number, status: number, message: string) =>
      expect(await rollback(id, step)).toMatchObject({ status, body: { path: 'step', message } })
    await refused(1, 409, 'the weights of step 1 are not kept: choose a step that is kept')
    await refused(2, 409, 'the weights of step 2 are damaged: choose a step that is kept')
    await refused(3, 409, 'the run goes on from step 3 already')
    await refused(9, 404, `${id} has no step 9`)
    await world.pool.query(`update sessions set status = 'completed' where id = $1`, [id])
    expect((await rollback(id, 2)).status).toBe(409)
  })

  test('S3: is the owner’s and administrators’ alone, like a branch', async () => {
    const { id } = await aRun(2)
    const stranger = await ask<SignedIn>(server, 'POST', '/api/auth/register', {
      body: { username: 'a stranger', password: 'long enough' },
    })
    expect((await rollback(id, 1, stranger.token)).status).toBe(403)
    await ask(server, 'POST', '/api/auth/role', {
      token: boss.token,
      body: { username: stranger.user.username, role: 'trainer' },
    })
    expect((await rollback(id, 1, stranger.token)).status).toBe(403)
    expect((await branch(id, { step: 1 }, stranger.token)).status).toBe(403)
  })
})

describe('a branch', () => {
  test('begins at the step’s weights, with its numbers, its votes and its settings but for the overrides', async () => {
    const { id, raterId } = await aRun(2, { live: { klCoefficient: 0.2 }, epochs: 100 })
    const [third] = [await usedVote(id, raterId, 3), await usedVote(id, raterId, 4)]
    await storeVote(world.pool, { sampleId: await addSample(world.pool, 'open', id), raterId, ageMs: 60_000 })
    const overrides = { learningRate: 0.001, live: { klCoefficient: 0.4 }, evaluation: { gate: true } }
    const child = await branched(id, { step: 3, title: 'A second try', overrides })
    const { configuration } = await session(id)
    expect(await session(child)).toMatchObject({
      title: 'A second try',
      status: 'active',
      currentStep: 3,
      policyVersion: 3,
      totalSteps: 100,
      configuration: {
        ...configuration,
        learningRate: 0.001,
        live: { ...configuration.live, klCoefficient: 0.4 },
        evaluation: { ...configuration.evaluation, gate: true },
      },
    })
    const hash = await hashOf(id, 3)
    expect(await readdir(join(checkpoints, child))).toEqual([`${hash}.safetensors`])
    expect(await checkpointsToResume(world.pool, child)).toEqual([{ step: 3, checkpoint: hash }])
    expect(await checkpointsHeld(world.pool, child, { bestMetric: 'humanRating', keepBest: 1 })).toEqual([hash])
    expect(await stepAfter(world.pool, child, 3)).toBe(4)
    expect((await usedVotes(world.pool, child, 3, 1_000)).map(({ id, usedIn }) => [id, usedIn])).toEqual([[third, 3]])
    expect((await historyOf(child)).origin).toEqual({
      sessionId: id,
      step: 3,
      by: 'admin',
      timestamp: expect.any(String),
    })
    // The origin goes on as it was.
    expect(await session(id)).toMatchObject({ currentStep: 4, status: 'paused' })
    expect((await learnt(id)).length).toBe(3)
  })

  test('of a branch inherits from both, whatever its origin is taken back to later', async () => {
    const { id, raterId } = await aRun(0)
    const votes = [await usedVote(id, raterId, 1), await usedVote(id, raterId, 2), await usedVote(id, raterId, 3)]
    const child = await branched(id, { step: 2 })
    expect((await session(child)).title).toBe(`${id} from step 2`)
    await world.pool.query(`update sessions set status = 'paused' where id = $1`, [child])
    await rollback(id, 1)
    // useVotes counts a run's steps from 1.
    await world.pool.query(
      `insert into steps (session_id, step, policy_version, metrics, checkpoint, votes) values ($1, 2, 2, '{}', 'none', 0)`,
      [child],
    )
    const own = await usedVote(child, raterId, 3)
    await usedVote(child, raterId, 4)
    const grandchild = await branched(child, { step: 3 })
    expect(await learnt(grandchild)).toEqual([votes[0], votes[1], own])
    expect(await learnt(id)).toEqual([votes[0]])
  })

  test('leaves out whom its origin left out', async () => {
    const { id, raterId } = await aRun(0)
    await usedVote(id, raterId, 1)
    await world.pool.query('update steps set excluded = array[$2::uuid] where session_id = $1', [id, raterId])
    expect(await learnt(await branched(id, { step: 1 }))).toEqual([])
  })

  test.each<[object, number, string]>([
    [{ step: 1, overrides: { live: { seed: 7 } } }, 400, 'overrides.live.seed'],
    [{ step: 1, overrides: { algorithm: 'grpo' } }, 400, 'overrides.algorithm'],
    [{ step: 1, overrides: { learningRate: -1 } }, 400, 'overrides.learningRate'],
    [{ step: 1, overrides: { epochs: 1 } }, 400, 'overrides.epochs'],
    [{ step: 1, overrides: { live: { adaptiveKl: true, klCoefficient: 0 } } }, 400, 'overrides.live.adaptiveKl'],
    [{ step: 1, overrides: { live: { shownPerStep: 257 } } }, 400, 'overrides.live.shownPerStep'],
    [{ step: 1, name: 'x' }, 400, 'name'],
    [{ step: 2 }, 404, 'step'],
  ])('with %j is refused', async (body, status, path) => {
    const { id } = await aRun(1)
    const before = await readdir(checkpoints)
    expect(await branch(id, body)).toMatchObject({ status, body: { path } })
    expect(await readdir(checkpoints)).toEqual(before)
  })

  test('of DPO with no KL coefficient is refused by its path', async () => {
    const { id } = await aRun(1, { algorithm: 'dpo' })
    expect(await branch(id, { step: 1, overrides: { live: { klCoefficient: 0 } } })).toMatchObject({
      status: 400,
      body: { path: 'overrides.live.klCoefficient' },
    })
    expect(TrainingConfig.parse((await session(id)).configuration).algorithm).toBe('dpo')
  })
})
