/** How uPlot draws a curve. */
import type uPlot from 'uplot'
import { rangeOf, type Curve, type Series } from './curves.ts'
import { logRangeOf, logTicks } from './log-axis.ts'
import { knownAt } from './readout.ts'
import { smoothed } from './smoothing.ts'
import { count } from '../../ui/format.ts'

export interface Look {
  curve: Curve
  /** CSS pixels. */
  height: number
  /** Weight of the smoothing; 0: there is none. Else the curves themselves are faint behind. */
  smoothing: number
  /** A logarithmic axis: all values are above 0. */
  log: boolean
}

/** What is drawn: the steps, the curves, then the smooth ones. */
export const dataOf = ({ curve, smoothing }: Look): uPlot.AlignedData =>
  [
    curve.steps,
    ...curve.series.map(({ values }) => values),
    ...(smoothing > 0 ? curve.series.map(({ values }) => smoothed(values, smoothing)) : []),
  ] as uPlot.AlignedData

/** Charts that say the same here differ in their data alone. */
export const shapeOf = ({ curve, height, smoothing, log }: Look): string =>
  JSON.stringify([
    ...[curve.title, curve.span, height, smoothing > 0, log],
    ...curve.series.map((series) => [series.label, series.color, series.dash, hasPoints(series)]),
  ])

/** Of a curve that is seldom known, fewer values than this are points. */
const POINTS = 60

function hasPoints({ values, sparse }: Series): boolean {
  const known = values.filter((value) => value !== null).length
  // A line needs two values.
  if (known < 2) return true
  const first = values.findIndex((value) => value !== null)
  const last = values.findLastIndex((value) => value !== null)
  return sparse === true && known < POINTS && 2 * known < last - first
}

/** @param oncursor hears which point the cursor is at; null: it has left */
export function optionsOf(
  element: HTMLElement,
  { curve, height, smoothing, log }: Look,
  oncursor: (index: number | null) => void,
): uPlot.Options {
  const axis = {
    stroke: colorOf(element, 'muted'),
    font: '11px sans-serif',
    grid: { stroke: colorOf(element, 'line'), width: 1 },
    ticks: { show: false },
  }
  const line = (series: Series): uPlot.Series => ({
    label: series.label,
    stroke: colorOf(element, series.color),
    width: 2,
    points: { show: hasPoints(series) },
    // A small step often has no value of some metrics: nobody rated compassion in it, for example.
    spanGaps: true,
    ...(series.dash && { dash: [...series.dash] }),
  })
  const faint = { alpha: 0.3, width: 1, points: { show: false } }
  const lines = curve.series.map(line)
  return {
    width: Math.max(1, element.clientWidth),
    height,
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 7 },
      // The first series are the steps; the smooth ones come after the curves that they are of.
      dataIdx: (_, i, index) => {
        const series = curve.series[(i - 1) % curve.series.length]
        return i === 0 || series === undefined ? index : (knownAt(series, index) ?? index)
      },
    },
    hooks: { setCursor: [({ cursor }) => oncursor(cursor.idx ?? null)] },
    scales: {
      // At least ten steps wide, so that the first ones appear at the left.
      x: { time: false, range: (_, first, last) => [first ?? 1, Math.max((first ?? 1) + 9, last ?? 1)] },
      y: {
        distr: log ? 3 : 1,
        range: (_, low, high) => {
          if (low === null || high === null) return log ? [1, 10] : [0, curve.span]
          return log ? logRangeOf(low, high) : rangeOf(low, high, curve.span)
        },
      },
    },
    padding: [6, 6, 0, 0],
    axes: [
      {
        ...axis,
        size: 20,
        gap: 2,
        space: 50,
        incrs: [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5].map((e) => n * 10 ** e)).sort((a, b) => a - b),
        values: (_, splits) => splits.map(count),
        grid: { show: false },
      },
      {
        ...axis,
        size: 44,
        gap: 4,
        space: 32,
        ...(log && logarithmic),
        values: (_, splits) => splits.map((value) => tickText(curve, value)),
      },
    ],
    series: [{}, ...(smoothing > 0 ? [...lines.map((each) => ({ ...each, ...faint })), ...lines] : lines)],
  }
}

/** Of an axis: its own ticks, all of which are labelled. */
const logarithmic: Pick<uPlot.Axis, 'splits' | 'filter'> = {
  splits: (_, __, from, to) => logTicks(from, to),
  filter: (_, splits) => splits,
}

/** What its format rounds to 0 is written by its power of ten. */
function tickText({ format }: Curve, value: number): string {
  const text = format(value)
  return value !== 0 && Number(text) === 0 ? value.toExponential(0) : text
}

function colorOf(element: HTMLElement, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${token})`
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
