import type { Core } from './core.ts'

export type Standing = 'up' | 'down' | 'none'

const DOWN: Standing = 'down'
const NONE: Standing = 'none'

/** Milliseconds that each part has to answer. */
const PATIENCE_MS = 2_000

/** Which parts answer now. */
export async function checkParts({ pool, redis, chain }: Core): Promise<{ database: Standing; blockchain: Standing; queue: Standing }> {
  const [database, queue, blockchain] = await Promise.all([
    answers(pool.query('select 1')),
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
