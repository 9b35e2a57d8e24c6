import type { Logger } from 'pino'
import { LedgerError } from '../contracts/ledger/errors.ts'

/**
 * Polls until it is stopped, one poll at a time. While the chain is away it only retries, and logs
 * that once: an outage is not news every few seconds.
 *
 * @param pollMs milliseconds between polls
 * @param trouble logged if a poll fails
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
      // An unreachable chain is reported by the chain's own check.
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
