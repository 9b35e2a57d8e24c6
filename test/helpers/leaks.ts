/** A test file that leaves a process behind fails, with that process's name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'
import { errorCode } from '../../scripts/start/fault.ts'
import { identify } from '../../scripts/start/identity.ts'
import { watchdogPid } from '../../scripts/start/watchdog.ts'

afterAll(async () => {
  const giveUpAt = Date.now() + 3_000
  let left = children()
  while (left.length > 0 && Date.now() < giveUpAt) {
    await sleep(50)
    left = children()
  }
  if (left.length > 0) throw new Error(`this file leaves processes behind: ${left.join('; ')}`)
})

/** "PID command" of each running child of this process, but for the watchdog and esbuild's own helper. */
function children(): string[] {
  if (!existsSync('/proc/self/task')) return []
  return readdirSync('/proc/self/task').flatMap((task) =>
    read(`/proc/self/task/${task}/children`)
      .split(' ')
      .filter((pid) => pid !== '' && Number(pid) !== watchdogPid() && identify(Number(pid)) !== null)
      .map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()}`)
      .filter((entry) => !/esbuild[^ ]* --service/.test(entry)),
  )
}

/** Empty for what ended in the meantime. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return ''
    throw error
  }
}
