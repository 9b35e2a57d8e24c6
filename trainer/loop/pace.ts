/**
 * How fast steps follow each other. Every step that had to be made again in the last minute, because a vote of it or
 * before it was withdrawn, keeps new ones further apart: fewer, larger ones are sooner made again, and votes wait less
 * for that.
 */

/** Between the beginnings of two new steps, milliseconds: so much for each that was made again, and so much at most. */
const APART_MS = { each: 200, most: 2_500 }
/** Once so many were made again, newcomers' votes wait until they can't be withdrawn. */
const STRAINED = 30
const MINUTE_MS = 60_000

export interface Pace {
  /** A new step begins. */
  begin(): void
  /** A step is made again. */
  again(): void
  /** Whether a new step may begin. */
  isDue(): boolean
  isStrained(): boolean
}

/** @param now milliseconds since the epoch */
export function openPace(now: () => number): Pace {
  let begunAt = -Infinity
  let again: number[] = []
  const lately = (): number => {
    again = again.filter((at) => at > now() - MINUTE_MS)
    return again.length
  }
  return {
    begin: () => void (begunAt = now()),
    again: () => void again.push(now()),
    isDue: () => now() - begunAt >= Math.min(APART_MS.most, APART_MS.each * lately()),
    isStrained: () => lately() > STRAINED,
  }
}
