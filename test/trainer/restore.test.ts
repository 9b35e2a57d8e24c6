/** A real run in a real database, whose checkpoint files are damaged under it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { endExclusion, insertExclusion } from '../../core/db/exclusions.ts'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { warningsOf } from '../../core/db/warnings.ts'
import { openRedis, readAfter } from '../../core/events/log.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import type { End } from '../../trainer/loop/session.ts'
import { addSession, startVoter, storeVote, trainIn, type Voter } from '../helpers/live-session.ts'
import { openServices, type TestServices } from '../helpers/services.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'

const fail = (error: Error): never => {
  throw error
}
const steps = 3
/** Steps after which the run is put down and its files are damaged. */
const before = 2
/** Answers shown at a time, and votes in each step. */
const shown = 4
const configuration = {
  batchSize: 8,
  epochs: steps,
  learningRate: 1e-2,
  ppoConfig: { miniBatchSize: 4, ppoEpochs: 1 },
  live: { shownPerStep: shown, minVotes: 1, minVotesPerStep: shown, maxNewTokens: 12, seed: 5 },
}
let services: TestServices
let pool: Pool
let redis: Awaited<ReturnType<typeof openRedis>>
let dir: string
let sessionId: string
let voter: Voter

beforeAll(async () => {
  services = await openServices()
  pool = openPool(services.databaseUrl, fail, 4)
  redis = await openRedis(services.redisUrl, fail)
  dir = await mkdtemp(join(tmpdir(), 'attune-restore-'))
  await writeTinyModel(join(dir, 'demo'))
})
afterAll(async () => {
  redis.disconnect()
  await pool.end()
  await services.close()
  await rm(dir, { recursive: true })
})
beforeEach(async () => {
  const session = await addSession(pool, configuration)
  sessionId = session.sessionId
  voter = startVoter(pool, session, before)
  await trainUntil('paused', before)
  return () => voter.stop()
})

// Without memory to undo steps, each is final, and has its checkpoint, when it is made.
const train = (): Promise<End> => trainIn(dir, { sessionId, pool, redis, undoBytes: 0 })
/** But that of how a run without memory for undoing uses votes. */
const warnings = async () =>
  (await warningsOf(pool, sessionId, 10)).filter(({ kind }) => kind !== 'waits-for-withdrawals')
const place = () => join(dir, 'runs', sessionId)
const pathOf = (checkpoint: string) => join(place(), `${checkpoint}.safetensors`)

/** Trains until the run ends, or until `step` is final and it is paused. */
async function trainUntil(end: 'paused' | 'completed', step: number): Promise<void> {
  const ended = train()
  if (end === 'paused') {
    for (let done = 0; done < step;) {
      done = (
        await pool.query<{ n: number }>(
          'select coalesce(max(step), 0)::int as n from steps where session_id = $1 and checkpoint is not null',
          [sessionId],
        )
      ).rows[0]!.n
      await sleep(20)
    }
    await pool.query(`update sessions set status = 'paused' where id = $1`, [sessionId])
  }
  expect(await ended).toBe(end)
}

async function goOn(): Promise<void> {
  await pool.query(`update sessions set status = 'active' where id = $1`, [sessionId])
  voter.lastStep = steps
  await trainUntil('completed', steps)
}

/** What the log says of the first steps, receipts and answers included. */
async function history() {
  const all = async (query: string) => (await pool.query(query, [sessionId, before])).rows
  return {
    steps: await all('select * from steps where session_id = $1 and step <= $2 order by step'),
    receipts: await all('select * from receipts where session_id = $1 and step <= $2 order by feedback_id'),
    samples: await all(
      'select id, step, prompt, response, policy_version from samples where session_id = $1 and step <= $2 order by id',
    ),
  }
}

async function damage(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
}

