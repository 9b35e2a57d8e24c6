/** Which answer is before the reader, and when the page moves on to another. */
import type { Sample } from '../../server/protocol.ts'
import { nextSample } from './queue.ts'
import type { LiveSession } from './session.svelte.ts'

export class Reading {
  readonly #room: LiveSession
  #focusId = $state<string | null>(null)
  /** The reader has begun a vote on it, or chose it: it stays. */
  #held = $state(false)
  #skipped = $state.raw<ReadonlySet<string>>(new Set())
  #asked = $state.raw<ReadonlySet<string>>(new Set())
  #presented: string | null = null

  constructor(room: LiveSession) {
    this.#room = room
  }

  /** Samples that need no vote from here any more. */
  readonly done = $derived.by(() => new Set([...this.#room.done, ...this.#skipped]))
  readonly sample: Sample | null = $derived.by(() => this.#room.state.samples.find(({ id }) => id === this.#focusId) ?? null)
  /** Where the page would go next. */
  readonly next: Sample | null = $derived.by(() =>
    nextSample(this.#room.state.samples, this.#room.state.votes, { done: this.done, asked: this.#asked }),
  )
  /** Answers to the reader's own questions, once they have begun. */
  readonly answers = $derived.by(() =>
    this.#room.state.samples.filter(({ id, status }) => this.#asked.has(id) && status !== 'queued'),
  )
  /** Questions of the reader's that the model has not begun to answer. */
  readonly waiting = $derived.by(() => this.#asked.size - this.answers.length)

  /** It answers the reader's own question. */
  isAsked(id: string): boolean {
    return this.#asked.has(id)
  }

  /**
   * Moves on once the answer is dealt with, or its step is over and the reader is only `watching`;
   * to the answer of the reader's own question as soon as it begins. True where it moved there.
   */
  follow(watching: boolean): boolean {
    const answer = this.answers.at(-1)
    if (answer && answer.id !== this.#presented && !this.#held) {
      this.#presented = answer.id
      this.#focusId = answer.id
      return true
    }
    const { sample, next } = this
    if (!next || next.id === this.#focusId || (this.#held && sample)) return false
    const over = sample === null || sample.mine !== null || this.done.has(sample.id) || sample.status === 'failed'
    const stale = sample?.status === 'closed' && watching && next.step > sample.step
    if (over || stale) this.#focusId = next.id
    return false
  }

  /** The reader works on this answer. */
  hold(): void {
    this.#held = true
  }

  /** The reader is done with this answer. */
  release(): void {
    this.#held = false
  }

  pick(id: string): void {
    this.#focusId = id
    this.#held = true
  }

  /** Back to an answer whose vote was withdrawn, unless another vote has been begun. */
  returnTo(id: string): void {
    if (!this.#held) this.#focusId = id
  }

  skip(): void {
    if (this.#focusId !== null) this.#skipped = new Set([...this.#skipped, this.#focusId])
    this.release()
  }

  asked(id: string): void {
    this.#asked = new Set([...this.#asked, id])
  }
}
