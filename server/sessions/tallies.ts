import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { crowdsOf } from '../../core/db/crowd.ts'
import type { Pool } from '../../core/db/pool.ts'
import { limits, type CrowdValue, type MyVote, type RoomEvents } from '../../core/protocol/index.ts'
import { append, type VoteAct } from '../../core/events/log.ts'

export interface Tallies {
  /** A vote was stored or withdrawn: its room is sent the new tallies. */
  changed: (
    event: VoteEvent,
    act: { sessionId: string; sampleId: string | null; userId: string; mine: MyVote | null },
  ) => void
  /** Sends what has not been sent yet. */
  close: () => Promise<void>
}

type VoteEvent = 'feedback-received' | 'feedback-withdrawn'

/**
 * Sends each room its vote tallies: at once if it was quiet, else once a tick, as one log entry with
 * all samples that changed. So a room's traffic, and the work of its log and the database, grow with
 * time and not with votes. The values are read after the votes were stored, and the next tick waits
 * for this one: the last tally that a room receives is the latest.
 */
export function openTallies({ pool, redis, log }: { pool: Pool; redis: Redis; log: Logger }): Tallies {
  const rooms = new Map<string, Room>()
  let closed = false

  const lookAfter = (sessionId: string, room: Room): void => {
    if (room.telling !== null || room.timer !== undefined) return
    const wait = closed ? 0 : Math.max(0, room.toldAt + limits.tallyMs - Date.now())
    room.timer = setTimeout(() => {
      room.timer = undefined
      if (room.news.size === 0) return void rooms.delete(sessionId)
      room.telling = tell(sessionId, room).finally(() => {
        room.telling = null
        room.toldAt = Date.now()
        lookAfter(sessionId, room)
      })
    }, wait)
  }

  async function tell(sessionId: string, room: Room): Promise<void> {
    const news = room.news
    room.news = new Map()
    const sampleIds = [...new Set([...news.values()].flatMap(({ sampleId }) => sampleId ?? []))]
    const crowds = await crowdsOf(pool, sampleIds).catch((error: unknown) => {
      log.warn({ err: error, sessionId }, 'votes could not be counted for their room; trying again')
      return null
    })
    if (crowds === null) {
      // The newer one wins.
      room.news = new Map([...news, ...room.news])
      return
    }
    for (const event of ['feedback-received', 'feedback-withdrawn'] as const) {
      const acts = [...news.values()].filter((act) => act.event === event)
      if (acts.length === 0) continue
      await append(
        redis,
        sessionId,
        { event, payload: payloadOf(sessionId, acts, crowds) },
        acts.flatMap(toVoteAct),
      ).catch((error: unknown) => {
        log.warn({ err: error, sessionId, event }, 'a room event was lost')
      })
    }
  }

  return {
    changed(event, { sessionId, sampleId, userId, mine }) {
      const room = rooms.get(sessionId) ?? { news: new Map<string, Act>(), toldAt: 0, timer: undefined, telling: null }
      rooms.set(sessionId, room)
      const key = `${sampleId}/${userId}`
      room.news.delete(key) // the latest act goes last
      room.news.set(key, { event, sampleId, userId, mine })
      lookAfter(sessionId, room)
    },
    async close() {
      closed = true
      for (const [sessionId, room] of rooms) {
        clearTimeout(room.timer)
        await room.telling
        clearTimeout(room.timer)
        if (room.news.size > 0) await tell(sessionId, room)
      }
      rooms.clear()
    },
  }
}

interface Act {
  event: VoteEvent
  sampleId: string | null
  userId: string
  /** Their current standing vote on it. */
  mine: MyVote | null
}

/** A room with tallies to send, or that was sent some within the last tick. */
interface Room {
  /** The last act of each person on each sample since the room was last notified. */
  news: Map<string, Act>
  /** Milliseconds since the epoch. */
  toldAt: number
  timer: NodeJS.Timeout | undefined
  telling: Promise<void> | null
}

function payloadOf(
  sessionId: string,
  acts: readonly Act[],
  crowds: ReadonlyMap<string, CrowdValue>,
): RoomEvents[VoteEvent] {
  const changed = [...new Set(acts.flatMap(({ sampleId }) => sampleId ?? []).reverse())]
  const [last, ...others] = changed.flatMap((sampleId) => {
    const crowd = crowds.get(sampleId)
    return crowd === undefined ? [] : [{ sampleId, votes: crowd.votes, crowd }]
  })
  if (last === undefined) return { sessionId, sampleId: null, votes: 0 }
  return { sessionId, ...last, ...(others.length > 0 && { others }) }
}

const toVoteAct = ({ sampleId, userId, mine }: Act): VoteAct[] =>
  sampleId === null ? [] : [{ userId, sampleId, mine }]
