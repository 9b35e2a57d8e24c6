import { recheck } from './identity.ts'
import { openPresence } from './presence.ts'
import { putOut } from './put-out.ts'
import { metricsRoom, sessionRoom, userRoom, type AttuneServer, type AttuneSocket, type Rooms } from './socket.ts'
import type { Deps } from '../deps.ts'
import { recordedIn } from '../../core/db/contributions.ts'
import { exclusionOf } from '../../core/db/exclusions.ts'
import { votedSamples } from '../../core/db/feedback.ts'
import { receiptsOfSteps } from '../../core/db/receipts.ts'
import { begunSamples } from '../../core/db/vote-begun.ts'
import { limits, type AckData, type RoomEvent } from '../../core/protocol/index.ts'
import { follow } from '../../core/events/follower.ts'
import { compareSeq, EVERYWHERE, lastSeq, readAfter, readSince, START, type LogEntry } from '../../core/events/log.ts'
import { openPieces } from './pieces.ts'
import { seen, watchesBecause } from '../sessions/admittance.ts'
import { openSnapshots } from '../sessions/snapshot.ts'
import { asClosedFor, asSeenBy, audiences, begunRoom, isVoteEntry, noteVotes, votedRoom } from './voters.ts'

/** An earlier vote on one of the session's latest this many opens its crowd value to the voter again on joining. */
const VOTES_REMEMBERED = 500
/** Milliseconds in which several losses of Redis become one round of snapshots. */
const RESYNC_MS = 100

/**
 * The rooms of this server: follows the logs of the sessions that its sockets are in, and relays to
 * its own sockets. Every server does so for itself, so a room spans all of them, connected only by
 * the log.
 */
