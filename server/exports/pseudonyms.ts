import { LRUCache } from 'lru-cache'
import type { Seal } from '../auth/seal.ts'

/** Bytes of a pseudonym: enough that two never meet. */
const PSEUDONYM_BYTES = 12
/** Pseudonyms that are kept: an export asks for the same few again with every vote. */
const KEPT = 10_000

/**
 * What exports call people and networks: the same within a session, in every export of it, and nothing to do with what
 * they are called in another's. A keyed hash: without the deployment's DATA_KEY nobody can test guesses.
 */
export interface Pseudonyms {
  ofRater: (sessionId: string, userId: string) => string
  /** @param source as votes have it, itself a keyed hash (server/sessions/sources.ts) */
  ofSource: (sessionId: string, source: string) => string
}

export function openPseudonyms(seal: Pick<Seal, 'digest'>): Pseudonyms {
  const kept = new LRUCache<string, string>({ max: KEPT })
  function of(what: 'rater' | 'source', sessionId: string, id: string): string {
    const key = `${what}\0${sessionId}\0${id}`
    const known = kept.get(key)
    if (known !== undefined) return known
    const digest = seal.digest(`${what} in an export`, `${sessionId}\0${id}`)
    const pseudonym = digest.subarray(0, PSEUDONYM_BYTES).toString('hex')
    kept.set(key, pseudonym)
    return pseudonym
  }
  return {
    ofRater: (sessionId, userId) => of('rater', sessionId, userId),
    ofSource: (sessionId, source) => of('source', sessionId, source),
  }
}
