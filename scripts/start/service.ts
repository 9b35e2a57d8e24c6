/** What Postgres, Redis and the chain have in common: how one is started, and the running service. */
import type { Child } from './child.ts'

export interface ServiceOptions {
  /** Its data, log and pid file go below this folder. */
  dir: string
  port: number
  /** Receives what a person should know. */
  onTrouble?: (message: string) => void
}

export interface Service {
  url: string
  child: Child
  close: () => Promise<void>
}
