/** One simulated rater: a real guest on a real socket, who reads, thinks and votes like the page does. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import type {
  Ack,
  AckData,
  ClientToServer,
  ErrorCode,
  Receipt,
  ServerToClient,
  TrainingConfig,
  Vote,
} from '../../core/protocol/index.ts'
import { rate } from '../pretrain/oracle.ts'
import { hash, seededRandom } from '../pretrain/random.ts'
import { receiptsOf, type Account } from './account.ts'
import { openBoard, type Board, type SeenSample } from './board.ts'
import { judge, type Temper } from './judge.ts'
import { nextCandidate, reactionMs, type Pace } from './pace.ts'

/** The outcome of one vote. Times are milliseconds since the epoch. */
export interface VoteRecord {
  id: string
  raterId: string
  sampleId: string
  /** The step of its sample. */
  step: number
  /** First sending. */
  sentAt: number
  ackedAt: number | null
  withdrawn: boolean
  /** Why the server never accepted it. */
  refused: ErrorCode | null
  receipt: Receipt | null
  /**
   * How long the vote took until it was first in the weights, milliseconds; the receipt's `latencyMs` is longer if its
   * step has been made again since.
   */
  firstUsedMs: number | null
}

export interface RaterOptions {
  url: string
  account: Account
  sessionId: string
  configuration: TrainingConfig
  /** By what they vote now. */
  temper: () => Temper
  noise: number
  pace: Pace
  /** Share of the votes that are withdrawn. */
  withdrawn: number
  /** Called before each vote; this rater goes home at the first false. */
  mayVote: () => boolean
  /** Seeds everything in this rater's behaviour that does not follow from the stream. */
  seed: string
}

export interface Rater {
  readonly board: Board
  readonly votes: readonly VoteRecord[]
  /** Refusals by code, transient ones included. */
  readonly refusals: ReadonlyMap<string, number>
  readonly counts: {
    /** Events received. */
    events: number
    /** Answers whose voting closed while they were being read. */
    tooLate: number
    /** Reconnections. */
    reconnects: number
    /** Joins that received a catch-up, and those that received a new snapshot. */
    caughtUp: number
    snapshots: number
  }
  readonly connected: boolean
  /** How the session ended, if it did: there is nothing left to vote on. */
  readonly ended: string | null
  /** Reads and votes until aborted; then finishes the vote in progress. */
  work: (signal: AbortSignal) => Promise<void>
  /** Completes the receipts from the server's list of them. */
  fetchReceipts: () => Promise<void>
  close: () => void
}

/** An unacknowledged message is sent again after this long, milliseconds. */
const ACK_TIMEOUT_MS = 8_000
/** Delay before resending a vote that the server could not accept; polling interval of an idle rater, milliseconds. */
const RETRY_MS = 1_000
const IDLE_MS = 100
/** At the end of the work, a vote that the server has not accepted for this long is given up, milliseconds. */
const PATIENCE_MS = 60_000
/** Deviation of a rater's leniency, on the scale 0…1. */
const LENIENCY = 0.04

