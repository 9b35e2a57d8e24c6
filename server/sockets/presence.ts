import { randomUUID } from 'node:crypto'
import { sessionRoom, type AttuneServer } from './socket.ts'
import type { Deps } from '../deps.ts'

/**
 * Milliseconds: how often counts are read; how soon after somebody joined or left; how long an announcement holds,
 * and how often it is made again.
 */
const LOOK_MS = 1_000
const SOON_MS = 100
const HOLDS_MS = 15_000
const ANNOUNCE_MS = 5_000

/**
 * Who is in each session's room, over all servers, counted by person. Each server announces its own
 * people in a Redis sorted set, with an expiry time: those of a server that was killed expire by
 * themselves. While Redis is away a server counts its own.
 */
export function openPresence(io: AttuneServer, deps: Deps) {
  const { adapter, sockets } = io.of('/')
  const serverId = randomUUID()
  const counts = new Map<string, number>()
  /** What this server has announced: people by session. */
  const announced = new Map<string, Set<string>>()
  let announcedAt = 0

  const localPeople = (): Map<string, Set<string>> => {
    const people = new Map<string, Set<string>>()
    for (const [room, ids] of adapter.rooms) {
      const sessionId = /^session:(.+)$/.exec(room)?.[1]
      if (sessionId === undefined) continue
      const here = [...ids].flatMap((id) => sockets.get(id)?.data.caller.userId ?? [])
      people.set(sessionId, new Set(here))
    }
    return people
  }

  async function look(): Promise<void> {
    const local = localPeople()
    const counted = deps.redis.status === 'ready' ? await announce(local) : local
    for (const [sessionId, people] of counted) {
      if (counts.get(sessionId) === people.size) continue
      counts.set(sessionId, people.size)
      io.local.to(sessionRoom(sessionId)).emit('presence', { sessionId, raters: people.size })
    }
    for (const sessionId of counts.keys()) if (!local.has(sessionId)) counts.delete(sessionId)
  }

  /**
   * Announces who joined, removes who left, and returns everybody in the sessions that people of this server are in.
   */
  async function announce(local: Map<string, Set<string>>): Promise<Map<string, Set<string>>> {
    const now = Date.now()
    const again = now - announcedAt >= ANNOUNCE_MS
    const pipeline = deps.redis.pipeline()
    for (const [sessionId, before] of announced) {
      const gone = [...before].filter((userId) => !local.get(sessionId)?.has(userId))
      for (const userId of gone) pipeline.zrem(key(sessionId), member(userId))
    }
    for (const [sessionId, people] of local) {
      const fresh = [...people].filter((userId) => again || !announced.get(sessionId)?.has(userId))
      if (fresh.length > 0) {
        for (const userId of fresh) pipeline.zadd(key(sessionId), now + HOLDS_MS, member(userId))
        pipeline.pexpire(key(sessionId), 4 * HOLDS_MS)
      }
    }
    const reads = pipeline.length
    for (const sessionId of local.keys()) pipeline.zrangebyscore(key(sessionId), now, '+inf')
    const results = (await pipeline.exec()) ?? []
    const failed = results.find(([error]) => error !== null)?.[0]
    if (failed) throw failed
    announced.clear()
    for (const [sessionId, people] of local) announced.set(sessionId, people)
    if (again) announcedAt = now
    return new Map(
      [...local.keys()].map((sessionId, i) => {
        const members = results[reads + i]?.[1] as string[]
        return [sessionId, new Set(members.map((m) => m.slice(0, m.indexOf('/'))))]
      }),
    )
  }

  const member = (userId: string) => `${userId}/${serverId}`

  let closed = false
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  const lookIn = (ms: number) => {
    clearTimeout(timer)
    if (closed) return
    timer = setTimeout(() => {
      looking = look()
        .catch(warn)
        .finally(() => lookIn(LOOK_MS))
    }, ms)
  }
  const warn = (error: unknown) => deps.log.warn({ err: error }, 'presence could not be announced')
  const onLeave = (room: string) => {
    if (room.startsWith('session:')) lookIn(SOON_MS)
  }
  adapter.on('leave-room', onLeave)
  lookIn(LOOK_MS)

  return {
    /** People in a session's room, as last counted. */
    count: (sessionId: string): number => counts.get(sessionId) ?? 0,
    /** Somebody joined or left. */
    touch: () => lookIn(SOON_MS),
    /** Removes what this server announced. */
    async close(): Promise<void> {
      closed = true
      clearTimeout(timer)
      adapter.off('leave-room', onLeave)
      await looking
      if (deps.redis.status === 'ready') await announceNobody().catch(warn)
    },
  }

  async function announceNobody(): Promise<void> {
    const pipeline = deps.redis.pipeline()
    for (const [sessionId, people] of announced)
      for (const userId of people) pipeline.zrem(key(sessionId), member(userId))
    await pipeline.exec()
  }
}

const key = (sessionId: string) => `attune:presence:${sessionId}`
