import { messageOf, sentence } from './sentence.ts'

/** Something that a person requests and that may fail: whether it is in progress, and what to say about its outcome. */
export class Attempt {
  busy = $state(false)
  problem = $state<string | null>(null)
  /** Shown once it has worked. */
  note = $state<string | null>(null)

  /** Does nothing while it is busy. What `work` resolves to is the note. */
  async run(work: () => Promise<string | void>): Promise<void> {
    if (this.busy) return
    this.busy = true
    this.clear()
    try {
      this.note = (await work()) ?? null
    } catch (error) {
      this.problem = sentence(messageOf(error))
    } finally {
      this.busy = false
    }
  }

  /** For what the page polls by itself: a problem stays until a poll has worked. */
  async look(work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.problem = null
    } catch (error) {
      this.problem = sentence(messageOf(error))
    }
  }

  clear(): void {
    this.problem = null
    this.note = null
  }
}
