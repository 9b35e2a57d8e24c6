import { KNOWN_RELIABILITY, KNOWN_VOTES, type RatedSample } from './reliability.ts'

/** A room is established while so many known raters … */
export const ESTABLISHED_RATERS = 3
/** … have voted in this round or one of so many before it. */
export const ESTABLISHED_ROUNDS = 3
/** Comparisons with strangers alone count for so many votes at most, once a room is established: fewer than make anybody known. */
export const AMONG_STRANGERS = 4

export interface Comparisons {
  /** What the vote at this place counts as a comparison, in [0, 1]. */
  weight(index: number): number
  /** n: the rater's comparable votes; whole. */
  count(raterId: string): number
  /** Whether an answer was voted on in an established room. */
  established(sampleId: string): boolean
}

/**
 * Which votes are comparisons that earn their author standing.
 *
 * Somebody else's vote must be there to compare with. While a room is being founded, anybody's will do: nobody
 * is known yet, or those who were have gone. In an established one it takes a known rater's; comparisons with
 * strangers alone count for {@link AMONG_STRANGERS} votes in all, however many there are, so that accounts
 * which only ever meet each other are never known. Rounds go by in order: who is known when a round begins
 * has become so in the rounds before it. Votes that are not comparable (late ones, questions of their author's
 * own, texts) neither earn nor lend standing.
 *
 * What this leaves open: whoever founds a room, or finds it empty for {@link ESTABLISHED_ROUNDS} steps, is its crowd.
 */
export function comparisonsOf(votes: readonly RatedSample[], reliability: ReadonlyMap<string, number>): Comparisons {
  const raters = new Map<string, Set<string>>()
  const rounds = new Map<number, number[]>()
  votes.forEach(({ sampleId, raterId, round = 0, comparable = true }, index) => {
    if (!comparable) return
    const on = raters.get(sampleId)
    if (on) on.add(raterId)
    else raters.set(sampleId, new Set([raterId]))
    const cast = rounds.get(round)
    if (cast) cast.push(index)
    else rounds.set(round, [index])
  })

  const full = new Map<string, number>()
  const amongStrangers = new Map<string, number>()
  const count = (id: string): number => (full.get(id) ?? 0) + Math.min(AMONG_STRANGERS, amongStrangers.get(id) ?? 0)
  /** Known raters, and when each voted last. */
  const known = new Map<string, number>()
  const kinds = new Map<number, 'full' | 'among-strangers'>()
  const established = new Set<string>()

  for (const [round, indices] of [...rounds].sort(([a], [b]) => a - b)) {
    const here = new Set(indices.map((index) => votes[index].raterId))
    const present = [...known].filter(([id, last]) => last >= round - ESTABLISHED_ROUNDS || here.has(id)).length
    const founding = present < ESTABLISHED_RATERS
    const knownOn = new Map<string, number>()
    for (const index of indices) {
      const { sampleId } = votes[index]
      if (founding || knownOn.has(sampleId)) continue
      established.add(sampleId)
      knownOn.set(sampleId, [...(raters.get(sampleId) ?? [])].filter((id) => known.has(id)).length)
    }
    for (const index of indices) {
      const { sampleId, raterId } = votes[index]
      if ((raters.get(sampleId)?.size ?? 0) < 2) continue
      const kind = founding || (knownOn.get(sampleId) ?? 0) - (known.has(raterId) ? 1 : 0) > 0 ? 'full' : 'among-strangers'
      kinds.set(index, kind)
      const counts = kind === 'full' ? full : amongStrangers
      counts.set(raterId, (counts.get(raterId) ?? 0) + 1)
    }
    for (const id of here) {
      if (count(id) >= KNOWN_VOTES && (reliability.get(id) ?? 0) >= KNOWN_RELIABILITY) known.set(id, round)
      else known.delete(id)
    }
  }
  return {
    count,
    established: (sampleId) => established.has(sampleId),
    weight(index) {
      const kind = kinds.get(index)
      if (kind === undefined) return 0
      return kind === 'full' ? 1 : Math.min(1, AMONG_STRANGERS / (amongStrangers.get(votes[index].raterId) ?? 1))
    },
  }
}
