import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { Address } from '../../contracts/ledger/hex.ts'
import { openEpochStore } from '../../core/db/epochs.ts'
import { type Pool, openPool } from '../../core/db/pool.ts'
import { type TestServices, openServices } from '../helpers/services.ts'
import { type StoreUnderTest, describeEpochStore } from './epoch-store.ts'

let services: TestServices
let pool: Pool
beforeAll(async () => {
  services = await openServices()
  pool = openPool(services.databaseUrl, (error) => {
    throw error
  })
  // Decisions can't be emptied, and none is taken here.
  await pool.query('alter table decisions disable trigger decisions_stand_all')
})
afterAll(async () => {
  await pool.end()
  await services.close()
})

describeEpochStore('on Postgres', async (): Promise<StoreUnderTest> => {
  await pool.query('truncate epochs, models, users cascade')
  await pool.query(`insert into models (id, name, type, architecture) values ('m', 'm', 'nlp', 'gpt2')`)
  const store = openEpochStore(pool)
  const owner = await person()
  await pool.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps)
     values ('demo', 'demo', 'm', $1, 'completed', '{}', 1)`,
    [owner],
  )
  return {
    store,
    async fill(count) {
      const ids: string[] = []
      for (let n = 0; n < count; n++) ids.push(await vote(await person()))
      return (await store.unrecorded(1_000)).filter(({ recordId }) => ids.includes(recordId))
    },
    async link(contributorId: string, walletAddress: Address) {
      await pool.query('update users set wallet = $2 where id = $1', [contributorId, walletAddress])
    },
  }
})

async function person(): Promise<string> {
  const id = randomUUID()
  await pool.query(`insert into users (id, username, role, guest) values ($1, $2, 'contributor', true)`, [id, id])
  return id
}

/** A vote of a completed run, old enough that it can no longer be withdrawn. */
async function vote(userId: string): Promise<string> {
  const id = randomUUID()
  await pool.query(
    `insert into feedback (id, session_id, user_id, input_text, model_response, human_rating, compassion_rating, quality, value, salt, created_at)
     values ($1, 'demo', $2, 'in', 'out', 8, 0.9, 0.8194, 0.8436, $3, now() - interval '1 hour')`,
    [id, userId, randomBytes(32)],
  )
  return id
}
