/** Opened resources by key, of which only the most recently used stay open. */
export interface Recent<T> {
  /** The one of this key, opened if necessary. Beyond the limit the least recently used one is closed. */
  get(key: string, open: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

export function openRecent<T>(most: number, close: (one: T) => Promise<void>): Recent<T> {
  const held = new Map<string, Promise<T>>()
  return {
    async get(key, open) {
      const found = held.get(key) ?? open()
      held.delete(key)
      held.set(key, found) // the last entry is the most recently used
      found.catch(() => held.delete(key)) // a failed opening may be retried
      const [oldest] = held
      if (oldest && held.size > most) {
        held.delete(oldest[0])
        await close(await oldest[1])
      }
      return found
    },
    async close() {
      const all = [...held.values()]
      held.clear()
      for (const one of all) await close(await one)
    },
  }
}
