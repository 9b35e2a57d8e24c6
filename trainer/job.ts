/** One run, in a process of its own: what the queue's job does. */
import type { SandboxedJob } from 'bullmq'
import { pino } from 'pino'
import { loadConfig } from '../server/config.ts'
import { openPool } from '../server/db/pool.ts'
import type { Jobs } from '../server/queues.ts'
import { openRedis } from '../server/room.ts'
import { trainSession, type End } from './session.ts'

// The parent keeps this job's lock. Without it nobody would: stop, and the run is taken up elsewhere.
process.on('disconnect', () => process.exit(1))

export default async function job({ data: { sessionId } }: SandboxedJob<Jobs['train']>): Promise<End> {
  const { databaseUrl, redisUrl, logLevel, ...config } = loadConfig(process.env)
  const log = pino({ level: logLevel, name: 'trainer', base: { sessionId } })
  const onError = (error: Error): void => log.warn({ err: error }, 'connection trouble')
  const pool = openPool(databaseUrl, onError, 3)
  const redis = await openRedis(redisUrl, onError)
  try {
    return await trainSession({ sessionId, config, pool, redis, log })
  } finally {
    redis.disconnect()
    await pool.end()
  }
}
