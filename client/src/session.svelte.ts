/**
 * One session as this page lives it: owns the socket, applies the log's events
 * to the state, and sees every vote through to its acknowledgement.
 */
import { io, type Socket } from 'socket.io-client'
import type { Ack, AckData, ClientEventName, Receipt, RoomEventName, RoomEvents, SessionSnapshot } from '../../server/protocol.ts'
import { account } from './account.svelte.ts'
import { advice } from './api.ts'
import { openOutbox, type Outbox, type OutgoingVote } from './outbox.ts'
import { outgoing, stands, type SentVote } from './sent.ts'
import { chained, emptyState, receipted, reduce, replace, roomEventNames, voted, withdrawn, type SessionState } from './state.ts'

/** Events are applied together this often, milliseconds: tokens of a whole batch arrive faster than a screen redraws. */
const FLUSH_MS = 40
/** An event not acknowledged within this time counts as not delivered, milliseconds. */
const ACK_TIMEOUT_MS = 8_000
/** Before a vote that the server could not take is sent again, milliseconds. */
const RETRY_MS = 2_000

export type Connection = 'connecting' | 'live' | 'offline' | 'missing'
type Change = (state: SessionState) => SessionState

export class LiveSession {
  readonly id: string
  state = $state.raw<SessionState>(emptyState)
  connection = $state<Connection>('connecting')
  /** The votes given here, oldest first. */
  sent = $state.raw<readonly SentVote[]>([])
  /** A calm sentence about the last thing that did not work. */
  notice = $state<string | null>(null)
  /** Samples that need no vote from here any more. */
  done = $derived(new Set(this.sent.filter(stands).map((vote) => vote.sampleId)))

  readonly #socket: Socket
  /** Of the person whose socket it is: a vote is of who was shown the answer, whoever uses the browser by now (rule S5). */
  #outbox: Outbox
  /** Whose socket it is; another person in this browser has a room of their own (App.svelte). */
  #person: string | null = null
  readonly #unwatch: () => void
  #changes: Change[] = []
  #flushing: ReturnType<typeof setTimeout> | undefined
  #retrying: ReturnType<typeof setTimeout> | undefined
  /** Votes to withdraw as soon as they are acknowledged. */
  readonly #unwanted = new Set<string>()
  /** Votes that may have reached the server. */
  readonly #attempted = new Set<string>()

