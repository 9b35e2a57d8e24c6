/**
 * What this browser keeps for the page, in one place. A browser may refuse storage (private windows, blocked site
 * data), be full, or hold something damaged: none of that stops the page. What can't be stored is held for as long as
 * the page is open, and listeners are notified, so that the reader can be.
 */
import type { z } from 'zod'
import { parsed } from './json.ts'

/** What a module that stores something needs of it. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

/**
 * refused: nothing outlives the page; full: some of it won't; damaged: a stored value could not be read, and was
 * dropped.
 */
export type StorageTrouble = 'refused' | 'full' | 'damaged'

export interface KeptStore extends Store {
  /** The key of a stored value. */
  keys: () => string[]
  /**
   * The value stored under `key`, as parsed by `schema`; null if there is none. What doesn't fit is dropped, with a
   * note.
   */
  readJson: <T>(key: string, schema: z.ZodType<T>) => T | null
  writeJson: (key: string, value: unknown) => void
  /** Reports trouble, earlier trouble included. Returns the unsubscriber. */
  onTrouble: (listener: (trouble: StorageTrouble) => void) => () => void
}

/** @param open the browser's storage; throws, or gives undefined, where there is none */
export function openStorage(open: () => Store | undefined | null): KeptStore {
  const listeners = new Set<(trouble: StorageTrouble) => void>()
  const known = new Set<StorageTrouble>()
  /** What could not be stored (a text), or not be removed (null): it takes precedence over what the browser has. */
  const held = new Map<string, string | null>()

  const tell = (trouble: StorageTrouble): void => {
    known.add(trouble)
    for (const listener of listeners) listener(trouble)
  }
  /** The browser's result; undefined where it has none. */
  const attempt = <T>(work: (store: Store) => T, trouble: StorageTrouble): T | undefined => {
    try {
      const store = open()
      if (store) return work(store)
      tell('refused')
    } catch (error) {
      tell(isFull(error) ? 'full' : trouble)
    }
    return undefined
  }

  const store: KeptStore = {
    getItem(key) {
      const own = held.get(key)
      if (own !== undefined) return own
      const found: unknown = attempt((browser) => browser.getItem(key), 'refused')
      return typeof found === 'string' ? found : null
    },
    setItem(key, value) {
      const kept = attempt((browser) => (browser.setItem(key, value), true), 'refused')
      if (kept) held.delete(key)
      else held.set(key, value)
    },
    removeItem(key) {
      const gone = attempt((browser) => (browser.removeItem(key), true), 'refused')
      if (gone) held.delete(key)
      else held.set(key, null)
    },
    readJson(key, schema) {
      const text = store.getItem(key)
      if (text === null) return null
      const read = parsed(text)
      const result = read === undefined ? null : schema.safeParse(read)
      if (result?.success) return result.data
      tell('damaged')
      store.removeItem(key)
      return null
    },
    keys() {
      const found = attempt((browser) => Object.keys(browser), 'refused') ?? []
      return [...new Set([...found, ...held.keys()])].filter((key) => held.get(key) !== null)
    },
    writeJson: (key, value) => store.setItem(key, JSON.stringify(value)),
    onTrouble(listener) {
      listeners.add(listener)
      for (const trouble of known) listener(trouble)
      return () => listeners.delete(listener)
    },
  }
  return store
}

/** This browser's. */
export const storage = openStorage(() => globalThis.localStorage)

const isFull = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'QuotaExceededError' || error.name === 'NS_ERROR_DOM_QUOTA_REACHED')
