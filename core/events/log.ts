import { Redis } from 'ioredis'
import { z } from 'zod'
import { MyVote, roomEvents, type RoomEvent, type RoomEventName } from '../protocol/index.ts'

/**
 * A session's event log: the Redis stream `attune:room:<session>`. Trainer and servers append,
 * every server follows the logs of the sessions that its sockets are in. A stream id is the event's
 * sequence number (rule P3). The log reaches back `LOG_ENTRIES` events; the state is in Postgres,
 * so losing a log loses a few animations and nothing else.
 */
export async function append(
  redis: Redis,
  sessionId: string,
  entry: RoomEvent | InternalEvent,
  acts: readonly VoteAct[] = [],
): Promise<string> {
  const about = acts.length === 0 ? [] : ['acts', JSON.stringify(acts)]
  const seq = await redis.xadd(
    logKey(sessionId),
    'MAXLEN',
    '~',
    LOG_ENTRIES,
    '*',
    'event',
    entry.event,
    'payload',
    JSON.stringify(entry.payload),
    ...about,
  )
  if (seq === null) throw new Error('XADD made no entry')
  return seq
}

/** Events between servers, which never reach a client directly. */
export const internalEvents = {
  /** The receipts of these steps are in Postgres, new or final by now: each server notifies its own users. */
  receipts: z.object({ steps: z.array(z.int()) }),
  /** A person was excluded from this session, or readmitted: their sockets are notified. */
  exclusion: z.object({
    sessionId: z.string(),
    userId: z.uuid(),
    excluded: z.boolean(),
    reason: z.string().nullable(),
  }),
  /** The session's audience has changed: each server puts out who may no longer be there, and updates the others. */
  audience: z.object({ sessionId: z.string() }),
  /** An epoch is confirmed on the chain. Goes to the log `EVERYWHERE`. */
  recorded: z.object({ epochId: z.int() }),
  /** Somebody was erased: their sockets end. Goes to the log `EVERYWHERE`. */
  erased: z.object({ userId: z.uuid() }),
  /**
   * A person signed out, or their permissions changed: each server rechecks their sockets. Goes to the log
   * `EVERYWHERE`.
   */
  identity: z.object({ userId: z.uuid() }),
} as const
type InternalEventName = keyof typeof internalEvents
export type InternalEvent = {
  [E in InternalEventName]: { event: E; payload: z.infer<(typeof internalEvents)[E]> }
}[InternalEventName]

/**
 * A person's standing vote on a sample; null: withdrawn. Reveals its crowd value to them, or hides it (rule V3), and
 * notifies only their own connections.
 */
const VoteAct = z.object({ userId: z.uuid(), sampleId: z.uuid(), mine: MyVote.nullable() })
export type VoteAct = z.infer<typeof VoteAct>
const VoteActs = z.array(VoteAct)

/** One entry as read, with the acts that led to it. */
export type LogEntry = (RoomEvent | InternalEvent) & { seq: string; acts: readonly VoteAct[] }

/** The log that every server follows whichever sessions its sockets are in. */
export const EVERYWHERE = '@everywhere'
/** Events that a session's log keeps, about. */
export const LOG_ENTRIES = 4_000
/** The sequence number before the first entry of any log. */
export const START = '0-0'

/** The last sequence number of a log; START if it is empty. */
export async function lastSeq(redis: Redis, sessionId: string): Promise<string> {
  const [last] = await redis.xrevrange(logKey(sessionId), '+', '-', 'COUNT', 1)
  return last?.[0] ?? START
}

/**
 * The entries after `since`, oldest first, or null if the log no longer holds `since` itself, so that some may
 * be missing.
 */
export async function readSince(redis: Redis, sessionId: string, since: string): Promise<LogEntry[] | null> {
  const entries = await redis.xrange(logKey(sessionId), since, '+')
  return entries[0]?.[0] === since ? entries.slice(1).flatMap(parseEntry) : null
}

/** The entries after `since` that the log still has, oldest first. */
export async function readAfter(redis: Redis, sessionId: string, since: string): Promise<LogEntry[]> {
  return (await redis.xrange(logKey(sessionId), `(${since}`, '+')).flatMap(parseEntry)
}

/** The last `count` entries up to `until`, newest first. */
export async function readBack(redis: Redis, sessionId: string, until: string, count: number): Promise<LogEntry[]> {
  return (await redis.xrevrange(logKey(sessionId), until, '-', 'COUNT', count)).flatMap(parseEntry)
}

/** Compares two sequence numbers: above 0 if `a` is later. */
export function compareSeq(a: string, b: string): number {
  const [aTime = 0, aCount = 0] = a.split('-').map(Number)
  const [bTime = 0, bCount = 0] = b.split('-').map(Number)
  return aTime - bTime || aCount - bCount
}

/** A log's key in Redis. */
export const logKey = (sessionId: string) => `attune:room:${sessionId}`

/** One entry or none: an event unknown to this version (replicas of two versions during a rollout) is skipped. */
export function parseEntry([seq, fields]: [string, string[]]): LogEntry[] {
  const field = (name: string) => {
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]
    return undefined
  }
  const event = field('event')
  if (event === undefined || !isEvent(event)) return []
  const payload = allEvents[event].parse(JSON.parse(field('payload') ?? 'null'))
  return [{ event, payload, seq, acts: VoteActs.parse(JSON.parse(field('acts') ?? '[]')) } as LogEntry]
}
const allEvents = { ...roomEvents, ...internalEvents }
const isEvent = (event: string): event is RoomEventName | InternalEventName => Object.hasOwn(allEvents, event)

/**
 * Opens a connection whose commands fail at once while Redis is unreachable, so that nothing blocks
 * on it (Redis is only transport). Resolves once it is connected, or after `waitMs` without it.
 */
export async function openRedis(redisUrl: string, onError: (error: Error) => void, waitMs = 3_000): Promise<Redis> {
  const redis = new Redis(redisUrl, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    // Longer than the follower's blocking reads, to detect half-open connections.
    commandTimeout: 5_000,
    retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
  })
  redis.on('error', onError)
  await Promise.race([
    new Promise<void>((resolve) => redis.once('ready', () => resolve())),
    new Promise((resolve) => setTimeout(resolve, waitMs)),
  ])
  return redis
}
