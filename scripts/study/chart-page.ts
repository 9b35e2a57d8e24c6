/** Draws a chart in the browser. `chart.ts` bundles it. */
import uPlot from 'uplot'
import uPlotStyle from 'uplot/dist/uPlot.min.css?inline'

export type Point = readonly [x: number, y: number]

export interface Series {
  name: string
  points: readonly Point[]
  /** Of each point: its margin of error, drawn as a band. */
  spread?: readonly number[]
  /** Drawn dashed and grey: the baseline of the comparison. */
  control?: boolean
}

export interface Chart {
  title: string
  /** What the axes show, with their units. */
  x: string
  y: string
  /** Lowest and highest value of the vertical axis. */
  range: readonly [number, number]
  /** Horizontal lines, each with its meaning. */
  marks?: readonly { at: number; label: string }[]
  series: readonly Series[]
}

const INK = '#222831'
const GRID = '#e2e5ea'
const GREY = '#7a808a'
/** Distinguishable by colour-blind people, too (after Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#008c69', '#cc79a7', '#966e00', '#5696d2']
const FONT = '13px sans-serif'
const STYLE = `
  body { margin: 0; padding: 16px 24px; background: #fff; color: ${INK}; font-family: sans-serif; overflow: hidden }
  .uplot { font-family: inherit }
  .u-title { padding-bottom: 12px; font-size: 17px }
  .u-legend { padding: 4px 0 0 48px; text-align: left; font-size: 13px }
  .u-legend th { font-weight: 400 }
  .u-legend .u-marker { width: 28px; height: 0; margin-right: 8px; border-width: 3px 0 0 !important }
  .u-legend .edge { display: none }
`
/** Opacity of a band. */
const BAND = '2e'

/** Fills the whole window. */
export async function draw(chart: Chart): Promise<void> {
  document.head.append(Object.assign(document.createElement('style'), { textContent: uPlotStyle + STYLE }))
  const { paddingLeft, paddingTop } = getComputedStyle(document.body)
  const width = window.innerWidth - 2 * parseFloat(paddingLeft)
  const height = window.innerHeight - 2 * parseFloat(paddingTop)
  const plot = new uPlot({ ...optionsOf(chart), width, height }, dataOf(chart), document.body)
  await frame()
  // Title and legend take what they need of the height.
  plot.setSize({ width, height: 2 * height - plot.root.offsetHeight })
  await frame()
}

const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve))

const colorOf = ({ control }: Series, i: number): string => (control ? GREY : (COLORS[i % COLORS.length] ?? INK))
const dashOf = ({ control }: Series): { dash?: number[] } => (control ? { dash: [8, 6] } : {})

function optionsOf({ title, x, y, range, marks = [], series }: Chart): Omit<uPlot.Options, 'width' | 'height'> {
  const xs = series.flatMap(({ points }) => points.map(([at]) => at))
  const axis = {
    stroke: INK,
    font: FONT,
    labelFont: FONT,
    labelSize: 24,
    labelGap: 4,
    grid: { stroke: GRID, width: 1 },
  }
  const line = { border: { show: true, stroke: INK, width: 1 }, ticks: { stroke: INK, width: 1, size: 6 } }
  return {
    title,
    cursor: { show: false },
    legend: { live: false, markers: { width: 3, dash: (_, i) => (isControl(series, i) ? 'dashed' : 'solid') } },
    scales: {
      x: { time: false, range: () => [xs.reduce((a, b) => Math.min(a, b), 0), xs.reduce((a, b) => Math.max(a, b), 1)] },
      y: { range: () => [...range] },
    },
    axes: [
      {
        ...axis,
        ...line,
        label: x,
        incrs: xs.some((at) => at > 1) ? [1, 2, 5, 10, 20, 50, 100, 200, 500] : [0.1, 0.2, 0.5],
        space: 60,
        size: 32,
        grid: { show: false },
      },
      { ...axis, ...line, label: y, space: 50, size: 48 },
    ],
    series: [{}, ...series.flatMap((one, i) => seriesOf(one, colorOf(one, i)))],
    bands: bandsOf(series),
    hooks: { draw: [(plot) => marks.forEach(({ at, label }) => drawMark(plot, at, label))] },
  }
}

/** A series' line, and the edges of its band where it has one. */
function seriesOf(series: Series, color: string): uPlot.Series[] {
  const line = { ...dashOf(series), label: series.name, stroke: color, width: 3 }
  const edge = { class: 'edge', width: 0, points: { show: false } }
  return [{ ...line, points: { show: true, size: 8, fill: color } }, ...(series.spread ? [edge, edge] : [])]
}

/** For each series the index of its line among all that are drawn. */
const placesOf = (series: readonly Series[]): number[] =>
  series.map((_, i) => series.slice(0, i).reduce((place, { spread }) => place + (spread ? 3 : 1), 1))

const isControl = (series: readonly Series[], place: number): boolean =>
  series[placesOf(series).indexOf(place)]?.control === true

function bandsOf(series: readonly Series[]): uPlot.Band[] {
  return placesOf(series).flatMap((place, i): uPlot.Band[] => {
    const one = series[i]
    return one?.spread ? [{ series: [place + 1, place + 2], fill: colorOf(one, i) + BAND }] : []
  })
}

function dataOf({ series }: Chart): uPlot.AlignedData {
  const tables = series.map(({ points, spread }): uPlot.AlignedData => {
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
    const edge = (sign: number) => ys.map((y, i) => y + sign * (spread?.[i] ?? 0))
    return spread ? [xs, ys, edge(1), edge(-1)] : [xs, ys]
  })
  return uPlot.join(tables)
}

function drawMark(plot: uPlot, at: number, label: string): void {
  const { ctx, bbox } = plot
  const y = Math.round(plot.valToPos(at, 'y', true)) + 0.5
  ctx.save()
  ctx.strokeStyle = ctx.fillStyle = GREY
  ctx.font = FONT
  ctx.setLineDash([4, 4])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.textBaseline = 'bottom'
  ctx.textAlign = 'right'
  // On a white background of its own, so that a line behind it doesn't make it unreadable.
  ctx.setLineDash([])
  ctx.lineWidth = 5
  ctx.strokeStyle = '#fff'
  ctx.strokeText(label, bbox.left + bbox.width - 8, y - 4)
  ctx.fillText(label, bbox.left + bbox.width - 8, y - 4)
  ctx.restore()
}
