import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Redis } from 'ioredis'
import pg from 'pg'
import { inject } from 'vitest'
import type { BrokerAnswer, SharedServices } from './broker.ts'

export interface TestServices extends SharedServices {
  close: () => Promise<void>
}

/**
 * A migrated Postgres database and an empty Redis database that belong to the
 * caller alone (a test file, usually, in `beforeAll`). Both are real servers,
 * shared by the run. To kill or restart a server, open one of your own:
 * `openPostgres`, `openRedis` and `openChain` of `scripts/start/services.ts`.
 */
export async function openServices(): Promise<TestServices> {
  const answer = JSON.parse(await text(connect(inject('broker')))) as BrokerAnswer
  if (!answer.ok) throw new Error(answer.message)
  const { databaseUrl, redisUrl } = answer.services
  return { databaseUrl, redisUrl, close: () => drop(databaseUrl, redisUrl) }
}

async function drop(databaseUrl: string, redisUrl: string): Promise<void> {
  const at = new URL(databaseUrl)
  const name = at.pathname.slice(1)
  at.pathname = '/postgres'
  const client = new pg.Client({ connectionString: at.href })
  await client.connect()
  await client.query(`drop database ${name} with (force)`)
  await client.end()
  const redis = new Redis(redisUrl)
  await redis.flushdb()
  await redis.quit()
}
