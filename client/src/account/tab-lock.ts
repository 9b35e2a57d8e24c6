/**
 * One tab at a time: by Web Locks where the page has them (https, localhost), else by a lease in the storage that tabs
 * share.
 */

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
export type Turn = <T>(work: () => Promise<T>) => Promise<T>

/**
 * Milliseconds: how long the lease of a closed tab lasts; until two writers have seen each other; between two polls.
 */
const LEASE_MS = 10_000
const SETTLE_MS = 40
const LOOK_MS = 60

/** @param locks the browser's, if it has them */
export function openTurn(name: string, store: Store, locks: Pick<LockManager, 'request'> | undefined): Turn {
  if (locks !== undefined) return async (work) => locks.request(name, work)
  return async (work) => {
    const key = `${name}.lease`
    const own = String(Math.random()).slice(2)
    const holder = () => {
      const [id, until] = (store.getItem(key) ?? '').split(' ')
      return Number(until) > Date.now() ? id : null
    }
    // Nobody waits for ever, not even if the store keeps nothing.
    for (const giveUp = Date.now() + 2 * LEASE_MS; Date.now() < giveUp; await pause(LOOK_MS)) {
      if (holder() !== null) continue
      store.setItem(key, `${own} ${Date.now() + LEASE_MS}`)
      await pause(SETTLE_MS)
      if (holder() === own || store.getItem(key) === null) break
    }
    try {
      return await work()
    } finally {
      if (holder() === own) store.removeItem(key)
    }
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
