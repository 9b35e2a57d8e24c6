/** Redis only carries: what it forgets is made good, and what stands still is named. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAttune, type Attune } from '../../scripts/start/attune.ts'
import { ask, connect, guest, vote, type TestServer } from '../server/attune.ts'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { patience, until } from './npm-start.ts'

let dataDir: string
let attune: Attune
let server: TestServer
let pool: Pool
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'attune-flush-'))
  attune = await startAttune({ dataDir, port: 0, durable: false, env: { BLOCKCHAIN_SYNC_INTERVAL: '2000' } })
  server = { url: attune.url } as TestServer // its clients need no more
  pool = openPool(attune.databaseUrl, () => undefined, 2)
}, patience)
afterAll(async () => {
  await pool?.end()
  await attune?.close()
  rmSync(dataDir, { recursive: true, force: true })
}, patience)

interface Status {
  status: string
  blockchainSync: { lastEpoch: number | null; unrecorded: number }
  standstills: { name: string; reason: string }[]
}
const status = () => ask<Status>(server, 'GET', '/api/status')

test(
  'epochs are recorded, runs go on and rooms hear of it after FLUSHALL of Redis, again and again, and after a Redis that restarts empty',
  async () => {
    const rater = await guest(server)
    const client = await connect(server, rater.token)
    await client.send('join-session', 'demo')
    const forget = async (how: 'flushall' | 'kill') => {
      if (how === 'kill') return attune.kill('redis', 'SIGKILL')
      const redis = new Redis(attune.redisUrl)
      await redis.flushall()
      redis.disconnect()
    }
    for (const how of [null, 'flushall', 'kill', 'flushall'] as const) {
      if (how !== null) await forget(how)
      const { lastEpoch } = (await status()).blockchainSync
      const { rows } = await pool.query<{ step: number }>(`select current_step as step from sessions where id = 'demo'`)
      await until(`a vote is taken after ${how}`, async () => {
        const open = await pool.query<{ id: string }>(
          `select id from samples where session_id = 'demo' and status = 'open' and not exists (select from feedback where sample_id = samples.id and user_id = $1)`,
          [rater.user.userId],
        )
        const sampleId = open.rows[0]?.id
        if (sampleId === undefined) return false
        const answer = await client.send('submit-feedback', vote(sampleId)).catch(() => null)
        return answer?.ok === true
      })
      const heard = client.received.length
      await until(
        `an epoch is recorded after ${how}`,
        async () => ((await status()).blockchainSync.lastEpoch ?? 0) > (lastEpoch ?? 0),
      )
      await until(
        `a step is made after ${how}`,
        async () =>
          (await pool.query<{ step: number }>(`select current_step as step from sessions where id = 'demo'`)).rows[0]!
            .step > rows[0]!.step,
        patience,
      )
      await until(`the room hears of it after ${how}`, () =>
        client.received
          .slice(heard)
          .some(({ event }) => event === 'training-progress' || event === ('session-state' as never)),
      )
    }
    client.close()
    expect((await status()).standstills).toEqual([])
  },
  5 * patience,
)

test(
  'what stands still for longer than three intervals is unhealthy, by name, in /health and /api/status, until it goes on',
  async () => {
    for (const name of ['recorder', 'trainer'] as const) {
      // Somebody waits for an answer, so that a trainer is wanted.
      await pool.query(
        `insert into samples (id, session_id, step, origin, prompt, policy_version, status) select gen_random_uuid(), 'demo', 1, 'ask', 'Will you answer?', 0, 'queued'`,
      )
      attune.kill(name, 'SIGSTOP')
      await until(`${name} is named`, async () => (await status()).standstills.some((one) => one.name === name))
      expect((await status()).status).toBe('unhealthy')
      const health = await fetch(`${attune.url}/health`)
      expect(health.status).toBe(503)
      expect(await health.json()).toMatchObject({
        status: 'unhealthy',
        components: { database: 'up' },
        // On a machine that stalls, others may be late, too.
        standstills: expect.arrayContaining([
          expect.objectContaining({ name, reason: expect.stringMatching(/heard|seen/) }),
        ]),
      })
      attune.kill(name, 'SIGCONT')
      await until(`${name} goes on`, async () => (await fetch(`${attune.url}/health`)).status === 200)
    }
  },
  3 * patience,
)

test(
  'a queue of epochs that has lost a part of its keys is made anew',
  async () => {
    const redis = new Redis(attune.redisUrl)
    // A job that counts as running, whose own record is gone, as an eviction or a half restored copy leaves it.
    await redis.lpush('attune:queue:epoch:active', '4711')
    redis.disconnect()
    const { lastEpoch } = (await status()).blockchainSync
    const rater = await guest(server)
    const client = await connect(server, rater.token)
    await client.send('join-session', 'demo')
    await until('a vote is taken', async () => {
      const { rows } = await pool.query<{ id: string }>(
        `select id from samples where session_id = 'demo' and status = 'open' and origin = 'rollout' limit 1`,
      )
      return rows.length > 0 && (await client.send('submit-feedback', vote(rows[0]!.id))).ok
    })
    await until(
      'an epoch is recorded',
      async () => ((await status()).blockchainSync.lastEpoch ?? 0) > (lastEpoch ?? 0),
      patience,
    )
    client.close()
  },
  2 * patience,
)
