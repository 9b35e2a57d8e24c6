/** When each of Attune's own processes counts as started. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { openPool } from '../../core/db/pool.ts'
import { unheldRuns } from '../../core/db/run-queue.ts'
import { errorCode, StartFault } from './fault.ts'
import type { Supervised } from './supervise.ts'

const Health = z.object({ components: z.object({ database: z.string() }) })

const patienceMs = 60_000
/** A process that dies this often before it is ready won't recover. */
const mostDeaths = 2

export async function serverAnswers(child: Supervised, port: number): Promise<void> {
  await until(child, 40, async () => {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5_000) })
      const health = Health.safeParse(await answer.json())
      // The server counts as started whether or not trainer and recorder are running.
      return health.data?.components.database === 'up'
    } catch (error) {
      const code = error instanceof TypeError ? errorCode(error.cause) : undefined
      // A busy machine responds late; `until` says when it is too late.
      const late = error instanceof DOMException && error.name === 'TimeoutError'
      if (
        late ||
        error instanceof SyntaxError ||
        code === 'ECONNREFUSED' ||
        code === 'ECONNRESET' ||
        code === 'UND_ERR_SOCKET'
      )
        return false
      throw error
    }
  })
}

/** A trainer holds the session, or it isn't active (somebody has paused it, or it has ended). */
export async function runTaken(child: Supervised, databaseUrl: string, sessionId: string): Promise<void> {
  const pool = openPool(databaseUrl, () => undefined, 1)
  try {
    await until(child, 60, async () => !(await unheldRuns(pool)).includes(sessionId))
  } finally {
    await pool.end()
  }
}

/** Only checks that it doesn't crash at once. */
export async function alive(child: Supervised): Promise<void> {
  if (child.deaths() > mostDeaths) throw stopped(child)
}

async function until(child: Supervised, everyMs: number, done: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + patienceMs
  while (!(await done())) {
    if (child.deaths() > mostDeaths) throw stopped(child)
    if (Date.now() > giveUpAt)
      throw new StartFault(
        `${child.name} isn't ready after ${patienceMs / 1000} s; the end of its log:\n${child.logTail()}`,
      )
    await sleep(everyMs)
  }
}

function stopped(child: Supervised): StartFault {
  return new StartFault(`${child.name} stops again and again; the end of its log:\n${child.logTail()}`)
}
