import { LRUCache } from 'lru-cache'

/** Opened resources by key, of which only the most recently used stay open. */
export interface Lru<T> {
  /** The one of this key, opened if necessary. Beyond the limit the least recently used one is closed. */
  get(key: string, open: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Nobody is given anything before what had to go for it is closed: both might not fit into the memory. */
export function openLru<T extends NonNullable<unknown>>(most: number, close: (one: T) => Promise<void>): Lru<T> {
  let closing: Promise<void>[] = []
  const held = new LRUCache<string, T, () => Promise<T>>({
    max: most,
    // What could not be opened is not kept, and may be tried again.
    fetchMethod: (_key, _before, { context: open }) => open(),
    dispose: (one) => closing.push(close(one)),
  })
  async function closed(): Promise<void> {
    const all = closing
    closing = []
    await Promise.all(all)
  }
  return {
    async get(key, open) {
      const found = await held.forceFetch(key, { context: open })
      await closed()
      return found
    },
    async close() {
      held.clear()
      await closed()
    },
  }
}
