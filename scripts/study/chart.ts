/** A line chart as PNG, with axes, labels and a legend. */
import { openCanvas, textHeight, textWidth, type Canvas, type Color, type Point } from './canvas.ts'

export interface Series {
  name: string
  points: readonly Point[]
  /** Of each point: how far it may be off, drawn as a band. */
  spread?: readonly number[]
  /** Drawn broken and grey: what the others are compared with. */
  control?: boolean
}

export interface Chart {
  title: string
  x: string
  y: string
  /** Lowest and highest value of the vertical axis. */
  range: readonly [number, number]
  /** Horizontal lines, each with what it stands for. */
  marks?: readonly { at: number; label: string }[]
  series: readonly Series[]
}

const WIDTH = 960
const HEIGHT = 640
/** Below the axis there is room for the legend, the second column of which begins here. */
const COLUMN = 370
const FRAME = { left: 84, right: 30, top: 84, bottom: 150 }
const WHITE: Color = [255, 255, 255]
const INK: Color = [34, 40, 49]
const GRID: Color = [226, 229, 234]
const GREY: Color = [122, 128, 138]
/** Told apart by people who see colours differently, too (after Okabe and Ito). */
const COLORS: readonly Color[] = [
  [0, 114, 178],
  [213, 94, 0],
  [0, 140, 105],
  [204, 121, 167],
  [150, 110, 0],
  [86, 150, 210],
]

export function drawChart(chart: Chart): Buffer {
  const canvas = openCanvas(WIDTH, HEIGHT, WHITE)
  const [low, high] = chart.range
  const xs = chart.series.flatMap((series) => series.points.map(([x]) => x))
  const [first, last] = [xs.reduce((a, b) => Math.min(a, b), 0), xs.reduce((a, b) => Math.max(a, b), 1)]
  const inner = { width: WIDTH - FRAME.left - FRAME.right, height: HEIGHT - FRAME.top - FRAME.bottom }
  const px = (x: number) => FRAME.left + ((x - first) / (last - first)) * inner.width
  const py = (y: number) => FRAME.top + ((high - Math.min(high, Math.max(low, y))) / (high - low)) * inner.height

  canvas.text(FRAME.left, 16, chart.title, INK, 2)
  canvas.text(FRAME.left, 48, chart.y, GREY, 2)
  canvas.text(WIDTH - FRAME.right - textWidth(chart.x), HEIGHT - FRAME.bottom + 36, chart.x, GREY, 2)
  for (const y of ticks(low, high, 6)) {
    canvas.line(
      [
        [FRAME.left, py(y)],
        [WIDTH - FRAME.right, py(y)],
      ],
      GRID,
    )
    const label = trim(y)
    canvas.text(FRAME.left - 12 - textWidth(label), py(y) - textHeight() / 2, label, INK)
  }
  for (const x of ticks(first, last, 8)) {
    canvas.line(
      [
        [px(x), HEIGHT - FRAME.bottom],
        [px(x), HEIGHT - FRAME.bottom + 6],
      ],
      INK,
    )
    const label = trim(x)
    canvas.text(px(x) - textWidth(label) / 2, HEIGHT - FRAME.bottom + 12, label, INK)
  }
  canvas.line(
    [
      [FRAME.left, FRAME.top],
      [FRAME.left, HEIGHT - FRAME.bottom],
      [WIDTH - FRAME.right, HEIGHT - FRAME.bottom],
    ],
    INK,
    { width: 2 },
  )
  for (const { at, label } of chart.marks ?? []) {
    canvas.line(
      [
        [FRAME.left, py(at)],
        [WIDTH - FRAME.right, py(at)],
      ],
      GREY,
      { dash: 4 },
    )
    canvas.text(FRAME.left + 10, py(at) - textHeight() - 4, label, GREY)
  }
  const styled = chart.series.map((series, i) => ({
    ...series,
    color: series.control ? GREY : COLORS[i % COLORS.length],
  }))
  for (const { points, spread, color } of styled) {
    if (!spread) continue
    const edge = (sign: number) => points.map(([x, y], i): Point => [px(x), py(y + sign * spread[i])])
    canvas.area(edge(1), edge(-1), color, 0.18)
  }
  for (const { points, color, control } of styled) {
    const path = points.map(([x, y]): Point => [px(x), py(y)])
    canvas.line(path, color, control ? { width: 3, dash: 8 } : { width: 3 })
    for (const [x, y] of path) canvas.rectangle(x - 3, y - 3, 7, 7, color)
  }
  legend(canvas, styled)
  return canvas.png()
}

/** Names below the axis, in two columns. */
function legend(canvas: Canvas, series: readonly (Series & { color: Color })[]): void {
  const rows = Math.ceil(series.length / 2)
  for (const [i, { name, color, control }] of series.entries()) {
    const left = FRAME.left + Math.floor(i / rows) * COLUMN
    const y = HEIGHT - FRAME.bottom + 72 + (i % rows) * 24
    canvas.line(
      [
        [left, y],
        [left + 32, y],
      ],
      color,
      control ? { width: 3, dash: 8 } : { width: 3 },
    )
    canvas.text(left + 42, y - textHeight() / 2, name, INK)
  }
}

/** Round numbers from `low` to `high`, about `count` of them. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  const first = Math.ceil(low / step - 1e-9)
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step)
}

const trim = (value: number): string => String(Number(value.toFixed(6)))
