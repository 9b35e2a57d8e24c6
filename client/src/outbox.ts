/**
 * Votes that the server has not acknowledged yet. They outlive a lost
 * connection and a reload, and keep their id, so sending one twice is one vote
 * (rule V2).
 */
import type { Vote } from '../../server/protocol.ts'
import type { Store } from './storage.ts'

export type OutgoingVote = Vote & { id: string; sampleId: string }

export interface Outbox {
  add(vote: OutgoingVote): void
  remove(id: string): void
  get(id: string): OutgoingVote | undefined
  /** Oldest first. */
  all(): OutgoingVote[]
}

/** The outbox of one session, kept in `store` (the browser's localStorage). */
export function openOutbox(store: Store, sessionId: string): Outbox {
  const key = `attune.outbox.${sessionId}`
  const read = (): OutgoingVote[] => parse(store.getItem(key))
  const write = (votes: readonly OutgoingVote[]): void => {
    if (votes.length === 0) store.removeItem(key)
    else store.setItem(key, JSON.stringify(votes))
  }
  return {
    add: (vote) => write([...read().filter((v) => v.id !== vote.id), vote]),
    remove: (id) => write(read().filter((v) => v.id !== id)),
    get: (id) => read().find((v) => v.id === id),
    all: read,
  }
}

function parse(stored: string | null): OutgoingVote[] {
  try {
    const value: unknown = JSON.parse(stored ?? '[]')
    return Array.isArray(value) ? value.filter(isVote) : []
  } catch {
    // Damaged where it was kept: what it held can't be known, and the next vote is written over it.
    return []
  }
}

function isVote(value: unknown): value is OutgoingVote {
  return typeof value === 'object' && value !== null && 'id' in value && 'sampleId' in value && 'humanRating' in value
}
