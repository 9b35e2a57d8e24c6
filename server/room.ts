import { Redis } from 'ioredis'
import { z } from 'zod'
import { roomEvents, type RoomEvent, type RoomEventName } from './protocol.ts'

/**
 * A session's event log: the Redis stream `attune:room:<session>`. Trainer and servers append,
 * every server follows the logs of the sessions that its sockets are in. A stream id is the
 * event's sequence number (rule P3). The log reaches back `LOG_ENTRIES` events; what happened is
 * in Postgres, so losing a log loses a few animations and nothing else.
 */
export async function append(redis: Redis, sessionId: string, entry: RoomEvent | InternalEvent, user?: string): Promise<string> {
  const fields = ['event', entry.event, 'payload', JSON.stringify(entry.payload)]
  if (user !== undefined) fields.push('user', user)
  const seq = await redis.xadd(key(sessionId), 'MAXLEN', '~', LOG_ENTRIES, '*', ...fields)
  if (seq === null) throw new Error('XADD made no entry')
  return seq
}

/** Events that steer the servers and never reach a client as they are. */
export const internalEvents = {
  /** The receipts of this committed step are in Postgres: each server tells its own users. */
  receipts: z.object({ step: z.int() }),
  /** An epoch is confirmed on the chain. Goes to the log `EVERYWHERE`. */
  recorded: z.object({ epochId: z.int() }),
  /** Somebody was erased: their sockets end. Goes to the log `EVERYWHERE`. */
  erased: z.object({ userId: z.uuid() }),
} as const
type InternalEventName = keyof typeof internalEvents
export type InternalEvent = {
  [E in InternalEventName]: { event: E; payload: z.infer<(typeof internalEvents)[E]> }
}[InternalEventName]

/** One entry as read. `user`: whose act it was, where the log says so. */
export type LogEntry = (RoomEvent | InternalEvent) & { seq: string; user: string | undefined }

/** The log that every server follows whichever sessions its sockets are in. */
export const EVERYWHERE = '@everywhere'
/** Events that a session's log keeps, about. */
export const LOG_ENTRIES = 4_000
/** The sequence number before the first entry of any log. */
export const START = '0-0'

/** The last sequence number of a log; START where it has none. */
export async function lastSeq(redis: Redis, sessionId: string): Promise<string> {
  const [last] = await redis.xrevrange(key(sessionId), '+', '-', 'COUNT', 1)
  return last?.[0] ?? START
}

/** The entries after `since`, oldest first, or null where the log no longer holds `since` itself, so that something may be missing. */
export async function readSince(redis: Redis, sessionId: string, since: string): Promise<LogEntry[] | null> {
  const entries = await redis.xrange(key(sessionId), since, '+')
  return entries[0]?.[0] === since ? entries.slice(1).flatMap(parseEntry) : null
}

/** The entries after `since` that the log still has, oldest first. */
export async function readAfter(redis: Redis, sessionId: string, since: string): Promise<LogEntry[]> {
  return (await redis.xrange(key(sessionId), `(${since}`, '+')).flatMap(parseEntry)
}

/** The last `count` entries up to `until`, newest first. */
export async function readBack(redis: Redis, sessionId: string, until: string, count: number): Promise<LogEntry[]> {
  return (await redis.xrevrange(key(sessionId), until, '-', 'COUNT', count)).flatMap(parseEntry)
}

/** Which of two sequence numbers came later: above 0, `a`. */
export function compareSeq(a: string, b: string): number {
  const [aTime = 0, aCount = 0] = a.split('-').map(Number)
  const [bTime = 0, bCount = 0] = b.split('-').map(Number)
  return aTime - bTime || aCount - bCount
}

export interface Follower {
  /** Starts to follow a log, from after `from` (null: from its end). Following twice changes nothing. */
  add: (sessionId: string, from: string | null) => void
  remove: (sessionId: string) => void
  /** The last entry handed on; null while Redis is away, undefined for a log that is not followed. */
  position: (sessionId: string) => string | null | undefined
  close: () => Promise<void>
}

/**
 * Follows many logs over one connection of its own. `entry` gets each log's entries in order.
 * `gap` is called once the connection stands, the first time and after every loss: writers may
 * have failed to append meanwhile, so even a log that is whole may lack events. Each log then
 * goes on from its end.
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
  // A blocking read must neither wait behind others nor be sent again on a new connection.
  const reader = redis.duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null, autoResendUnfulfilledCommands: false })
  let closed = false
  let clientId: number | undefined
  reader.on('error', on.error)
  reader.on('close', () => {
    clientId = undefined
    for (const sessionId of positions.keys()) positions.set(sessionId, null)
  })

  const wake = () => {
    // Ends the XREAD under way, so that the next one has the changed set of logs.
    if (clientId !== undefined && redis.status === 'ready') redis.client('UNBLOCK', clientId).catch(on.error)
  }

  const read = async (): Promise<void> => {
    const connected = clientId === undefined
    if (connected) clientId = await reader.client('ID')
    for (const [sessionId, position] of positions) {
      if (position !== null) continue
      const end = await lastSeq(reader, sessionId)
      if (positions.get(sessionId) === null) positions.set(sessionId, end)
    }
    if (connected) on.gap()
    if (positions.size === 0) return pause(IDLE_MS)
    const ids = [...positions.keys()]
    const from = ids.map((id) => positions.get(id) ?? START)
    const logs = await reader.xread('COUNT', 500, 'BLOCK', BLOCK_MS, 'STREAMS', ...ids.map(key), ...from)
    for (const [name, entries] of logs ?? []) {
      const sessionId = name.slice(key('').length)
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
      reader.disconnect()
      await loop
    },
  }
}

/** Milliseconds: how long a read waits for events, at most; how long to wait with nothing to follow; and after an error. */
const BLOCK_MS = 1_000
const IDLE_MS = 50
const RETRY_MS = 500

const key = (sessionId: string) => `attune:room:${sessionId}`
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** One entry or none: an event that this version doesn't know (replicas of two versions, while one replaces the other) is passed over. */
function parseEntry([seq, fields]: [string, string[]]): LogEntry[] {
  const field = (name: string) => {
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]
    return undefined
  }
  const event = field('event')
  if (event === undefined || !isEvent(event)) return []
  const payload = allEvents[event].parse(JSON.parse(field('payload') ?? 'null'))
  return [{ event, payload, seq, user: field('user') } as LogEntry]
}
const allEvents = { ...roomEvents, ...internalEvents }
const isEvent = (event: string): event is RoomEventName | InternalEventName => Object.hasOwn(allEvents, event)

/**
 * Opens a connection whose commands fail at once while Redis is away: nothing waits for it
 * (Redis only carries). Resolves once it is connected, or after `waitMs` without it.
 */
export async function openRedis(redisUrl: string, onError: (error: Error) => void, waitMs = 3_000): Promise<Redis> {
  const redis = new Redis(redisUrl, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
  })
  redis.on('error', onError)
  await Promise.race([new Promise<void>((resolve) => redis.once('ready', () => resolve())), pause(waitMs)])
  return redis
}
