/**
 * A room full of voters, in a process of its own: it joins, votes at a given rate whatever the
 * server does, and reports how long each vote took to its acknowledgement and until another voter
 * saw it. Gets its job as a message and responds with one.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import type { Ack, AckData, ClientToServer, RoomEvents, ServerToClient } from '../../core/protocol/index.ts'
import { toldAt, WATCHERS, type LoadJob, type LoadMessage, type LoadResult } from './rooms-job.ts'

/** Maximum number of joins in progress: a crowd, not an attack. */
const AT_ONCE = 32
/** Timeouts of an acknowledgement, and of the last count, milliseconds. */
const PATIENCE_MS = 60_000

interface Voter {
  socket: Socket<ServerToClient, ClientToServer>
  /** Votes on each sample, as reported. */
  counts: Map<string, number>
  messages: number
}
interface Given {
  sampleId: string
  sentAt: number
  watcher: number
  /** The crowd that the acknowledgement reported: this vote is in it. */
  votes: number | undefined
}

async function run({ url, sessionId, tokens, samples, votesPerSecond, seconds }: LoadJob): Promise<LoadResult> {
  const ackMs: number[] = []
  const seenMs: number[] = []
  const textMs: number[] = []
  const refused: Record<string, number> = {}
  const ackedIds: string[] = []
  /** Votes that a watcher has yet to see, by watcher. */
  const unseen = Array.from({ length: WATCHERS }, () => new Set<Given>())
  /** Notes what a watcher sees now. It may know before the acknowledgement comes. */
  const look = (watcher: number, at: number): void => {
    for (const given of unseen[watcher]!) {
      if (given.votes === undefined || (voters[watcher]!.counts.get(given.sampleId) ?? 0) < given.votes) continue
      unseen[watcher]!.delete(given)
      seenMs.push(at - given.sentAt)
    }
  }

  const began = performance.now()
  const voters: Voter[] = []
  const waiting = [...tokens.entries()]
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [i, token] = next
        const watches: Watches | null =
          i < WATCHERS
            ? {
                counts: () => look(i, performance.now()),
                text: (pieces) => {
                  for (const at of toldAt(pieces)) textMs.push(Date.now() - at)
                },
              }
            : null
        voters[i] = await enter(url, sessionId, token, watches)
      }
    }),
  )
  const joinMs = performance.now() - began
  const send = (voter: Voter, sampleId: string): Promise<Ack<AckData['submit-feedback']>> => {
    const body = { id: randomUUID(), sessionId, sampleId, humanRating: 7, categories: [], compassionRating: 0.6 }
    return voter.socket
      .timeout(PATIENCE_MS)
      .emitWithAck('submit-feedback', body)
      .catch(() => ({ ok: false, code: 'unavailable', message: 'no acknowledgement' }) as const)
  }
  for (const watcher of voters.slice(0, WATCHERS)) {
    for (const sampleId of samples) {
      const answer = await send(watcher, sampleId)
      if (!answer.ok) throw new Error(`a watcher could not vote: ${answer.message}`)
      ackedIds.push(answer.data.id)
    }
  }
  await sleep(1_000)
  process.send?.({ joined: true } satisfies LoadMessage)

  const crowd = voters.slice(WATCHERS)
  const total = Math.min(Math.round(votesPerSecond * seconds), crowd.length * samples.length)
  const messages = () => voters.reduce((sum, voter) => sum + voter.messages, 0)
  const before = messages()
  const start = performance.now()
  const answers: Promise<void>[] = []
  for (let k = 0; k < total; k++) {
    const due = start + (1_000 * k) / votesPerSecond
    if (due > performance.now()) await sleep(due - performance.now())
    const i = k % crowd.length
    const sampleId = samples[(Math.floor(k / crowd.length) + i) % samples.length]!
    // A generator that is late counts its own lateness: the vote was due then.
    const given: Given = { sampleId, sentAt: due, watcher: k % WATCHERS, votes: undefined }
    unseen[given.watcher]!.add(given)
    answers.push(
      send(crowd[i]!, sampleId).then((answer) => {
        const at = performance.now()
        if (answer.ok) {
          ackMs.push(at - due)
          ackedIds.push(answer.data.id)
          given.votes = answer.data.crowd?.votes ?? 0
          look(given.watcher, at)
        } else {
          refused[answer.code] = (refused[answer.code] ?? 0) + 1
          unseen[given.watcher]!.delete(given)
        }
      }),
    )
    if (k % Math.ceil(votesPerSecond / 4) === 0) process.send?.({ done: k / total } satisfies LoadMessage)
  }
  await Promise.all(answers)
  const final = new Map<string, number>()
  const heard = () => {
    for (const { counts } of voters) for (const [id, n] of counts) final.set(id, Math.max(n, final.get(id) ?? 0))
    return voters.filter(({ counts }) => [...final].every(([id, n]) => counts.get(id) === n)).length
  }
  const told = () => [...final.values()].reduce((sum, n) => sum + n, 0) >= ackedIds.length
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end && !(heard() === voters.length && told());)
    await sleep(20)
  const elapsed = (performance.now() - start) / 1_000
  const messagesPerSocketPerSecond = (messages() - before) / voters.length / elapsed
  const unheard = voters.length - heard()
  for (const { socket } of voters) socket.disconnect()
  return { joinMs, ackMs, seenMs, textMs, refused, ackedIds, messagesPerSocketPerSecond, unheard }
}

/** What a watcher notes of what it receives. */
interface Watches {
  counts: () => void
  text: (pieces: string) => void
}

async function enter(url: string, sessionId: string, token: string, watches: Watches | null): Promise<Voter> {
  const socket: Socket<ServerToClient, ClientToServer> = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: { token },
  })
  const voter: Voter = { socket, counts: new Map(), messages: 0 }
  socket.onAny(() => voter.messages++)
  socket.on('feedback-received', ({ sampleId, votes, others = [] }: RoomEvents['feedback-received']) => {
    for (const tally of [{ sampleId, votes }, ...others])
      if (tally.sampleId !== null) voter.counts.set(tally.sampleId, tally.votes)
    watches?.counts()
  })
  if (watches)
    socket.on('sample-tokens', ({ text, others = [] }: RoomEvents['sample-tokens']) =>
      watches.text([...others.map((piece) => piece.text), text].join('')),
    )
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', (error) => reject(new Error(`a socket was refused: ${error.message}`)))
  })
  const answer = await socket.timeout(PATIENCE_MS).emitWithAck('join-session', sessionId)
  if (!answer.ok) throw new Error(`a socket could not join: ${answer.message}`)
  return voter
}

process.once('message', (job) => {
  run(job as LoadJob).then(
    (result) => process.send?.({ result } satisfies LoadMessage, undefined, undefined, () => process.exit(0)),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
