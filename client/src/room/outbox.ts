/**
 * Votes that the server has not acknowledged yet. They survive a lost connection,
 * a reload and the end of a sign-in, and keep their id, so sending one twice is
 * one vote (rule V2). Each belongs to one person, and is never sent as anybody
 * else's (rule S5).
 */
import type { Vote } from '../../../core/protocol/index.ts'
import { parsed } from '../ui/json.ts'
import type { Store } from '../ui/storage.ts'

export type OutgoingVote = Vote & { id: string; sampleId: string }

/** Whose vote it is. */
export interface Owner {
  userId: string
  username: string
  guest: boolean
}

export interface Outbox {
  add(vote: OutgoingVote): void
  remove(id: string): void
  /** Oldest first. */
  all(): OutgoingVote[]
}

/** Votes of one person waiting for one session. Owner null: from a page of an older version, owner unknown. */
export interface Waiting {
  sessionId: string
  owner: Owner | null
  votes: number
}

type Kept = OutgoingVote & { owner?: Owner }

const PREFIX = 'attune.outbox.'

/**
 * The outbox of one person (null: of an unknown one) in one session, kept in `store` (the browser's
 * localStorage) beside those of others: it neither shows nor touches theirs.
 */
export function openOutbox(store: Store, sessionId: string, owner: Owner | null = null): Outbox {
  const key = PREFIX + sessionId
  return {
    add: (vote) => write(store, key, [...read(store, key).filter((v) => v.id !== vote.id), owned(vote, owner)]),
    remove: (id) =>
      write(
        store,
        key,
        read(store, key).filter((v) => v.id !== id),
      ),
    all: () =>
      read(store, key)
        .filter((v) => isOf(v, owner?.userId))
        .map(({ owner: _, ...vote }) => vote),
  }
}

const owned = (vote: OutgoingVote, owner: Owner | null): Kept =>
  owner === null ? vote : { ...vote, owner: { userId: owner.userId, username: owner.username, guest: owner.guest } }
const isOf = ({ owner }: Kept, userId: string | undefined): boolean => owner?.userId === userId

/** Everything waiting in this browser. `keys`: those of the store. */
export function waiting(store: Store, keys: readonly string[]): Waiting[] {
  return keys
    .filter((key) => key.startsWith(PREFIX))
    .flatMap((key) => {
      const found = new Map<string, Waiting>()
      for (const { owner = null } of read(store, key)) {
        const one = found.get(owner?.userId ?? '') ?? { sessionId: key.slice(PREFIX.length), owner, votes: 0 }
        found.set(owner?.userId ?? '', { ...one, votes: one.votes + 1 })
      }
      return [...found.values()]
    })
}

/** Drops what is waiting for one person; null: what has no owner. */
export function discard(store: Store, keys: readonly string[], userId: string | null): void {
  for (const key of keys.filter((one) => one.startsWith(PREFIX))) {
    write(
      store,
      key,
      read(store, key).filter((vote) => !isOf(vote, userId ?? undefined)),
    )
  }
}

/**
 * Assigns votes of an older version, which didn't record their owner, to whoever was signed in when they were given, if
 * that person still is.
 */
export function claimUnowned(store: Store, keys: readonly string[], by: Owner): void {
  for (const key of keys.filter((one) => one.startsWith(PREFIX))) {
    const votes = read(store, key)
    if (votes.some((vote) => vote.owner === undefined))
      write(
        store,
        key,
        votes.map((vote) => (vote.owner === undefined ? owned(vote, by) : vote)),
      )
  }
}

function write(store: Store, key: string, votes: readonly Kept[]): void {
  if (votes.length === 0) store.removeItem(key)
  else store.setItem(key, JSON.stringify(votes))
}

function read(store: Store, key: string): Kept[] {
  // Damaged stored data is lost, and the next vote overwrites it.
  const value = parsed(store.getItem(key) ?? '[]')
  return Array.isArray(value) ? value.filter(isVote) : []
}

function isVote(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null || !('id' in value && 'sampleId' in value)) return false
  return 'humanRating' in value || 'content' in value
}
