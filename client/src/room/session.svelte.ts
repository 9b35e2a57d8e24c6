/**
 * One session from this page's side: owns the socket, applies the log's events to
 * the state, and sees every vote through to its acknowledgement.
 */
import { io, type Socket } from 'socket.io-client'
import {
  ratingOf,
  type Ack,
  type AckData,
  type ClientEventName,
  type Receipt,
  type RoomEventName,
  type RoomEvents,
  type Sample,
  type SessionSnapshot,
} from '../../../core/protocol/index.ts'
import { account } from '../account/account.svelte.ts'
import { advice } from '../api.ts'
import { openOutbox, type Outbox, type OutgoingVote } from './outbox.ts'
import { answerTo, refusalOf, waitOf, type Refusal } from '../ui/retry.ts'
import { outgoing, stands, type SentVote } from './sent.ts'
import { sentence } from '../ui/sentence.ts'
import {
  chained,
  emptyState,
  receipted,
  reduce,
  replace,
  roomEventNames,
  voted,
  votedElsewhere,
  withdrawn,
  type SessionState,
} from './state.ts'
import { storage } from '../ui/storage.ts'
import { openTimers } from '../ui/timers.ts'

/**
 * Events are applied together this often, milliseconds: tokens of a whole batch arrive faster than a screen redraws.
 */
const FLUSH_MS = 40
/** An event not acknowledged within this time counts as undelivered, milliseconds. */
const ACK_TIMEOUT_MS = 8_000
/** Delay before resending a vote that the server could not accept, milliseconds. */
const RETRY_MS = 2_000
/** A connection that lasted this long was a good one: the backoff starts over, milliseconds. */
const STABLE_MS = 30_000
/** Delay before a vote that couldn't be begun, as too many others are, may be begun after all, milliseconds. */
const BEGIN_AGAIN_MS = 4_000

/** stopped: the server refuses the connection, and will until the person does something. */
export type Connection = 'connecting' | 'live' | 'offline' | 'stopped' | 'missing'
type Change = (state: SessionState) => SessionState

export class LiveSession {
  readonly id: string
  state = $state.raw<SessionState>(emptyState)
  connection = $state<Connection>('connecting')
  /** The votes given here, oldest first. */
  sent = $state.raw<readonly SentVote[]>([])
  /** A calm sentence about the last thing that failed. */
  notice = $state<string | null>(null)
  /** When the next connection attempt is made, by this browser's clock; null: none is scheduled. */
  retryAt = $state<number | null>(null)
  /** Votes begun while voting was open count until then, by this browser's clock; by sample. */
  begun = $state.raw<Readonly<Record<string, number>>>({})
  /** Notified of a vote that the server didn't accept, so that what was written in it is not lost. */
  onreturned: (vote: OutgoingVote) => void = () => undefined
  /** Samples that need no further vote from here. */
  done = $derived(new Set(this.sent.filter(stands).map((vote) => vote.sampleId)))

  readonly #socket: Socket
  /**
   * Of the person whose socket it is: a vote belongs to whoever was shown the answer, whoever uses the browser by now
   * (rule S5).
   */
  #outbox: Outbox
  /** Whose socket it is; another person in this browser has a separate room (App.svelte). */
  #person: string | null = null
  readonly #unwatch: () => void
  #changes: Change[] = []
  /** Everything scheduled; nothing of it outlives close(). */
  readonly #timers = openTimers()
  #flushing: (() => void) | undefined
  #retrying: (() => void) | undefined
  #reconnecting: (() => void) | undefined
  /** Failed connection attempts since the last good connection. */
  #attempts = 0
  #renewed = false
  #liveSince: number | null = null
  /** Samples whose begun vote the server has been notified of, or is being. */
  readonly #beginning = new Set<string>()
  /** Votes to withdraw as soon as they are acknowledged. */
  readonly #unwanted = new Set<string>()
  /** Votes that may have reached the server. */
  readonly #attempted = new Set<string>()

