import { messageOf, sentence } from './sentence.ts'

/** What a person asks for and what may fail: whether it is under way, and what to say of how it went. */
export class Attempt {
  busy = $state(false)
  problem = $state<string | null>(null)
  /** Said once it has worked. */
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

  /** For what the page looks up again and again by itself: a problem stands until a look has worked. */
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
