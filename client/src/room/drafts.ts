/**
 * The votes that are being written in this tab, layered over those that the browser keeps. Another tab of the same
 * person may send its own vote on the same answer and clear it from the desk: what was written here stays.
 */
import { emptyBallot, type Ballot } from './ballot.ts'
import type { Desk } from './desk.ts'

export interface Drafts {
  of: (sampleId: string) => Ballot
  write: (sampleId: string, ballot: Ballot) => void
  /** Puts what was written here back on the desk. */
  keep: (sampleId: string) => void
  discard: (sampleId: string) => void
}

/** @param desk null while its owner isn't known */
export function openDrafts(desk: () => Desk | null): Drafts {
  const written = new Map<string, Ballot>()
  return {
    of: (sampleId) => written.get(sampleId) ?? desk()?.draft(sampleId) ?? emptyBallot,
    write(sampleId, ballot) {
      written.set(sampleId, ballot)
      desk()?.save(sampleId, ballot)
    },
    keep(sampleId) {
      const ballot = written.get(sampleId)
      if (ballot) desk()?.save(sampleId, ballot)
    },
    discard(sampleId) {
      written.delete(sampleId)
      desk()?.discard(sampleId)
    },
  }
}
