/** A real run in a real database, of a model that float16 cannot hold. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { openRedis, readAfter } from '../../core/events/log.ts'
import { readModel, writeModel } from '../../lm/files/directory.ts'
import { addSession, startVoter, trainIn } from '../helpers/live-session.ts'
import { openServices, type TestServices } from '../helpers/services.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'

const fail = (error: Error): never => {
  throw error
}
const configuration = {
  batchSize: 4,
  epochs: 2,
  ppoConfig: { miniBatchSize: 4, ppoEpochs: 1 },
  live: { shownPerStep: 2, votingWindowSeconds: 1, minVotes: 1, minVotesPerStep: 2, maxNewTokens: 4, seed: 5 },
}
let services: TestServices
let pool: Pool
let redis: Awaited<ReturnType<typeof openRedis>>
let dir: string

beforeAll(async () => {
  services = await openServices()
  pool = openPool(services.databaseUrl, fail, 4)
  redis = await openRedis(services.redisUrl, fail)
  dir = await mkdtemp(join(tmpdir(), 'attune-precision-'))
  await writeTinyModel(join(dir, 'demo'))
  const { architecture, weights } = await readModel(join(dir, 'demo'))
  const read = [...architecture.parameters].map(([name, shape]) => ({
    name,
    shape,
    data: weights.get(name)?.data ?? new Float32Array(0),
  }))
  const large = read.map(
    ({ name, shape, data }) =>
      [name, { shape, data: name.endsWith('c_fc.weight') ? data.map((x) => 1e7 * x) : data }] as const,
  )
  await writeModel(join(dir, 'demo'), { architecture, weights: new Map(large) })
})
afterAll(async () => {
  redis.disconnect()
  await pool.end()
  await services.close()
  await rm(dir, { recursive: true })
})

it('T1: a run whose model is beyond float16 pauses and says so, and goes on in float32 from the same votes', async () => {
  const session = await addSession(pool, configuration)
  const { sessionId } = session
  const voter = startVoter(pool, session, configuration.epochs, 2)
  try {
    expect(await trainIn(dir, { sessionId, pool, redis, precision: 'float16' })).toBe('paused')
    const {
      rows: [paused],
    } = await pool.query('select status, pause_reason as reason, current_step as step from sessions where id = $1', [
      sessionId,
    ])
    expect(paused).toMatchObject({
      status: 'paused',
      step: 0,
      reason: expect.stringMatching(/range of float16.*ATTUNE_PRECISION=float32/),
    })
    const told = (await readAfter(redis, sessionId, '0-0')).filter(
      ({ event }) => event === 'training-paused' || event === 'training-failed',
    )
    expect(told).toMatchObject([{ event: 'training-paused', payload: { reason: paused.reason } }])
    const votes = (await pool.query('select count(*)::int as n from feedback where session_id = $1', [sessionId]))
      .rows[0].n
    expect(votes).toBeGreaterThanOrEqual(2)

    await pool.query(`update sessions set status = 'active' where id = $1`, [sessionId])
    expect(await trainIn(dir, { sessionId, pool, redis })).toBe('completed')
    const { rows } = await pool.query(
      'select step, count(*)::int as receipts from receipts where session_id = $1 group by step order by step',
      [sessionId],
    )
    expect(rows).toEqual([
      { step: 1, receipts: 2 },
      { step: 2, receipts: 2 },
    ])
  } finally {
    await voter.stop()
  }
})
