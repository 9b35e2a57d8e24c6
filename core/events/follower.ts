import type { Redis } from 'ioredis'
import { lastSeq, logKey, parseEntry, START, type LogEntry } from './log.ts'

/**
 * Follows many logs over one connection of its own. `entry` gets each log's entries in order.
 * `gap` is called once the connection is established, the first time and after every loss: writers
 * may have failed to append meanwhile, so even an intact log may lack events. Each log is then followed from its end.
 */
export function follow(
  redis: Redis,
  on: {
    entry: (sessionId: string, entry: LogEntry) => void
    gap: () => void
    error: (error: Error) => void
  },
): Follower {
  const positions = new Map<string, string | null>()
  // A blocking read must not queue behind others, and fails with its connection instead of being retried on the next.
  const reader = redis.duplicate({
    enableOfflineQueue: true,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  })
  let closed = false
  let clientId: number | undefined
  /** Events may have been missed, and `gap` has not been called yet. */
  let behind = true
  reader.on('error', on.error)
  reader.on('close', () => {
    clientId = undefined
    behind = true
    for (const sessionId of positions.keys()) positions.set(sessionId, null)
  })

  const wake = () => {
    // Interrupts the current XREAD, so that the next one reads the changed set of logs.
    if (clientId !== undefined && redis.status === 'ready') redis.client('UNBLOCK', clientId).catch(on.error)
  }

  const read = async (): Promise<void> => {
    clientId ??= await reader.client('ID')
    if (closed) return
    for (const [sessionId, position] of positions) {
      if (position !== null) continue
      const end = await lastSeq(reader, sessionId)
      if (positions.get(sessionId) === null) positions.set(sessionId, end)
    }
    if (behind) {
      behind = false
      on.gap()
    }
    if (positions.size === 0) return pause(IDLE_MS)
    const ids = [...positions.keys()]
    const from = ids.map((id) => positions.get(id) ?? START)
    // eslint-disable-next-line attune/bounded-spread -- one for each session that a socket of this server is in
    const logs = await reader.xread('COUNT', 500, 'BLOCK', BLOCK_MS, 'STREAMS', ...ids.map(logKey), ...from)
    for (const [name, entries] of logs ?? []) {
      const sessionId = name.slice(logKey('').length)
      for (const raw of entries) {
        // Removed while this read was under way.
        if (!positions.has(sessionId)) break
        positions.set(sessionId, raw[0])
        for (const entry of parseEntry(raw)) on.entry(sessionId, entry)
      }
    }
  }
  const loop = (async () => {
    while (!closed) {
      try {
        await read()
      } catch (error) {
        if (closed) return
        on.error(error instanceof Error ? error : new Error(String(error)))
        await pause(RETRY_MS)
      }
    }
  })()

  return {
    add(sessionId, from) {
      if (positions.has(sessionId)) return
      positions.set(sessionId, from)
      wake()
    },
    remove(sessionId) {
      positions.delete(sessionId)
    },
    position: (sessionId) => positions.get(sessionId),
    async close() {
      closed = true
      const reading = clientId !== undefined
      reader.disconnect()
      // A command queued for a connection that is never established is never answered.
      if (reading) await loop
    },
  }
}

export interface Follower {
  /** Follows a log from after `from` (null: from its end). Idempotent. */
  add: (sessionId: string, from: string | null) => void
  remove: (sessionId: string) => void
  /** The last entry delivered; null while Redis is unreachable, undefined for a log that is not followed. */
  position: (sessionId: string) => string | null | undefined
  close: () => Promise<void>
}

/**
 * Milliseconds: how long a read waits for events, at most; how long to wait with nothing to follow; and after an error.
 */
const BLOCK_MS = 1_000
const IDLE_MS = 50
const RETRY_MS = 500

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