describe('T1: a checkpoint that cannot be read costs time, and nothing else', () => {
  it('the step of a damaged file is made again from the one before and the same votes, to the bit, and everybody is told', async () => {
    const was = await history()
    const newest = String(was.steps[before - 1].checkpoint)
    await damage(pathOf(newest))
    const from = (await readAfter(redis, sessionId, '0-0')).at(-1)?.seq ?? '0-0'
    await goOn()

    expect(await history()).toEqual(was)
    // The file has the step's own hash again, which `load` checks.
    expect((await openCheckpoints(place()).load(newest)).tensors.size).toBeGreaterThan(0)
    const { rows } = await pool.query(
      'select count(*)::int as receipts, count(distinct feedback_id)::int as votes from receipts where session_id = $1',
      [sessionId],
    )
    expect(rows).toEqual([{ receipts: steps * shown, votes: steps * shown }])

    const said = await warnings()
    expect(said).toMatchObject([{ kind: 'checkpoint-lost', step: 2 }])
    expect(said[0]!.message).toMatch(
      /^The checkpoint of step 2 cannot be read: its file is damaged: .* The run goes on from step 1 and makes step 2 again, from the same votes\.$/,
    )
    const events = await readAfter(redis, sessionId, from)
    expect(
      events.filter(({ event, payload }) => event === 'training-warning' && payload.kind === 'checkpoint-lost'),
    ).toHaveLength(1)
    const phases = events.flatMap(({ event, payload }) =>
      event === 'training-phase' ? [`${payload.phase} ${payload.step}`] : [],
    )
    expect(phases).toContain('restoring 2')
    expect(phases).not.toContain('voting 2')
    // The step stands as it was: nobody hears of it twice.
    expect(events.flatMap(({ event, payload }) => (event === 'training-progress' ? [payload.step] : []))).toEqual([3])
  })

  it('with every file gone, and a vote erased since, the run begins anew without that vote, and gives no second receipt', async () => {
    const was = await history()
    await rm(place(), { recursive: true })
    const erased = was.receipts.find((row) => row.step === 1)?.feedback_id
    await pool.query('update feedback set withdrawn_at = now() where id = $1', [erased])
    await goOn()

    const is = await history()
    expect(is.receipts).toEqual(was.receipts)
    expect(is.steps.map((row) => row.checkpoint)).not.toContainEqual(was.steps[0].checkpoint)
    expect(is.steps.every((row) => row.remade_at !== null)).toBe(true)
    expect((await warnings()).map(({ kind, step }) => `${kind} ${step}`).sort()).toEqual([
      'checkpoint-lost 2',
      'step-remade 1',
      'step-remade 2',
    ])
    // Votes belong to words: no answer has changed under its votes.
    expect(is.samples).toEqual(was.samples)
  })
})

it('T1: a step that left an excluded rater’s votes out leaves them out when it is made again, though they have been readmitted since', async () => {
  await voter.stop()
  const session = await addSession(pool, { ...configuration, epochs: 4 })
  const other = await addSession(pool, configuration)
  sessionId = session.sessionId
  voter = startVoter(pool, session, 1)
  await trainUntil('paused', 1)
  // Too few for a step.
  const { rows } = await pool.query<{ id: string }>(
    'select id from samples where session_id = $1 and step = 1 limit 2',
    [sessionId],
  )
  for (const { id } of rows) await storeVote(pool, { sampleId: id, raterId: other.raterId, ageMs: 60_000, taste: 0 })
  const go = async (step: number): Promise<void> => {
    voter.lastStep = step
    await pool.query(`update sessions set status = 'active' where id = $1`, [sessionId])
    await trainUntil(step === 4 ? 'completed' : 'paused', step)
  }
  await go(2)
  const exclusion = { sessionId, userId: other.raterId, by: session.raterId }
  await insertExclusion(pool, { ...exclusion, reason: 'inverts' })
  await go(3)
  await endExclusion(pool, exclusion)
  const was = await pool.query<{ checkpoint: string; excluded: string[] }>(
    'select checkpoint, excluded from steps where session_id = $1 order by step',
    [sessionId],
  )
  expect(was.rows.map(({ excluded }) => excluded)).toEqual([[], [], [other.raterId]])
  await damage(pathOf(was.rows[2]!.checkpoint))
  await go(4)

  const is = await pool.query('select checkpoint, excluded from steps where session_id = $1 order by step', [sessionId])
  expect(is.rows.slice(0, 3)).toEqual(was.rows)
  expect((await warnings()).map(({ kind, step }) => `${kind} ${step}`)).toEqual(['checkpoint-lost 3'])
})

it('a run whose model was replaced under it pauses and says so, and goes on once the files are back', async () => {
  const prompts = join(dir, 'demo', 'prompts.jsonl')
  const was = await readFile(prompts)
  await writeFile(prompts, '{"prompt": "Another one?"}\n')
  await pool.query(`update sessions set status = 'active' where id = $1`, [sessionId])
  expect(await train()).toBe('paused')
  const { rows } = await pool.query('select status, pause_reason from sessions where id = $1', [sessionId])
  expect(rows).toEqual([
    {
      status: 'paused',
      pause_reason: expect.stringMatching(
        /files are not those that this run began on\. Put them back as they were and resume/,
      ),
    },
  ])
  await writeFile(prompts, was)
  await goOn()
})
