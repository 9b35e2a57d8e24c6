/** One run, in a process of its own that ends with it: `job.ts SESSION`. Reports to its parent how the run ended. */
import { pino } from 'pino'
import { loadConfig } from '../core/config.ts'
import { openPool } from '../core/db/pool.ts'
import { openRedis } from '../core/events/log.ts'
import { trainSession, type End } from './loop/session.ts'

/** What the parent hears before the process ends. */
export type Report = { end: End } | { error: string }

async function main(sessionId: string): Promise<Report> {
  const {
    databaseUrl,
    redisUrl,
    logLevel,
    trainer: { turns },
    ...config
  } = loadConfig(process.env)
  const log = pino({ level: logLevel, name: 'trainer', base: { sessionId } })
  const onError = (error: Error): void => log.warn({ err: error }, 'connection trouble')
  const pool = openPool(databaseUrl, onError, 3)
  const redis = await openRedis(redisUrl, onError)
  try {
    return { end: await trainSession({ sessionId, config, pool, redis, log, turns }) }
  } finally {
    redis.disconnect()
    await pool.end()
  }
}

// The parent renews this job's lock. Without the parent nobody does: stop, and the run resumes elsewhere.
process.on('disconnect', () => process.exit(1))

const report = await main(process.argv[2]!).catch((error: unknown): Report => ({
  error: error instanceof Error ? error.message : String(error),
}))
// Exiting frees what the engine holds at once.
process.send?.(report, () => process.exit(0))
