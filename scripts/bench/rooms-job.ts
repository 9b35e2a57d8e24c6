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
  /** Until everybody was in, milliseconds. */
  joinMs: number
  /** From being sent, milliseconds, of each vote that was acknowledged … */
  ackMs: number[]
  /** … and that another voter saw in the crowd's value. */
  seenMs: number[]
  /** Refused, or never acknowledged; by code. */
  refused: Record<string, number>
  ackedIds: string[]
  /** Messages that the sockets got while votes were given and until all were told, a socket and second. */
  messagesPerSocketPerSecond: number
  /** Sockets that never heard of a sample's last count. */
  unheard: number
}
export type LoadMessage = { joined: true } | { done: number } | { result: LoadResult }

/** Sockets that vote on everything first, and watch what the others' votes come to. */
export const WATCHERS = 4
