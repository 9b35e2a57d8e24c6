/** Timers that end together: nothing scheduled happens after its owner is gone. */
export interface Timers {
  /** Does the work after this many milliseconds; returns a function that cancels it. */
  later: (ms: number, work: () => void) => () => void
  readonly closed: boolean
  close: () => void
}

export function openTimers(): Timers {
  const running = new Set<ReturnType<typeof setTimeout>>()
  let closed = false
  return {
    later(ms, work) {
      if (closed) return () => undefined
      const timer = setTimeout(() => {
        running.delete(timer)
        work()
      }, ms)
      running.add(timer)
      return () => {
        clearTimeout(timer)
        running.delete(timer)
      }
    },
    get closed() {
      return closed
    },
    close() {
      closed = true
      for (const timer of running) clearTimeout(timer)
      running.clear()
    },
  }
}
