import { ping } from '../../core/db/pool.ts'
import type { Core } from '../deps.ts'
import { standstills, type Standstill } from '../sessions/standstill.ts'

export type Standing = 'up' | 'down' | 'none'

const DOWN: Standing = 'down'
const NONE: Standing = 'none'

/** Milliseconds that each part has to answer. */
const PATIENCE_MS = 2_000

export interface Health {
  /** unhealthy: the database is away, or something stands still; degraded: another part is away. */
  status: 'healthy' | 'degraded' | 'unhealthy'
  components: { database: Standing; blockchain: Standing; queue: Standing }
  /** What has not done its work for longer than three of its intervals, by name. */
  standstills: Standstill[]
}

/** How the installation is now. */
export async function checkHealth(core: Core): Promise<Health> {
  const [components, still] = await Promise.all([checkParts(core), inTime(standstills(core))])
  const { database } = components
  const status =
    database === 'down' || (still ?? []).length > 0
      ? 'unhealthy'
      : Object.values(components).includes('down')
        ? 'degraded'
        : 'healthy'
  return { status, components, standstills: still ?? [] }
}

/** Which parts answer now. */
export async function checkParts({ pool, redis, chain }: Core): Promise<Health['components']> {
  const [database, queue, blockchain] = await Promise.all([
    answers(ping(pool)),
    redis.status === 'ready' ? answers(redis.ping()) : DOWN,
    chain === null ? NONE : answers(chain.check()),
  ])
  return { database, blockchain, queue }
}

/** What `promise` gives, or null where it fails or takes too long: for figures that a page can do without. */
export async function inTime<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS, null)))
  const result = await Promise.race([promise.catch(() => null), late])
  clearTimeout(timer)
  return result
}

const answers = async (promise: Promise<unknown>): Promise<Standing> =>
  (await inTime(promise.then(() => true))) === true ? 'up' : 'down'
