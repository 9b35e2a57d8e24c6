/**
 * What a person has on their desk in a session: votes that they have begun, and answers that they skipped. Kept in this
 * browser, separately for each person: nobody is shown what another one wrote here. Pure except for the store that is
 * passed in.
 */
import { z } from 'zod'
import { isEmpty, type Ballot } from './ballot.ts'
import type { KeptStore } from '../ui/storage.ts'

const limits = {
  /** Drafts and skipped answers that are kept, of all sessions; the oldest are dropped first. */
  drafts: 40,
  skipped: 400,
  /** After which they are forgotten, milliseconds. */
  ageMs: 7 * 24 * 3_600_000,
  /** Size limit of what is kept for one person, characters. */
  chars: 128 * 1024,
} as const

const Kept = z.object({
  drafts: z.array(
    z.object({
      sessionId: z.string(),
      sampleId: z.string(),
      at: z.number(),
      ballot: z.object({
        rating: z.number().min(1).max(10).nullable(),
        categories: z.record(z.string(), z.number()),
        compassion: z.number().min(0).max(1).nullable(),
        sides: z.object({ agency: z.number(), capability: z.number(), suffering: z.number() }).partial().nullable(),
        tags: z.array(z.string()),
        comment: z.string(),
      }),
    }),
  ),
  skipped: z.array(z.object({ sessionId: z.string(), sampleId: z.string(), at: z.number() })),
})
type Kept = z.infer<typeof Kept>

export interface Desk {
  /** The vote begun on an answer; null without one. */
  draft: (sampleId: string) => Ballot | null
  /** Keeps it; an empty one is no draft. */
  save: (sampleId: string, ballot: Ballot) => void
  /** It was sent, or abandoned. */
  discard: (sampleId: string) => void
  skip: (sampleId: string) => void
  unskip: (sampleId: string) => void
  skipped: () => string[]
}

const keyOf = (userId: string): string => `attune.desk.${userId}`

/** @param now milliseconds since 1970 */
export function openDesk(store: KeptStore, userId: string, sessionId: string, now: () => number = Date.now): Desk {
  const key = keyOf(userId)
  const isHere = (one: { sessionId: string; sampleId: string }, sampleId: string) =>
    one.sessionId === sessionId && one.sampleId === sampleId
  const read = (): Kept => {
    const { drafts, skipped } = store.readJson(key, Kept) ?? { drafts: [], skipped: [] }
    const since = now() - limits.ageMs
    return { drafts: drafts.filter(({ at }) => at > since), skipped: skipped.filter(({ at }) => at > since) }
  }
  const change = (next: (kept: Kept) => Kept): void => {
    const { drafts, skipped } = next(read())
    const kept = { drafts: drafts.slice(-limits.drafts), skipped: skipped.slice(-limits.skipped) }
    while (kept.drafts.length > 1 && JSON.stringify(kept).length > limits.chars) kept.drafts.shift()
    if (kept.drafts.length + kept.skipped.length > 0) store.writeJson(key, kept)
    else store.removeItem(key)
  }
  const without = (kept: Kept, sampleId: string): Kept => ({
    ...kept,
    drafts: kept.drafts.filter((one) => !isHere(one, sampleId)),
  })

  return {
    draft: (sampleId) => read().drafts.find((one) => isHere(one, sampleId))?.ballot ?? null,
    save: (sampleId, ballot) =>
      change((kept) => {
        const rest = without(kept, sampleId)
        const draft = { sessionId, sampleId, at: now(), ballot: { ...ballot, tags: [...ballot.tags] } }
        return isEmpty(ballot) ? rest : { ...rest, drafts: [...rest.drafts, draft] }
      }),
    discard: (sampleId) => change((kept) => without(kept, sampleId)),
    skip: (sampleId) =>
      change((kept) => ({
        ...kept,
        skipped: [...kept.skipped.filter((one) => !isHere(one, sampleId)), { sessionId, sampleId, at: now() }],
      })),
    unskip: (sampleId) =>
      change((kept) => ({ ...kept, skipped: kept.skipped.filter((one) => !isHere(one, sampleId)) })),
    skipped: () =>
      read()
        .skipped.filter((one) => one.sessionId === sessionId)
        .map(({ sampleId }) => sampleId),
  }
}

/** Somebody has signed out: what was on their desk belongs to nobody. */
export function forgetDesk(store: KeptStore, userId: string): void {
  store.removeItem(keyOf(userId))
}
