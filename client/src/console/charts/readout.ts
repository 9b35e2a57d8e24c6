/** What a chart says of the point under its cursor. Pure. */
import { count } from '../../ui/format.ts'
import type { Curve, Series } from './curves.ts'
import { smoothed } from './smoothing.ts'

/**
 * The values of all curves at one point: “step 12: reward 0.44, people 0.50”. @param weight of the smoothing; 0: there
 * is none
 */
export function readoutOf(curve: Curve, index: number, weight = 0): string {
  const values = curve.series.map((series) => {
    const name = curve.series.length > 1 ? `${series.label} ` : ''
    const at = knownAt(series, index)
    const value = at === null ? null : (series.values[at] ?? null)
    if (at === null || value === null) return `${name}–`
    const smooth = weight > 0 ? smoothed(series.values, weight)[at] : null
    const notes = [
      ...(smooth === null || smooth === undefined ? [] : [`smoothed ${curve.format(smooth)}`]),
      ...(at === index ? [] : [stepsOf(curve, at)]),
    ]
    return `${name}${curve.format(value)}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`
  })
  return `${stepsOf(curve, index)}: ${values.join(', ')}`
}

/**
 * The values of all curves at one point, for charts of so many that they have no place in a line: the smoothed ones where
 * there are some. @param index null: the latest, as they are
 */
export function valuesAt(curve: Curve, index: number | null, weight = 0): string[] {
  return curve.series.map((series) => {
    const at = index === null ? series.values.findLastIndex((value) => value !== null) : knownAt(series, index)
    const values = index !== null && weight > 0 ? smoothed(series.values, weight) : series.values
    const value = at === null ? null : (values[at] ?? null)
    return value === null ? '–' : curve.format(value)
  })
}

/** Where the value is that a series shows at a point: there; of a sparse one, at its last known value until then. */
export function knownAt({ values, sparse }: Series, index: number): number | null {
  if (sparse !== true) return values[index] === null || values[index] === undefined ? null : index
  const at = values.findLastIndex((value, i) => i <= index && value !== null)
  return at === -1 ? null : at
}

/** Points that Page Up and Page Down go by. */
const PAGE = 10

/**
 * Where a key takes the cursor: to a point, or out of the chart (null); undefined for a key that is not the chart's.
 *
 * @param at the point under the cursor; null: none, and it begins at the last
 */
export function cursorAfter(key: string, at: number | null, last: number): number | null | undefined {
  const from = at ?? last
  const moves: Record<string, number> = {
    ...{ ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1 },
    ...{ PageDown: from - PAGE, PageUp: from + PAGE, Home: 0, End: last },
  }
  const to = moves[key]
  if (to === undefined) return key === 'Escape' ? null : undefined
  return Math.min(Math.max(to, 0), last)
}

/** The step of a point, or the steps that it is the mean of. */
export function stepsOf({ steps, per }: Curve, index: number): string {
  const last = steps[index] ?? 0
  // Points are cut at multiples of `per`; the latest may not be full.
  const first = Math.floor((last - 1) / per) * per + 1
  return per === 1 || first === last ? `step ${count(last)}` : `steps ${count(first)}–${count(last)}`
}
