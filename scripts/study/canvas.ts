/** A picture in memory: anti-aliased lines, rectangles and dot-matrix text, written as PNG. */
import { PNG } from 'pngjs'
import { ADVANCE, dot, GLYPH_HEIGHT, GLYPH_WIDTH } from './font.ts'

export type Color = readonly [red: number, green: number, blue: number]
export type Point = readonly [x: number, y: number]

export interface Canvas {
  rectangle: (x: number, y: number, width: number, height: number, color: Color) => void
  /** A stroke through all points; `dash` in pixels makes it a broken one. */
  line: (points: readonly Point[], color: Color, options?: { width?: number; dash?: number }) => void
  /** What lies between two lines through the same horizontal places, filled so that one sees through it. */
  area: (upper: readonly Point[], lower: readonly Point[], color: Color, alpha: number) => void
  /** Text whose top left corner is at (x, y); each dot is `scale` pixels wide. */
  text: (x: number, y: number, text: string, color: Color, scale?: number) => void
  png: () => Buffer
}

/** Pixels that a text takes. */
export const textWidth = (text: string, scale = 2): number => (text.length * ADVANCE - 1) * scale
export const textHeight = (scale = 2): number => GLYPH_HEIGHT * scale

export function openCanvas(width: number, height: number, background: Color): Canvas {
  const png = new PNG({ width, height })
  const blend = (x: number, y: number, color: Color, alpha: number) => {
    if (x < 0 || y < 0 || x >= width || y >= height || alpha <= 0) return
    const at = 4 * (y * width + x)
    for (let c = 0; c < 3; c++) png.data[at + c] = Math.round(png.data[at + c] * (1 - alpha) + color[c] * alpha)
    png.data[at + 3] = 255
  }
  const rectangle: Canvas['rectangle'] = (left, top, w, h, color) => {
    for (let y = Math.round(top); y < Math.round(top + h); y++) {
      for (let x = Math.round(left); x < Math.round(left + w); x++) blend(x, y, color, 1)
    }
  }
  rectangle(0, 0, width, height, background)

  const segment = (from: Point, to: Point, color: Color, thickness: number, visible: (along: number) => boolean) => {
    const reach = thickness / 2 + 1
    const length = Math.hypot(to[0] - from[0], to[1] - from[1])
    for (let y = Math.floor(Math.min(from[1], to[1]) - reach); y <= Math.max(from[1], to[1]) + reach; y++) {
      for (let x = Math.floor(Math.min(from[0], to[0]) - reach); x <= Math.max(from[0], to[0]) + reach; x++) {
        const share =
          length === 0 ? 0 : ((x - from[0]) * (to[0] - from[0]) + (y - from[1]) * (to[1] - from[1])) / length ** 2
        const near = Math.min(1, Math.max(0, share))
        const away = Math.hypot(x - from[0] - near * (to[0] - from[0]), y - from[1] - near * (to[1] - from[1]))
        if (visible(near * length)) blend(x, y, color, Math.min(1, Math.max(0, thickness / 2 + 0.5 - away)))
      }
    }
  }

  return {
    rectangle,
    line(points, color, { width: thickness = 1, dash } = {}) {
      let done = 0
      for (let i = 1; i < points.length; i++) {
        const start = done
        const visible = (along: number) => dash === undefined || Math.floor((start + along) / dash) % 2 === 0
        segment(points[i - 1], points[i], color, thickness, visible)
        done += Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1])
      }
    },
    area(upper, lower, color, alpha) {
      const [from, to] = [Math.round(upper[0]?.[0] ?? 0), Math.round(upper.at(-1)?.[0] ?? -1)]
      for (let x = from; x <= to; x++) {
        const [a, b] = [heightAt(upper, x), heightAt(lower, x)]
        for (let y = Math.round(Math.min(a, b)); y <= Math.max(a, b); y++) blend(x, y, color, alpha)
      }
    },
    text(left, top, text, color, scale = 2) {
      for (const [i, character] of [...text].entries()) {
        for (let x = 0; x < GLYPH_WIDTH; x++) {
          for (let y = 0; y < GLYPH_HEIGHT; y++) {
            if (dot(character, x, y)) rectangle(left + (i * ADVANCE + x) * scale, top + y * scale, scale, scale, color)
          }
        }
      }
    },
    png: () => PNG.sync.write(png),
  }
}

/** Where a line through ascending points is at `x`. */
function heightAt(points: readonly Point[], x: number): number {
  const next = Math.max(
    1,
    points.findIndex(([px]) => px >= x),
  )
  const [[x0, y0], [x1, y1]] = [points[next - 1], points[next] ?? points[next - 1]]
  return x1 === x0 ? y0 : y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}
