/** One start at a time for each data folder. */
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode, StartFault } from './fault.ts'
import { identify, isRunning } from './identity.ts'

const Holder = z.object({ pid: z.int(), started: z.string() })

/** Locks the folder; the returned function unlocks it. The lock of a process that is gone does not count. */
export function lockFolder(dir: string): () => void {
  mkdirSync(join(dir, 'run'), { recursive: true })
  const file = join(dir, 'run', 'start.json')
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, JSON.stringify(identify(process.pid)))
  try {
    // A link is created atomically, and never over another one.
    for (let attempt = 0; ; attempt++) {
      try {
        linkSync(mine, file)
        return () => rmSync(file, { force: true })
      } catch (error) {
        if (errorCode(error) !== 'EEXIST' || attempt > 4) throw error
        const holder = existsSync(file)
          ? Holder.safeParse(JSON.parse(readFileSync(file, 'utf8') || 'null')).data
          : undefined
        if (holder && isRunning(holder)) {
          throw new StartFault(
            `Attune already runs on ${dir} (process ${holder.pid}): stop that one, or give this one a folder of its own with --data`,
          )
        }
        rmSync(file, { force: true })
      }
    }
  } finally {
    rmSync(mine, { force: true })
  }
}
