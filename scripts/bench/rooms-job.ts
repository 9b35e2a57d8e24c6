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
  /** From being told to the server, milliseconds, of each piece of an answer that a watcher received. */
  textMs: number[]
  /** Refused, or never acknowledged; by code. */
  refused: Record<string, number>
  ackedIds: string[]
  /** Messages received by the sockets from the first vote to the last count, per socket and second. */
  messagesPerSocketPerSecond: number
  /** Sockets that never received a sample's last count. */
  unheard: number
}
export type LoadMessage = { joined: true } | { done: number } | { result: LoadResult }

/** How often a piece of an answer is told while the room votes, milliseconds … */
export const PIECE_MS = 100
/** … what it is, `now` milliseconds since 1970, and when it was told. */
export const pieceOf = (now: number): string => `${now} `
export const toldAt = (text: string): number[] => text.split(' ').filter(Boolean).map(Number)

/** Sockets that vote on everything first, and watch for the others' votes in the crowd's value. */
export const WATCHERS = 4
