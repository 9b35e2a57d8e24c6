import { ping } from '../../core/db/pool.ts'
import { pausedFor } from '../../core/db/sessions.ts'
import { pausedByFullDisk } from '../../core/disk.ts'
import type { Deps } from '../deps.ts'
import { standstills, type Standstill } from '../sessions/standstill.ts'

export type Standing = 'up' | 'down' | 'none'

const DOWN: Standing = 'down'
const NONE: Standing = 'none'

/** Milliseconds that each part has to answer. */
const PATIENCE_MS = 2_000

export interface Health {
  /**
   * unhealthy: the database is unreachable, or a part has stalled; degraded: another part is unreachable, or a full
   * disk has paused a run.
   */
  status: 'healthy' | 'degraded' | 'unhealthy'
  components: { database: Standing; blockchain: Standing; queue: Standing }
  /** What has not made progress for longer than three of its intervals, by name. */
  standstills: Standstill[]
  /**
   * Runs that paused themselves for lack of disk space, and wait until somebody resumes them; one that is not in
   * everybody's list is not named (null).
   */
  pausedRuns: { sessionId: string | null; reason: string }[]
}

/** The current state of the installation. */
export async function checkHealth(deps: Deps): Promise<Health> {
  const [components, still, paused] = await Promise.all([
    checkParts(deps),
    inTime(standstills(deps)),
    inTime(pausedFor(deps.pool, pausedByFullDisk)),
  ])
  const found = {
    components,
    standstills: still ?? [],
    pausedRuns: (paused ?? []).map((sessionId) => ({ sessionId, reason: pausedByFullDisk })),
  }
  return { status: statusOf(found), ...found }
}

function statusOf({ components, standstills, pausedRuns }: Omit<Health, 'status'>): Health['status'] {
  if (components.database === 'down' || standstills.length > 0) return 'unhealthy'
  if (Object.values(components).includes('down') || pausedRuns.length > 0) return 'degraded'
  return 'healthy'
}

/** Which parts respond now. */
export async function checkParts({ pool, redis, chain }: Deps): Promise<Health['components']> {
  const [database, queue, blockchain] = await Promise.all([
    answers(ping(pool)),
    redis.status === 'ready' ? answers(redis.ping()) : DOWN,
    chain === null ? NONE : answers(chain.check()),
  ])
  return { database, blockchain, queue }
}

/** The result of `promise`, or null if it fails or takes too long: for figures that a page can do without. */
export async function inTime<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS, null)))
  const result = await Promise.race([promise.catch(() => null), late])
  clearTimeout(timer)
  return result
}

const answers = async (promise: Promise<unknown>): Promise<Standing> =>
  (await inTime(promise.then(() => true))) === true ? 'up' : 'down'
