/** Keeps a process running: restarts it, with growing pauses, whenever it dies. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from './child.ts'
import { errorText } from './fault.ts'

export interface Supervised {
  name: string
  /** Undefined between a death and the next start. */
  pid: () => number | undefined
  /** How often it has died by itself. */
  deaths: () => number
  logTail: () => string
  kill: (signal: NodeJS.Signals) => void
  /** Stops it gracefully, and starts it again without a pause; that does not count as a death. */
  restart: () => Promise<void>
  stop: () => Promise<void>
}

/** The pause before a restart doubles from the first to the second, milliseconds … */
const pauseMs = { least: 200, most: 10_000 }
/** … and starts over for a process that has lived this long. */
const settledMs = 20_000

/** Starts it; fails if that first start fails. `onTrouble` receives every death and failed restart. */
export async function supervise(open: () => Promise<Child>, onTrouble: (message: string) => void): Promise<Supervised> {
  let child = await open()
  const { name } = child
  let stopping = false
  let restarting = false
  let deaths = 0
  let wake = new AbortController()

  const loop = (async () => {
    let pause = pauseMs.least
    let started = Date.now()
    for (;;) {
      const { code, signal } = await child.exited
      if (stopping) return
      if (!restarting) {
        deaths += 1
        onTrouble(`${name} stopped (${signal ?? `exit code ${code}`}); starting it again`)
      }
      if (restarting || Date.now() - started > settledMs) pause = pauseMs.least
      for (;;) {
        if (!restarting) await sleep(pause, undefined, { signal: wake.signal }).catch(ignoreAbort)
        if (stopping) return
        if (restarting) pause = pauseMs.least
        else pause = Math.min(pause * 2, pauseMs.most)
        restarting = false
        wake = new AbortController()
        started = Date.now()
        try {
          child = await open()
          break
        } catch (error) {
          onTrouble(`${name} can't be started again: ${errorText(error)}`)
        }
      }
      // The stop, or another restart, came while it was starting.
      if (stopping || restarting) await child.stop()
    }
  })()

  return {
    name,
    pid: () => (child.running() ? child.pid : undefined),
    deaths: () => deaths,
    logTail: () => child.logTail(),
    kill: (signal) => child.kill(signal),
    restart: async () => {
      restarting = true
      wake.abort()
      if (child.running()) await child.stop()
    },
    stop: async () => {
      stopping = true
      wake.abort()
      if (child.running()) await child.stop()
      await loop
    },
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error
}
