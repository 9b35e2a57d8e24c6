/**
 * Counts jointly what one source brings: accounts that came from one address, device or invite link. Pure.
 *
 * An account costs a request, an address costs something. So the strangers of one source are one rater: they earn
 * and spend trust together. Whoever is known by their own comparable votes, on answers that others voted on too, stands
 * for themself: an office behind one address is as many raters as it has people who have earned it.
 *
 * A source is a mark only where it tells people apart: where at least three come from elsewhere (three who are known,
 * once three are). In a classroom behind one address, or on one machine, it says nothing and is ignored.
 */
import { ESTABLISHED_RATERS } from './comparisons.ts'

/**
 * By rater: the number of their source where it is a mark, else -1.
 *
 * @param sources by rater; null: nobody knows
 * @param known by rater: 1 where known
 */
export function marksOf(sources: readonly (string | null)[], known: Uint8Array): Int32Array {
  const numbers = new Map<string, number>()
  const all = new Map<string | null, number>()
  const ofKnown = new Map<string | null, number>()
  let knownCount = 0
  sources.forEach((source, rater) => {
    all.set(source, (all.get(source) ?? 0) + 1)
    if (known[rater] !== 1) return
    knownCount++
    ofKnown.set(source, (ofKnown.get(source) ?? 0) + 1)
  })
  const isMark = (source: string): boolean =>
    knownCount >= ESTABLISHED_RATERS
      ? knownCount - (ofKnown.get(source) ?? 0) >= ESTABLISHED_RATERS
      : sources.length - (all.get(source) ?? 0) >= ESTABLISHED_RATERS
  return Int32Array.from(sources, (source) => {
    if (source === null || !isMark(source)) return -1
    const number = numbers.get(source) ?? numbers.size
    numbers.set(source, number)
    return number
  })
}

/** By rater: whom they count as one with, each by the number of the first; strangers of one mark are one. */
export function joined(markOf: Int32Array, known: Uint8Array): Int32Array {
  const first = new Map<number, number>()
  return Int32Array.from(markOf, (mark, rater) => {
    if (mark === -1 || known[rater] === 1) return rater
    const found = first.get(mark) ?? rater
    first.set(mark, found)
    return found
  })
}
