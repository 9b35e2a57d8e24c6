/** What the rooms bench and its crowd, a process of its own, say to each other. */

export interface LoadJob {
  url: string
  sessionId: string
  /** One for each socket. */
  tokens: string[]
  samples: string[]
  votesPerSecond: number
  seconds: number
}

export interface LoadResult {
  /** Until everybody had joined, milliseconds. */
  joinMs: number
  /** From being sent, milliseconds, of each vote that was acknowledged … */
  ackMs: number[]
  /** … and that another voter saw in the crowd's value. */
  seenMs: number[]
  /** Refused, or never acknowledged; by code. */
  refused: Record<string, number>
  ackedIds: string[]
  /** Messages received by the sockets from the first vote to the last count, per socket and second. */
  messagesPerSocketPerSecond: number
  /** Sockets that never received a sample's last count. */
  unheard: number
}
export type LoadMessage = { joined: true } | { done: number } | { result: LoadResult }

/** Sockets that vote on everything first, and watch for the others' votes in the crowd's value. */
export const WATCHERS = 4
