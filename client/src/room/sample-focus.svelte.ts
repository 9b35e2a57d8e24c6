/**
 * Which answer is in front of the reader. It stays there, whatever happens to it, until the reader moves on: by voting,
 * by skipping it, by choosing another. Nothing else replaces what somebody may be reading; a key pressed then would
 * apply to an answer that they have not read.
 */
import type { Sample } from '../../../core/protocol/index.ts'
import { nextSample } from './queue.ts'
import type { LiveSession } from './session.svelte.ts'

/** What SampleFocus needs of a session. */
type Room = Pick<LiveSession, 'state' | 'done'>

export class SampleFocus {
  readonly #room: Room
  #focusId = $state<string | null>(null)
  /** The reader has moved on: the next answer comes as soon as there is one. */
  #free = $state(true)
  /** The reader has begun a vote on it. */
  #held = $state(false)
  #skipped = $state.raw<ReadonlySet<string>>(new Set())
  #asked = $state.raw<ReadonlySet<string>>(new Set())
  #seen = $state.raw<ReadonlySet<string>>(new Set())
  /** The reader has asked a question and done nothing since: its answer is what they wait for. */
  #expecting = false
  #presented: string | null = null
  /** The answer as it was last known: the room forgets old ones, but the reader's stays. */
  #known = $state.raw<Sample | null>(null)

  constructor(room: Room, skipped: readonly string[] = []) {
    this.#room = room
    this.#skipped = new Set(skipped)
  }

  /** Samples that need no further vote from here. */
  readonly done = $derived.by(() => new Set([...this.#room.done, ...this.#skipped]))
  readonly #found: Sample | undefined = $derived.by(() =>
    this.#room.state.samples.find(({ id }) => id === this.#focusId),
  )
  readonly sample: Sample | null = $derived.by(
    () => this.#found ?? (this.#known?.id === this.#focusId ? this.#known : null),
  )
  /** Where the page would go next. */
  readonly next: Sample | null = $derived.by(() =>
    nextSample(
      this.#room.state.samples.filter(({ id }) => id !== this.#focusId),
      this.#room.state.votes,
      { done: this.done, asked: this.#asked },
    ),
  )
  /** Answers to the reader's own questions, once they have begun. */
  readonly answers = $derived.by(() =>
    this.#room.state.samples.filter(({ id, status }) => this.#asked.has(id) && status !== 'queued'),
  )
  /** The reader's questions that the model has not begun to answer. */
  readonly waiting = $derived.by(() => this.#asked.size - this.answers.length)
  /** The answer to the reader's own question, if it has begun and they have not seen it. */
  readonly unseen: Sample | null = $derived.by(
    () => this.answers.findLast(({ id }) => id !== this.#focusId && !this.#seen.has(id)) ?? null,
  )

  /** It answers the reader's own question. */
  isAsked(id: string): boolean {
    return this.#asked.has(id)
  }

  /**
   * Brings the next answer if the reader has moved on, or the one to their own question if they have done nothing but
   * wait for it, with no vote begun. True if it brought the latter.
   */
  follow(): boolean {
    this.#known = this.#found ?? this.#known
    const answer = this.unseen
    if (answer && answer.id !== this.#presented && (this.#free || (this.#expecting && !this.#held))) {
      this.#presented = answer.id
      this.#show(answer.id)
      return true
    }
    if (this.#free && this.next) this.#show(this.next.id)
    return false
  }

  /** The reader acts: it applies to what is in front of them. */
  stir(): void {
    this.#expecting = false
  }

  /** The reader is working on this answer. */
  hold(): void {
    this.#held = true
    this.#free = false
    this.#expecting = false
  }

  /** The reader is done with this answer. */
  release(): void {
    this.#held = false
    this.#free = true
  }

  pick(id: string): void {
    this.#show(id)
  }

  /** Back to an answer whose vote was withdrawn, unless another vote has been begun. */
  returnTo(id: string): void {
    if (!this.#held) this.#show(id)
  }

  skip(): void {
    if (this.#focusId !== null) this.#skipped = new Set([...this.#skipped, this.#focusId])
    this.release()
  }

  get skipped(): ReadonlySet<string> {
    return this.#skipped
  }

  /** Back to an answer that was skipped by mistake. */
  unskip(id: string): void {
    this.#skipped = new Set([...this.#skipped].filter((one) => one !== id))
    this.#show(id)
  }

  asked(id: string): void {
    this.#asked = new Set([...this.#asked, id])
    this.#expecting = true
  }

  #show(id: string): void {
    this.#focusId = id
    this.#free = false
    this.#held = false
    this.#expecting = false
    this.#seen = new Set([...this.#seen, id])
  }
}