  constructor(id: string) {
    this.id = id
    this.#outbox = openOutbox(localStorage, id, account.user)
    this.sent = this.#outbox.all().map(outgoing)
    for (const vote of this.sent) this.#attempted.add(vote.id)
    this.#socket = io({
      autoConnect: false,
      reconnectionDelayMax: 3_000,
      auth: (give) => {
        account.token().then(
          (token) => this.#introduce(token, give),
          (error: unknown) => this.#refused(error),
        )
      },
    })
    this.#listen()
    this.#socket.connect()
    this.#unwatch = account.watch(() => void this.#renewed())
  }

  close(): void {
    clearTimeout(this.#flushing)
    clearTimeout(this.#retrying)
    this.#unwatch()
    this.#socket.disconnect()
  }

  /** Takes the vote; it is kept until the server has acknowledged it, whatever the connection does. */
  submit(vote: OutgoingVote): void {
    this.#outbox.add(vote)
    this.sent = [...this.sent, outgoing(vote)]
    if (this.connection === 'live') void this.#send(vote)
  }

  /** Withdraws a vote: at once where it was never sent, otherwise by asking the server (rule V5). */
  async withdraw(id: string): Promise<void> {
    const vote = this.sent.find((v) => v.id === id)
    if (!vote) return
    if (vote.state === 'waiting' && !this.#attempted.has(id)) {
      this.#outbox.remove(id)
      this.#mark({ id, sampleId: vote.sampleId, rating: vote.rating, state: 'withdrawn' })
    } else if (vote.state === 'waiting' || vote.state === 'sending') {
      // It may be stored already: known once it is acknowledged.
      this.#unwanted.add(id)
      if (this.connection !== 'live') this.notice = 'Your vote will be withdrawn as soon as the connection is back.'
    } else if (vote.state === 'stored') {
      await this.#withdrawStored(vote)
    }
  }

  /** Asks the model; the id of the sample that will hold its answer, or null where the server refused. */
  async ask(prompt: string): Promise<string | null> {
    const answer = await this.#request('ask', { sessionId: this.id, prompt })
    if (answer.ok) return answer.data.sampleId
    this.notice = advice(answer.code, answer.message)
    return null
  }

  /** The socket is opened for one person, and for no other one afterwards. */
  #introduce(token: string, give: (auth: { token: string }) => void): void {
    const userId = account.user?.userId ?? null
    if (this.#person === null) this.#outbox = openOutbox(localStorage, this.id, account.user)
    this.#person ??= userId
    if (this.#person === userId) give({ token })
  }

  /** The sign-in has a new token: the open socket goes on with it, and one that was refused tries again. */
  async #renewed(): Promise<void> {
    if (account.ended || this.#person === null || account.user?.userId !== this.#person) return
    if (this.#socket.connected) await this.#request('authenticate', { token: await account.token() })
    else if (!this.#socket.active) this.#socket.connect()
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('connect', () => void this.#join())
    socket.on('disconnect', (reason) => {
      this.#lost()
      // The server ended it, because the sign-in has ended perhaps: the socket does not come back by itself.
      if (reason === 'io server disconnect') this.#refused(new Error('The server has closed the connection.'))
    })
    socket.on('connect_error', (error) => {
      this.#lost()
      // A refused handshake is not tried again by the socket itself.
      if (!socket.active) this.#refused(error, patienceOf(error))
    })
    for (const event of roomEventNames) this.#relay(event)
    socket.on('session-snapshot', (snapshot: SessionSnapshot) => this.#apply((state) => replace(state, snapshot)))
    socket.on('presence', ({ raters }: { raters: number }) => this.#apply((state) => ({ ...state, raters })))
    socket.on('exclusion', ({ sessionId, reason }: { sessionId: string; reason: string | null }) => {
      if (sessionId === this.id) this.#apply((state) => ({ ...state, exclusion: reason }))
    })
    socket.on('receipt', (receipt: Receipt) => this.#apply((state) => receipted(state, receipt)))
    socket.on('recorded', ({ feedbackId, epochId, txHash }: { feedbackId: string; epochId: number; txHash: string }) =>
      this.#apply((state) => chained(state, feedbackId, { epochId, txHash })),
    )
  }

  #relay<E extends RoomEventName>(event: E): void {
    this.#socket.on(event as string, (payload: RoomEvents[E] & { seq: string }) =>
      this.#apply((state) => reduce(state, event, payload)),
    )
  }

  #apply(change: Change): void {
    this.#changes.push(change)
    this.#flushing ??= setTimeout(() => this.#flush(), FLUSH_MS)
  }

  #flush(): void {
    clearTimeout(this.#flushing)
    this.#flushing = undefined
    const changes = this.#changes
    this.#changes = []
    this.state = changes.reduce((state, change) => change(state), this.state)
  }

  async #join(): Promise<void> {
    this.#flush()
    const since = this.state.seq
    const answer = await this.#request('join-session', since ? { sessionId: this.id, since } : { sessionId: this.id })
    this.#flush()
    if (answer.ok) {
      this.connection = 'live'
      this.notice = null
      await this.#sendAll()
    } else if (answer.code === 'not-found') {
      this.connection = 'missing'
    } else {
      this.notice = advice(answer.code, answer.message)
      if (this.#socket.connected) setTimeout(() => void this.#join(), RETRY_MS)
    }
  }

  #lost(): void {
    if (this.connection !== 'missing') this.connection = 'offline'
    this.sent = this.sent.map((vote) => (vote.state === 'sending' ? { ...vote, state: 'waiting' } : vote))
  }

  /** @param patience before the next try, milliseconds: as long as the server asks for, where it does */
  #refused(error: unknown, patience = RETRY_MS): void {
    this.connection = 'offline'
    // Of a sign-in that has ended, the page itself says what to do (WhoseVotes.svelte).
    this.notice = account.ended ? null : error instanceof Error ? error.message : String(error)
    setTimeout(() => {
      account.renew().then(
        () => this.#socket.connect(),
        (reason: unknown) => this.#refused(reason),
      )
    }, patience)
  }

  async #sendAll(): Promise<void> {
    this.#retrying = undefined
    for (const vote of this.#outbox.all()) {
      if (this.connection !== 'live') return
      await this.#send(vote)
    }
  }

  async #send(vote: OutgoingVote): Promise<void> {
    if (this.sent.find((v) => v.id === vote.id)?.state === 'sending') return
    this.#attempted.add(vote.id)
    this.#mark({ ...outgoing(vote), state: 'sending' })
    const answer = await this.#request('submit-feedback', vote)
    if (answer.ok) {
      this.#outbox.remove(vote.id)
      const { value, crowd } = answer.data
      const stored: SentVote = { ...outgoing(vote), state: 'stored', storedAt: Date.now(), value }
      this.#mark(stored)
      const mine = { feedbackId: vote.id, humanRating: vote.humanRating, compassionRating: vote.compassionRating ?? null }
      this.#apply((state) => voted(state, vote.sampleId, mine, crowd))
      if (this.#unwanted.delete(vote.id)) await this.#withdrawStored(stored)
    } else if (isPassing(answer.code)) {
      this.#mark(outgoing(vote))
      this.#retrying ??= setTimeout(() => void this.#sendAll(), RETRY_MS)
    } else {
      this.#outbox.remove(vote.id)
      this.#mark({ ...outgoing(vote), state: 'refused', reason: answer.message })
      this.notice = `Your vote was not taken: ${advice(answer.code, answer.message)}`
    }
  }

  async #withdrawStored(vote: SentVote & { state: 'stored' | 'withdrawing' }): Promise<void> {
    this.#mark({ ...vote, state: 'withdrawing' })
    const answer = await this.#request('withdraw-feedback', vote.id)
    if (answer.ok) {
      this.#mark({ id: vote.id, sampleId: vote.sampleId, rating: vote.rating, state: 'withdrawn' })
      this.#apply((state) => withdrawn(state, vote.id))
      this.#flush()
    } else {
      this.#mark({ ...vote, state: 'stored' })
      this.notice = `Your vote could not be withdrawn: ${advice(answer.code, answer.message)}`
    }
  }

  #mark(vote: SentVote): void {
    const known = this.sent.some((v) => v.id === vote.id)
    this.sent = known ? this.sent.map((v) => (v.id === vote.id ? vote : v)) : [...this.sent, vote]
  }

  /** Sends an event and waits for its acknowledgement; a lost connection answers `unavailable`. */
  #request<E extends ClientEventName>(event: E, body: unknown): Promise<Ack<AckData[E]>> {
    const lost = { ok: false, code: 'unavailable', message: 'The connection was lost.' } as const
    if (!this.#socket.connected) return Promise.resolve(lost)
    return new Promise((resolve) => {
      this.#socket.timeout(ACK_TIMEOUT_MS).emit(event, body, (error: Error | null, answer: Ack<AckData[E]>) => {
        resolve(error ? lost : answer)
      })
    })
  }
}

/** How long the server asks a refused client to wait, milliseconds; undefined where it doesn't say. */
function patienceOf(error: Error & { data?: { retryAfter?: number } }): number | undefined {
  const seconds = error.data?.retryAfter
  return seconds === undefined ? undefined : seconds * 1_000
}

/** Refusals that pass by themselves: the vote is kept and sent again. */
const isPassing = (code: string): boolean =>
  code === 'unavailable' || code === 'too-frequent' || code === 'internal' || code === 'unauthenticated'
