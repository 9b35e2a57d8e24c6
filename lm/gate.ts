/** Lets so many pieces of work be done at a time, in their order. */
export interface Gate {
  /** Does the work once it is its turn. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** How many are inside, and how many wait for their turn. */
  readonly inside: number
  readonly waiting: number
}

export function createGate(together: number): Gate {
  const waiting: (() => void)[] = []
  let inside = 0
  /** Passes the slot on, or releases it. */
  const leave = (): void => {
    const first = waiting.shift()
    if (first === undefined) inside--
    else first()
  }
  return {
    async run(work) {
      if (inside >= together) await new Promise<void>((enter) => waiting.push(enter))
      else inside++
      try {
        return await work()
      } finally {
        leave()
      }
    },
    get inside() {
      return inside
    },
    get waiting() {
      return waiting.length
    },
  }
}
