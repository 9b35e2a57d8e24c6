/** A logarithmic axis: whether a curve can have one, its range and its ticks. Pure. */
import type { Curve } from './curves.ts'

/** Whether all values are above 0. */
export const isPositive = ({ series }: Curve): boolean =>
  series.every(({ values }) => values.every((value) => value === null || value > 0))

/** It spans at least this factor, so that noise does not look like a rise. */
const LEAST_FACTOR = 2

/** The range of an axis that contains [low, high], both above 0. */
export function logRangeOf(low: number, high: number): [number, number] {
  const factor = Math.max(LEAST_FACTOR, high / low)
  const more = Math.sqrt(factor / (high / low)) * factor ** 0.08
  return [low / more, high * more]
}

/** Within less than this factor, ticks at equal distances say more than powers of ten. */
const LINEAR_FACTOR = 5

/** The ticks of an axis over [from, to], both above 0, ascending: two to five. */
export function logTicks(from: number, to: number): number[] {
  if (to / from < LINEAR_FACTOR) return linearTicks(from, to)
  const [first, last] = [Math.floor(Math.log10(from)), Math.floor(Math.log10(to))]
  const at = (digits: readonly number[], every: number): number[] => {
    const ticks: number[] = []
    for (let power = Math.ceil(first / every) * every; power <= last; power += every)
      for (const digit of digits) ticks.push(Number(`${digit}e${power}`))
    return ticks.filter((tick) => tick >= from && tick <= to)
  }
  for (const digits of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = at(digits, 1)
    if (ticks.length <= MOST_TICKS) return ticks
  }
  let every = 2
  while (at([1], every).length > MOST_TICKS) every += 1
  return at([1], every)
}

const MOST_TICKS = 5

/** The multiples of 1, 2 or 5 times a power of ten, of the first that gives few enough. */
function linearTicks(from: number, to: number): number[] {
  for (let power = Math.floor(Math.log10(to - from)) - 1; ; power++)
    for (const digit of [1, 2, 5]) {
      // Divided or multiplied by a whole number, so that a tick is the number that it reads as.
      const [times, over] = power < 0 ? [digit, 10 ** -power] : [digit * 10 ** power, 1]
      const first = Math.ceil((from * over) / times)
      const last = Math.floor((to * over) / times)
      if (last - first < MOST_TICKS)
        return Array.from({ length: last - first + 1 }, (_, i) => ((first + i) * times) / over)
    }
}