  constructor(id: string) {
    this.id = id
    this.#outbox = openOutbox(storage, id, account.user)
    this.sent = this.#outbox.all().map(outgoing)
    for (const vote of this.sent) this.#attempted.add(vote.id)
    this.#socket = io({
      autoConnect: false,
      reconnectionDelayMax: 3_000,
      auth: (give) => {
        account.token().then(
          (token) => this.#timers.closed || this.#introduce(token, give),
          (error: unknown) => this.#refused(refusalOf(error)),
        )
      },
    })
    this.#listen()
    this.#socket.connect()
    this.#unwatch = account.watch(() => void this.#reauthenticate())
  }

  close(): void {
    this.#timers.close()
    this.#unwatch()
    this.#socket.disconnect()
  }

  /** Tries to connect now, cancelling any wait. */
  retry(): void {
    if (this.#timers.closed || this.#socket.connected) return
    this.#reconnecting?.()
    this.retryAt = null
    this.notice = null
    this.#renewed = false
    if (this.connection === 'stopped') this.connection = 'offline'
    this.#socket.connect()
  }

  /**
   * The reader begins a vote, by reading the answer or by touching the card: begun while voting is open, it counts for
   * a while after voting has closed. Saying so again changes nothing.
   */
  async begin(sampleId: string): Promise<void> {
    if (this.#beginning.has(sampleId)) return
    this.#beginning.add(sampleId)
    const answer = await this.#request('begin-vote', { sessionId: this.id, sampleId })
    if (answer.ok && answer.data.countsForMs !== null)
      this.begun = { ...this.begun, [sampleId]: Date.now() + answer.data.countsForMs }
    // Not begun: it was said to nobody, or others have to be cast first.
    else this.#timers.later(answer.ok ? BEGIN_AGAIN_MS : 0, () => this.#beginning.delete(sampleId))
  }

  /** Accepts the vote; it is kept until the server has acknowledged it, whatever the connection does. */
  submit(vote: OutgoingVote): void {
    this.#outbox.add(vote)
    this.sent = [...this.sent, outgoing(vote)]
    if (this.connection === 'live') void this.#send(vote)
  }

  /** Withdraws a vote: at once if it was never sent, otherwise by asking the server (rule V5). */
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

  /** Asks the model; the id of the sample that will hold its answer, or null if the server refused. */
  async ask(prompt: string): Promise<string | null> {
    const answer = await this.#request('ask', { sessionId: this.id, prompt })
    if (answer.ok) return answer.data.sampleId
    this.notice = sentence(advice(answer.code, answer.message))
    return null
  }

  /** The socket is opened for one person, and never reused for another. */
  #introduce(token: string, give: (auth: { token: string }) => void): void {
    const userId = account.user?.userId ?? null
    if (this.#person === null) this.#outbox = openOutbox(storage, this.id, account.user)
    this.#person ??= userId
    if (this.#person === userId) give({ token })
  }

  /** The sign-in has a new token: the open socket continues with it, and a refused one tries again. */
  async #reauthenticate(): Promise<void> {
    if (account.ended || this.#person === null || account.user?.userId !== this.#person) return
    if (this.#socket.connected) await this.#request('authenticate', { token: await account.token() })
    else if (!this.#socket.active) this.#socket.connect()
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('connect', () => void this.#join())
    socket.on('disconnect', (reason) => {
      this.#lost()
      // The socket does not reconnect by itself after the server ended or refused the connection.
      if (reason === 'io server disconnect')
        this.#waitFor({ code: 'unavailable', message: 'The server has closed the connection.' })
    })
    socket.on('connect_error', (error) => {
      this.#lost()
      if (!socket.active) this.#refused(refusalOf(error))
    })
    for (const event of roomEventNames) this.#relay(event)
    socket.on('session-snapshot', (snapshot: SessionSnapshot) => this.#apply((state) => replace(state, snapshot)))
    socket.on('presence', ({ raters }: { raters: number }) => this.#apply((state) => ({ ...state, raters })))
    socket.on('exclusion', ({ sessionId, reason }: { sessionId: string; reason: string | null }) => {
      if (sessionId === this.id) this.#apply((state) => ({ ...state, exclusion: reason }))
    })
    socket.on('receipt', (receipt: Receipt) => this.#receipted(receipt))
    socket.on('own-vote', ({ sampleId, mine }: { sampleId: string; mine: Sample['mine'] }) =>
      this.#votedElsewhere(sampleId, mine),
    )
    socket.on('recorded', ({ feedbackId, epochId, txHash }: { feedbackId: string; epochId: number; txHash: string }) =>
      this.#apply((state) => chained(state, feedbackId, { epochId, txHash })),
    )
  }

  #relay<E extends RoomEventName>(event: E): void {
    this.#socket.on<string>(event, (payload: RoomEvents[E] & { seq: string }) =>
      this.#apply((state) => reduce(state, event, payload)),
    )
  }

  #apply(change: Change): void {
    this.#changes.push(change)
    this.#flushing ??= this.#timers.later(FLUSH_MS, () => this.#flush())
  }

  #flush(): void {
    this.#flushing?.()
    this.#flushing = undefined
    const changes = this.#changes
    this.#changes = []
    this.state = changes.reduce((state, change) => change(state), this.state)
  }

  async #join(): Promise<void> {
    this.#flush()
    const since = this.state.seq
    const answer = await this.#request('join-session', since ? { sessionId: this.id, since } : { sessionId: this.id })
    if (this.#timers.closed) return
    this.#flush()
    if (answer.ok) {
      this.connection = 'live'
      this.notice = null
      this.retryAt = null
      this.#renewed = false
      this.#liveSince = Date.now()
      await this.#sendAll()
    } else if (answer.code === 'not-found') {
      this.connection = 'missing'
    } else if (answerTo(answer, true) === 'stop') {
      this.#stopped(answer)
    } else {
      this.notice = sentence(advice(answer.code, answer.message))
      if (this.#socket.connected)
        this.#timers.later(waitOf(this.#attempts++, answer, Math.random()), () => void this.#join())
    }
  }

  #lost(): void {
    if (this.connection !== 'missing' && this.connection !== 'stopped') this.connection = 'offline'
    if (this.#liveSince !== null && Date.now() - this.#liveSince > STABLE_MS) this.#attempts = 0
    this.#liveSince = null
    this.sent = this.sent.map((vote) => (vote.state === 'sending' ? { ...vote, state: 'waiting' } : vote))
  }

  #refused(refusal: Refusal): void {
    if (this.#timers.closed) return
    this.connection = 'offline'
    switch (answerTo(refusal, this.#renewed)) {
      case 'stop':
        return this.#stopped(refusal)
      case 'wait':
        return this.#waitFor(refusal)
      case 'renew':
        this.#renewed = true
        account.renew().then(
          () => this.#timers.closed || this.#socket.connect(),
          (reason: unknown) => this.#refused(refusalOf(reason)),
        )
    }
  }

  #waitFor(refusal: Refusal): void {
    if (this.#timers.closed) return
    const ms = waitOf(this.#attempts++, refusal, Math.random())
    this.notice = sentence(refusal.message)
    this.retryAt = Date.now() + ms
    this.#reconnecting?.()
    this.#reconnecting = this.#timers.later(ms, () => {
      this.retryAt = null
      this.#socket.connect()
    })
  }

  #stopped({ code, message }: Refusal): void {
    this.connection = 'stopped'
    this.retryAt = null
    this.notice = sentence(code === 'unauthenticated' ? message : advice(code, message))
    this.#socket.disconnect()
  }

  /** One that was on its way when its vote was withdrawn is void. */
  #receipted(receipt: Receipt): void {
    const vote = this.sent.find(({ id }) => id === receipt.feedbackId)
    if (vote === undefined || stands(vote)) this.#apply((state) => receipted(state, receipt))
  }

  /** In another tab, or on another device; a vote from this page is seen through here. */
  #votedElsewhere(sampleId: string, mine: Sample['mine']): void {
    const here = this.sent.find((vote) => vote.sampleId === sampleId && stands(vote))
    if (mine === null && here?.state === 'stored')
      this.#mark({ id: here.id, sampleId, rating: here.rating, state: 'withdrawn' })
    if (mine !== null || here?.state !== 'sending') this.#apply((state) => votedElsewhere(state, sampleId, mine))
  }

  async #sendAll(): Promise<void> {
    this.#retrying?.()
    this.#retrying = undefined
    for (const vote of this.#outbox.all()) {
      if (this.connection !== 'live' || this.#timers.closed) return
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
      const { value, crowd, late = false } = answer.data
      const stored: SentVote = { ...outgoing(vote), state: 'stored', storedAt: Date.now(), value, late }
      this.#mark(stored)
      const said = ratingOf(vote)
      const mine = {
        feedbackId: vote.id,
        humanRating: said.humanRating,
        compassionRating: said.compassionRating ?? null,
      }
      this.#apply((state) => voted(state, vote.sampleId, mine, crowd))
      if (this.#unwanted.delete(vote.id)) await this.#withdrawStored(stored)
    } else if (isPassing(answer.code)) {
      this.#mark(outgoing(vote))
      this.#retrying ??= this.#timers.later(RETRY_MS, () => void this.#sendAll())
    } else {
      this.#outbox.remove(vote.id)
      const reason = sentence(advice(answer.code, answer.message))
      this.#mark({ ...outgoing(vote), state: 'refused', reason })
      this.notice = `Your vote was not accepted. ${reason}`
      this.onreturned(vote)
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
      this.notice = `Your vote could not be withdrawn. ${sentence(advice(answer.code, answer.message))}`
    }
  }

  #mark(vote: SentVote): void {
    const known = this.sent.some((v) => v.id === vote.id)
    this.sent = known ? this.sent.map((v) => (v.id === vote.id ? vote : v)) : [...this.sent, vote]
  }

  /** Sends an event and waits for its acknowledgement; a lost connection gives `unavailable`. */
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

/** Transient refusals: the vote is kept and sent again. */
const isPassing = (code: string): boolean =>
  code === 'unavailable' || code === 'too-frequent' || code === 'internal' || code === 'unauthenticated'