export function openRooms(io: AttuneServer, deps: Deps): Rooms {
  const { adapter, sockets } = io.of('/')
  const follower = follow(deps.redis, {
    entry: (sessionId, entry) => relay(sessionId, entry),
    gap: () => resyncSoon(),
    error: (error) => deps.log.warn({ err: error }, 'following the rooms: Redis trouble'),
  })
  follower.add(EVERYWHERE, null)
  const snapshots = openSnapshots(deps)
  const presence = openPresence(io, deps)
  /** Sockets that have been sent entries up to a seq which the follower has yet to reach: by session, by socket. */
  const ahead = new Map<string, Map<string, string>>()
  /** Joins in progress, by session: their logs are kept followed. */
  const joining = new Map<string, number>()

  const has = (room: string) => adapter.rooms.has(room)
  const unfollowIfEmpty = (sessionId: string) => {
    if (has(sessionRoom(sessionId)) || has(metricsRoom(sessionId)) || joining.has(sessionId)) return
    follower.remove(sessionId)
    ahead.delete(sessionId)
  }
  const onRoomGone = (room: string) => {
    const sessionId = /^(?:session|metrics):(.+)$/.exec(room)?.[1]
    if (sessionId !== undefined) unfollowIfEmpty(sessionId)
  }
  adapter.on('delete-room', onRoomGone)

  /** Follows a session's log while `work` is under way; `seq` is the log's end before it began, START without Redis. */
  async function following<T>(sessionId: string, work: (seq: string) => Promise<T>): Promise<T> {
    joining.set(sessionId, (joining.get(sessionId) ?? 0) + 1)
    try {
      const away = deps.redis.status !== 'ready'
      const seq = away ? START : await lastSeq(deps.redis, sessionId)
      follower.add(sessionId, away ? null : seq)
      return await work(seq)
    } finally {
      const left = (joining.get(sessionId) ?? 1) - 1
      if (left > 0) joining.set(sessionId, left)
      else joining.delete(sessionId)
      unfollowIfEmpty(sessionId)
    }
  }

  async function join(
    socket: AttuneSocket,
    sessionId: string,
    since: string | undefined,
  ): Promise<AckData['join-session']> {
    const { caller } = socket.data
    const { userId } = caller
    const watches = watchesBecause(caller, await seen(deps.pool, caller, sessionId))
    return following(sessionId, async (end) => {
      await socket.leave(sessionRoom(sessionId))
      for (const sampleId of await votedSamples(deps.pool, sessionId, userId, VOTES_REMEMBERED))
        void socket.join(votedRoom(sampleId))
      for (const sampleId of await begunSamples(deps.pool, sessionId, userId)) void socket.join(begunRoom(sampleId))
      let seq = end
      const missed = since === undefined || end === START ? null : await entriesSince(sessionId, since)
      if (missed === null) {
        const raters = presence.count(sessionId)
        const snapshot = await snapshots.take({ sessionId, readerId: userId, seq, raters, watches })
        socket.emit('session-snapshot', snapshot)
        seq = snapshot.seq
      } else {
        seq = since ?? seq
        seq = replay(socket, sessionId, missed, seq)
        socket.emit('presence', { sessionId, raters: presence.count(sessionId) })
        const exclusion = await exclusionOf(deps.pool, sessionId, userId)
        socket.emit('exclusion', { sessionId, excluded: exclusion !== null, reason: exclusion?.reason ?? null })
      }
      // What came since. Without an await between the last look and joining, nothing falls between.
      while (deps.redis.status === 'ready') {
        const position = follower.position(sessionId)
        if (position == null || compareSeq(position, seq) <= 0) break
        seq = replay(socket, sessionId, await readAfter(deps.redis, sessionId, seq), position)
      }
      if (socket.connected) {
        void socket.join(sessionRoom(sessionId))
        ahead.set(sessionId, (ahead.get(sessionId) ?? new Map<string, string>()).set(socket.id, seq))
        presence.touch()
        await demandStillSeen(socket, sessionId, sessionRoom(sessionId))
      }
      return { sessionId, seq, caughtUp: missed !== null }
    })
  }

  /** What was missed; null if it is not all there, or changed what the reader may do, which a snapshot says. */
  async function entriesSince(sessionId: string, since: string): Promise<LogEntry[] | null> {
    const entries = await readSince(deps.redis, sessionId, since)
    return entries?.some(({ event }) => event === 'audience') ? null : entries
  }

  /**
   * Whoever was shut out while they joined leaves again: they were not in the room yet when it was cleared. @throws
   * AttuneError not-found
   */
  async function demandStillSeen(socket: AttuneSocket, sessionId: string, room: string): Promise<void> {
    try {
      await seen(deps.pool, socket.data.caller, sessionId)
    } catch (error) {
      await socket.leave(room)
      throw error
    }
  }

  /** Sends log entries to one socket; returns the last one's seq, or `from` without any. */
  function replay(socket: AttuneSocket, sessionId: string, entries: LogEntry[], from: string): string {
    for (const entry of entries) {
      for (const { userId, sampleId, mine } of entry.acts)
        if (userId === socket.data.caller.userId) socket.emit('own-vote', { sessionId, sampleId, mine })
      if (isRoomEvent(entry))
        send(
          socket,
          isVoteEntry(entry)
            ? asSeenBy(socket, entry)
            : entry.event === 'voting-closed'
              ? asClosedFor(socket, entry)
              : entry,
        )
    }
    return entries.at(-1)?.seq ?? from
  }

  const pieces = openPieces((sessionId, entry) => {
    send(io.local.to(sessionRoom(sessionId)).except(sentAlready(sessionId, entry.seq)), entry)
  })

  function relay(sessionId: string, entry: LogEntry): void {
    noteVotes(io, sessionId, entry.acts)
    if (entry.event === 'sample-tokens' && (adapter.rooms.get(sessionRoom(sessionId))?.size ?? 0) > limits.fullRoom)
      return pieces.add(sessionId, entry)
    pieces.flush(sessionId)
    switch (entry.event) {
      case 'receipts':
        return report(tellReceipts(sessionId, entry.payload.steps))
      case 'recorded':
        return report(tellRecorded(entry.payload.epochId))
      case 'erased':
        io.local.in(userRoom(entry.payload.userId)).disconnectSockets(true)
        return
      case 'exclusion': {
        const { userId, ...said } = entry.payload
        io.local.to(userRoom(userId)).emit('exclusion', said)
        return report(putOut(io, deps, { sessionId, userId }))
      }
      case 'audience':
        return report(clear(sessionId))
      case 'identity': {
        const { userId } = entry.payload
        return report(recheck(io, deps, userId).then(() => putOut(io, deps, { userId })))
      }
      case 'metrics-update':
        return send(
          io.local.to(metricsRoom(sessionId)).to(sessionRoom(sessionId)).except(sentAlready(sessionId, entry.seq)),
          entry,
        )
      case 'voting-closed': {
        const done = sentAlready(sessionId, entry.seq)
        const [room, begun] = [sessionRoom(sessionId), begunRoom(entry.payload.sampleId)]
        send(io.local.to(room).except([begun, ...done]), entry)
        for (const id of adapter.rooms.get(begun) ?? []) {
          const socket = sockets.get(id)
          if (socket?.rooms.has(room) && !done.includes(id)) send(socket, asClosedFor(socket, entry))
        }
        return
      }
      default: {
        const done = sentAlready(sessionId, entry.seq)
        const room = sessionRoom(sessionId)
        if (!isVoteEntry(entry)) return send(io.local.to(room).except(done), entry)
        const here = [...(adapter.rooms.get(room) ?? [])].filter((id) => !done.includes(id))
        for (const audience of audiences(io.of('/'), here, entry)) send(io.local.to(audience.socketIds), audience.entry)
      }
    }
  }

  /** Sockets of a session that had this entry while they joined. */
  function sentAlready(sessionId: string, seq: string): string[] {
    const floors = ahead.get(sessionId)
    if (floors === undefined) return []
    const done: string[] = []
    for (const [socketId, floor] of floors) {
      if (compareSeq(seq, floor) <= 0) done.push(socketId)
      else floors.delete(socketId)
    }
    if (floors.size === 0) ahead.delete(sessionId)
    return done
  }

  async function tellReceipts(sessionId: string, steps: number[]): Promise<void> {
    for (const { userId, receipt } of await receiptsOfSteps(deps.pool, sessionId, steps, localUsers())) {
      io.local.to(userRoom(userId)).emit('receipt', receipt)
    }
  }
  async function tellRecorded(epochId: number): Promise<void> {
    for (const { userId, feedbackId, txHash } of await recordedIn(deps.pool, epochId, localUsers())) {
      io.local.to(userRoom(userId)).emit('recorded', { feedbackId, epochId, txHash })
    }
  }
  const localUsers = () => [...new Set([...sockets.values()].map((socket) => socket.data.caller.userId))]
  const report = (work: Promise<void>): void => {
    work.catch((error: unknown) =>
      deps.log.warn({ err: error }, 'what the log says could not be told to its sockets; it is made good'),
    )
  }

  let resyncTimer: NodeJS.Timeout | undefined
  /** Redis is back: what happened meanwhile is only in Postgres, so every socket gets a fresh snapshot. */
  function resyncSoon(): void {
    snapshots.forget()
    clearTimeout(resyncTimer)
    resyncTimer = setTimeout(() => report(clear()), RESYNC_MS)
  }
  /**
   * Of one session, or of all: who may no longer see it goes, and who stays gets a snapshot, which says what they may
   * do there.
   */
  async function clear(sessionId?: string): Promise<void> {
    snapshots.forget()
    try {
      await putOut(io, deps, sessionId === undefined ? {} : { sessionId })
    } finally {
      await resync(sessionId)
    }
  }
  async function resync(only?: string): Promise<void> {
    for (const [room, ids] of [...adapter.rooms]) {
      const sessionId = /^session:(.+)$/.exec(room)?.[1]
      if (sessionId === undefined || (only !== undefined && only !== sessionId)) continue
      for (const id of [...ids]) {
        const socket = sockets.get(id)
        if (socket === undefined) continue
        await join(socket, sessionId, undefined).catch((error: unknown) => {
          deps.log.warn({ err: error, sessionId }, 'a socket could not be brought up to date; it has to come back')
          socket.conn.close()
        })
      }
    }
  }
  deps.redis.on('ready', resyncSoon)
  // For what was decided while Redis was away, or whose event was lost.
  const looking = setInterval(() => report(putOut(io, deps)), limits.admittanceMs)

  return {
    join,
    begun: (userId, sampleId) => io.local.in(userRoom(userId)).socketsJoin(begunRoom(sampleId)),
    async leave(socket, sessionId) {
      await socket.leave(sessionRoom(sessionId))
      presence.touch()
    },
    async watchMetrics(socket, sessionId) {
      await seen(deps.pool, socket.data.caller, sessionId)
      await following(sessionId, async () => {
        await socket.join(metricsRoom(sessionId))
        await demandStillSeen(socket, sessionId, metricsRoom(sessionId))
      })
    },
    async unwatchMetrics(socket, sessionId) {
      await socket.leave(metricsRoom(sessionId))
    },
    async close() {
      clearTimeout(resyncTimer)
      clearInterval(looking)
      deps.redis.off('ready', resyncSoon)
      adapter.off('delete-room', onRoomGone)
      pieces.close()
      await presence.close()
      await follower.close()
    },
  }
}

type RoomEntry = RoomEvent & { seq: string }

const isRoomEvent = (entry: LogEntry): entry is RoomEntry & Pick<LogEntry, 'acts'> =>
  entry.event !== 'receipts' &&
  entry.event !== 'recorded' &&
  entry.event !== 'erased' &&
  entry.event !== 'identity' &&
  entry.event !== 'audience' &&
  entry.event !== 'exclusion'

/**
 * The one place where an entry becomes a message: its payload with its seq. TypeScript cannot see that event and
 * payload belong together.
 */
function send(to: AttuneSocket | ReturnType<AttuneServer['to']>, { event, payload, seq }: RoomEntry): void {
  const untyped = to as unknown as { emit: (event: string, payload: object) => unknown }
  untyped.emit(event, { ...payload, seq })
}
