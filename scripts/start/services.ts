/**
 * The real parts that Attune needs, privately and without configuration:
 * Postgres, Redis and an EVM chain. Used by `npm start` and by the tests.
 */
import type { Child } from './child.ts'

export interface ServiceOptions {
  /** Its data, log and pid file go below this folder. */
  dir: string
  port: number
  /** Hears what a person should know. */
  onTrouble?: (message: string) => void
}

export interface Service {
  url: string
  child: Child
  close: () => Promise<void>
}

export { openChain, devKey } from './chain.ts'
export { openPostgres } from './postgres.ts'
export { openRedis } from './redis.ts'
export { freePort, portFor } from './ports.ts'
