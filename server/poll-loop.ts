import type { Logger } from 'pino'
import { LedgerError } from '../contracts/ledger/errors.ts'

/**
 * Looks again and again until it is stopped, one look at a time. While the chain is away it only
 * tries again, and says so once: an outage is no news every few seconds.
 *
 * @param pollMs milliseconds between two looks
 * @param trouble said where a look fails
 * @param watch is notified of every iteration, so that a stalled loop is noticed
 */
export function keepLooking(
  look: () => Promise<unknown>,
  {
    pollMs,
    log,
    trouble,
    watch,
  }: {
    pollMs: number
    log: Pick<Logger, 'warn'>
    trouble: string
    watch?: { turned: (error?: unknown) => void; remove: () => void }
  },
): { stop: () => Promise<void> } {
  let stopped = false
  let away = false
  let timer: NodeJS.Timeout | undefined
  const turn = async (): Promise<void> => {
    try {
      await look()
      away = false
      watch?.turned()
    } catch (error) {
      // That the chain is away, the chain's own check says.
      if (error instanceof LedgerError) watch?.turned()
      else watch?.turned(error)
      if (!(away && error instanceof LedgerError)) log.warn({ err: error }, trouble)
      away = true
    }
    if (stopped) return
    timer = setTimeout(() => {
      turning = turn()
    }, pollMs)
  }
  let turning = turn()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await turning
      watch?.remove()
    },
  }
}
