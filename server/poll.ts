import type { Logger } from 'pino'
import { LedgerError } from '../contracts/errors.ts'

/**
 * Looks again and again until it is stopped, one look at a time. While the chain is away it only
 * tries again, and says so once: an outage is no news every few seconds.
 *
 * @param pollMs milliseconds between two looks
 * @param trouble said where a look fails
 */
export function keepLooking(look: () => Promise<unknown>, { pollMs, log, trouble }: { pollMs: number; log: Pick<Logger, 'warn'>; trouble: string }): { stop: () => Promise<void> } {
  let stopped = false
  let away = false
  let timer: NodeJS.Timeout | undefined
  const turn = async (): Promise<void> => {
    try {
      await look()
      away = false
    } catch (error) {
      if (!(away && error instanceof LedgerError)) log.warn({ err: error }, trouble)
      away = true
    }
    if (!stopped) timer = setTimeout(() => (turning = turn()), pollMs)
  }
  let turning = turn()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await turning
    },
  }
}
