import { userRoom, type AttuneServer, type AttuneSocket } from './socket.ts'
import type { RoomEvent, Tally } from '../../core/protocol/index.ts'
import type { VoteAct } from '../../core/events/log.ts'

/** Entries of a log that hold what only a sample's voters may see. */
export type VoteEntry = Extract<RoomEvent, { event: 'feedback-received' | 'feedback-withdrawn' }> & { seq: string }

export type ClosingEntry = Extract<RoomEvent, { event: 'voting-closed' }> & { seq: string }

export const isVoteEntry = (entry: { event: string }): entry is VoteEntry =>
  entry.event === 'feedback-received' || entry.event === 'feedback-withdrawn'

/** The sockets here of those who have voted on a sample. */
export const votedRoom = (sampleId: string) => `voted:${sampleId}`

/** The sockets here of those who have begun a vote on a sample in time, and may cast it after voting has closed. */
export const begunRoom = (sampleId: string) => `begun:${sampleId}`

/**
 * A vote opens its sample's crowd value to its author's sockets here, whichever server took the vote; withdrawing
 * closes it (rule V3). They are notified of it, too: another socket may have sent it.
 */
export function noteVotes(io: AttuneServer, sessionId: string, acts: readonly VoteAct[]): void {
  for (const { userId, sampleId, mine } of acts) {
    const theirs = io.local.in(userRoom(userId))
    if (mine) theirs.socketsJoin(votedRoom(sampleId))
    else theirs.socketsLeave(votedRoom(sampleId))
    theirs.emit('own-vote', { sessionId, sampleId, mine })
  }
}

/**
 * The closing of a sample, as this socket may see it: whoever may still cast a begun vote sees no value before that
 * (rule V3).
 */
export function asClosedFor({ rooms }: Pick<AttuneSocket, 'rooms'>, entry: ClosingEntry): ClosingEntry {
  const { sampleId, crowd } = entry.payload
  if (!rooms.has(begunRoom(sampleId)) || rooms.has(votedRoom(sampleId))) return entry
  return { ...entry, payload: { ...entry.payload, crowd: { votes: crowd.votes, value: null, compassion: null } } }
}

/** The entry as this socket may see it (rule V3). */
export function asSeenBy(socket: AttuneSocket, entry: VoteEntry): VoteEntry {
  return withValues(entry, (sampleId) => socket.rooms.has(votedRoom(sampleId)))
}

/**
 * What each of these sockets may see of the entry: those who see the same get one message, encoded
 * once. A socket gets one, however many samples the entry is about (rule V3).
 */
export function audiences(
  { adapter }: ReturnType<AttuneServer['of']>,
  socketIds: Iterable<string>,
  entry: VoteEntry,
): { socketIds: string[]; entry: VoteEntry }[] {
  const samples = talliesOf(entry).map(({ sampleId }) => ({ sampleId, voters: adapter.rooms.get(votedRoom(sampleId)) }))
  const groups = new Map<string, string[]>()
  for (const id of socketIds) {
    let seen = ''
    for (const { voters } of samples) seen += voters?.has(id) ? '1' : '0'
    const group = groups.get(seen)
    if (group === undefined) groups.set(seen, [id])
    else group.push(id)
  }
  return [...groups].map(([seen, ids]) => {
    const open = new Set(samples.flatMap(({ sampleId }, i) => (seen[i] === '1' ? [sampleId] : [])))
    return { socketIds: ids, entry: withValues(entry, (sampleId) => open.has(sampleId)) }
  })
}

function withValues(entry: VoteEntry, sees: (sampleId: string) => boolean): VoteEntry {
  const { sampleId, votes, crowd, sessionId, others } = entry.payload
  const shown = ({ crowd: value, ...tally }: Tally): Tally => ({
    ...tally,
    ...(value !== undefined && sees(tally.sampleId) && { crowd: value }),
  })
  const named = sampleId === null ? { sampleId, votes } : shown({ sampleId, votes, crowd })
  return {
    event: entry.event,
    payload: { sessionId, ...named, ...(others && { others: others.map(shown) }) },
    seq: entry.seq,
  }
}

const talliesOf = ({ payload: { sampleId, others = [] } }: VoteEntry): { sampleId: string }[] => [
  ...(sampleId === null ? [] : [{ sampleId }]),
  ...others,
]
