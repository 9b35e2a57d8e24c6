/** A simulated crowd's options, and what it reports while it votes. */
import type { Pace } from './pace.ts'
import type { Rater } from './rater.ts'

export interface CrowdOptions {
  /** The server's address. */
  url: string
  session: string
  raters: number
  /** How long they vote. */
  seconds: number
  /** Share of the raters who vote the opposite of what they see. Default 0. */
  adversaries?: number
  /** When everybody's taste turns into its opposite, and at the next one back again; seconds since they began. */
  turns?: readonly number[]
  /** `random`: everybody votes without reading. Default `oracle`. */
  votes?: 'oracle' | 'random'
  /** Share of the votes that their authors withdraw, one to six seconds later. Default 0. */
  withdrawn?: number
  seed?: number
  /** Standard deviation of what each vote adds to the truth, on the scale 0…1. Default 0.12. */
  noise?: number
  pace?: Pace
  /** Maximum number of votes of the whole crowd. */
  maxVotes?: number
  /** How long to wait at the end for a receipt before those still missing are given up, seconds. Default 40. */
  drainSeconds?: number
  /** Ends the voting early; the report still comes. */
  signal?: AbortSignal
  /** Called about every second. */
  onProgress?: (progress: Progress) => void
}

export interface Progress {
  phase: 'voting' | 'waiting for receipts'
  /** Since the first vote could be given, seconds. */
  elapsed: number
  raters: readonly Rater[]
}