export function openRater(options: RaterOptions): Rater {
  const { account, sessionId, configuration, seed } = options
  const board = openBoard()
  const votes: VoteRecord[] = []
  const byId = new Map<string, VoteRecord>()
  const refusals = new Map<string, number>()
  const counts = { events: 0, tooLate: 0, reconnects: 0, caughtUp: 0, snapshots: 0 }
  const leniency = LENIENCY * (2 * seededRandom(hash(seed))() - 1) * Math.sqrt(3)
  const voted = new Set<string>()
  let since: string | undefined
  let joined = false
  let closed = false
  let ended: string | null = null

  const socket: Socket<ServerToClient, ClientToServer> = io(options.url, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelay: 300,
    reconnectionDelayMax: 2_000,
    auth: (give) => {
      account.token().then(
        (token) => give({ token }),
        // The handshake is refused for lack of a token and tried again by `connect_error`.
        () => give({}),
      )
    },
  })
  const refuse = (code: string) => refusals.set(code, (refusals.get(code) ?? 0) + 1)
  const note = (receipt: Receipt) => {
    const vote = byId.get(receipt.feedbackId)
    if (!vote) return
    vote.receipt = receipt
    vote.firstUsedMs ??= receipt.latencyMs
  }

  socket.onAny((_event: string, payload: unknown) => {
    counts.events++
    if (typeof payload === 'object' && payload !== null && 'seq' in payload) since = String(payload.seq)
  })
  socket.on('session-snapshot', (snapshot) => {
    counts.snapshots++
    board.snapshot(snapshot)
    for (const sample of snapshot.samples) if (sample.mine) voted.add(sample.id)
    for (const receipt of snapshot.receipts) note(receipt)
    const { status, error } = snapshot.session
    if (status === 'failed' || status === 'completed') ended = error ?? status
  })
  socket.on('training-failed', ({ error }) => (ended = error))
  socket.on('training-completed', () => (ended = 'completed'))
  socket.on('sample-started', board.started)
  socket.on('sample-ready', board.ready)
  socket.on('voting-closed', board.closed)
  socket.on('feedback-received', board.counted)
  socket.on('feedback-withdrawn', board.counted)
  socket.on('receipt', note)
  socket.on('disconnect', () => (joined = false))
  socket.on('connect', () => void join())
  socket.on('connect_error', () => {
    // The socket reconnects by itself if the server is unreachable, not if it refused.
    if (!socket.active && !closed) setTimeout(() => !closed && socket.connect(), RETRY_MS)
  })

  async function join(): Promise<void> {
    if (since !== undefined) counts.reconnects++
    while (socket.connected && !joined && !closed) {
      const again = since !== undefined
      const body = since === undefined ? { sessionId } : { sessionId, since }
      const answer = await ask<'join-session'>(socket, (ack) => socket.emit('join-session', body, ack))
      if (answer.ok) {
        since = answer.data.seq
        joined = true
        if (again && answer.data.caughtUp) counts.caughtUp++
      } else {
        refuse(`join: ${answer.code}`)
        await sleep(RETRY_MS)
      }
    }
  }

  async function work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && ended === null) {
      const waiting = board.open().filter((sample) => !voted.has(sample.id))
      const sample = joined ? nextCandidate(waiting, (id) => hash(`${seed}:order:${id}`)) : null
      if (sample === null) {
        await rest(IDLE_MS, signal)
        continue
      }
      // As the page does for somebody who reads an answer: a vote begun in time counts, although voting has closed.
      const begun = ask<'begin-vote'>(socket, (ack) =>
        socket.emit('begin-vote', { sessionId, sampleId: sample.id }, ack),
      )
      await rest(reactionMs(options.pace, seededRandom(hash(`${seed}:pace:${sample.id}`))), signal)
      if (signal.aborted) return
      const answer = await begun
      const inTime = answer.ok && answer.data.countsForMs !== null
      if (!inTime && board.samples.get(sample.id)?.status !== 'open') {
        counts.tooLate++
        voted.add(sample.id)
      } else if (options.mayVote()) await vote(sample, signal)
      else return
    }
  }

  async function vote(sample: SeenSample, signal: AbortSignal): Promise<void> {
    const { categories, tags } = configuration.live
    const random = seededRandom(hash(`${seed}:vote:${sample.id}`))
    const { noise } = options
    const ballot = judge(
      rate(sample.prompt, sample.response),
      { temper: options.temper(), noise, leniency, categories, tags },
      random,
    )
    const body = { id: randomUUID(), sessionId, sampleId: sample.id, ...ballot } satisfies Vote
    const record: VoteRecord = {
      id: body.id,
      raterId: account.userId,
      sampleId: sample.id,
      step: sample.step,
      sentAt: Date.now(),
      ackedAt: null,
      withdrawn: false,
      refused: null,
      receipt: null,
      firstUsedMs: null,
    }
    votes.push(record)
    byId.set(record.id, record)
    voted.add(sample.id)
    // Keeps its id through a lost connection, so sending it again is the same vote (rule V2).
    const givenUp = () => signal.aborted && Date.now() - record.sentAt > PATIENCE_MS
    while (!closed && !givenUp()) {
      if (!joined) {
        await sleep(IDLE_MS)
        continue
      }
      const answer = await ask<'submit-feedback'>(socket, (ack) => socket.emit('submit-feedback', body, ack))
      if (answer.ok) {
        record.ackedAt = Date.now()
        if (random() < options.withdrawn) await withdraw(record, 1_000 + 5_000 * random(), signal)
        return
      }
      refuse(answer.code)
      if (!isPassing(answer.code)) {
        record.refused = answer.code
        return
      }
      await sleep(RETRY_MS)
    }
  }

  async function withdraw(record: VoteRecord, afterMs: number, signal: AbortSignal): Promise<void> {
    await rest(afterMs, signal)
    const answer = await ask<'withdraw-feedback'>(socket, (ack) => socket.emit('withdraw-feedback', record.id, ack))
    if (answer.ok) record.withdrawn = true
    else refuse(answer.code)
  }

  return {
    board,
    votes,
    refusals,
    counts,
    get connected() {
      return joined
    },
    get ended() {
      return ended
    },
    work,
    async fetchReceipts() {
      for (const receipt of await receiptsOf(account, sessionId)) note(receipt)
    },
    close() {
      closed = true
      socket.disconnect()
    },
  }
}

type Acknowledge<E extends keyof AckData> = (answer: Ack<AckData[E]>) => void

/** An acknowledgement, or `unavailable` if the connection breaks or none comes in time. */
function ask<E extends keyof AckData>(socket: Socket, send: (ack: Acknowledge<E>) => void): Promise<Ack<AckData[E]>> {
  return new Promise((resolve) => {
    const end = (answer: Ack<AckData[E]>) => {
      clearTimeout(timer)
      socket.off('disconnect', lost)
      resolve(answer)
    }
    const lost = () => end({ ok: false, code: 'unavailable', message: 'no acknowledgement' })
    const timer = setTimeout(lost, ACK_TIMEOUT_MS)
    socket.once('disconnect', lost)
    send(end)
  })
}

/** Ends early, without an error, when the work is over. */
const rest = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined)
/** Transient refusals. */
const isPassing = (code: ErrorCode): boolean => code === 'unavailable' || code === 'too-frequent' || code === 'internal'
