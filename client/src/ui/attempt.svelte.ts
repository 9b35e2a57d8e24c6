/** What a person asks for and what may fail: whether it is under way, and what to say where it failed. */
export class Attempt {
  busy = $state(false)
  problem = $state<string | null>(null)

  async run(work: () => Promise<void>): Promise<void> {
    this.busy = true
    this.problem = null
    try {
      await work()
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error)
    } finally {
      this.busy = false
    }
  }
}
