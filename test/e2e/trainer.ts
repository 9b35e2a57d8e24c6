import { pino } from 'pino'
import { takeRunLock } from '../../core/db/run-lock.ts'
import { openRedis } from '../../core/events/log.ts'
import { openWorld, type SessionWorld } from '../../trainer/loop/postgres-world.ts'
import type { World } from '../server/attune.ts'

/** Stands in the demo session's trainer's place: holds its lease, and commits what a test says. */
export async function openTrainer({ pool, redisUrl }: World): Promise<SessionWorld> {
  const redis = await openRedis(redisUrl, (error) => console.error(error))
  const lock = await takeRunLock(pool, 'demo')
  if (!lock) throw new Error('somebody trains the demo session')
  const trainer = openWorld({ sessionId: 'demo', lock, pool, redis, log: pino({ level: 'silent' }) })
  return {
    ...trainer,
    close() {
      trainer.close()
      lock.release()
      redis.disconnect()
    },
  }
}
