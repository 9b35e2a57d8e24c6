/**
 * Finds where a rater changes: who voted well and then turned (a sleeper), or turned gradually, is two or three raters one
 * after the other, each judged by what they did. Pure.
 */

/** Least comparisons of a stretch. */
const LEAST = 6
/**
 * A change is believed if it explains this much: n ln(RSS / (RSS_before + RSS_after)), which for a rater who does not
 * change exceeds 16 about once in a thousand raters.
 */
const BELIEVED = 16
/** Of one rater. */
const MOST_STRETCHES = 4
/** Added to the mean square of every stretch, in the unit of v²: what is below it is no change of mind. */
const LEAST_VARIANCE = 0.0025

/**
 * The indices at which a new stretch begins, ascending, for one rater's votes in their order: y is explained by x
 * by a line of its own in each stretch. Binary segmentation: the best cut of all, then the best of each part.
 *
 * @param weight of each comparison, in [0, 1]
 */
export function changesOf(x: ArrayLike<number>, y: ArrayLike<number>, weight: ArrayLike<number>): number[] {
  const sums = prefixes(x, y, weight)
  const cuts: number[] = []
  const cut = (from: number, to: number): void => {
    if (cuts.length + 1 >= MOST_STRETCHES) return
    const best = bestCut(sums, from, to)
    if (best === null) return
    cuts.push(best)
    cut(from, best)
    cut(best, to)
  }
  cut(0, x.length)
  return cuts.sort((a, b) => a - b)
}

type Sums = Record<'n' | 'x' | 'y' | 'xx' | 'xy' | 'yy', Float64Array>

/** Sums over the votes before each index. */
function prefixes(x: ArrayLike<number>, y: ArrayLike<number>, weight: ArrayLike<number>): Sums {
  const empty = (): Float64Array => new Float64Array(x.length + 1)
  const sums: Sums = { n: empty(), x: empty(), y: empty(), xx: empty(), xy: empty(), yy: empty() }
  for (let i = 0; i < x.length; i++) {
    const [w, a, b] = [weight[i]!, x[i]!, y[i]!]
    sums.n[i + 1] = sums.n[i]! + w
    sums.x[i + 1] = sums.x[i]! + w * a
    sums.y[i + 1] = sums.y[i]! + w * b
    sums.xx[i + 1] = sums.xx[i]! + w * a * a
    sums.xy[i + 1] = sums.xy[i]! + w * a * b
    sums.yy[i + 1] = sums.yy[i]! + w * b * b
  }
  return sums
}

/** The residual sum of squares of the line through the votes from..to-1. */
function residual(sums: Sums, from: number, to: number): number {
  const of = (of: Float64Array): number => of[to]! - of[from]!
  const n = of(sums.n)
  if (n < 1e-9) return 0
  const xx = of(sums.xx) - of(sums.x) ** 2 / n
  const xy = of(sums.xy) - (of(sums.x) * of(sums.y)) / n
  const yy = of(sums.yy) - of(sums.y) ** 2 / n
  return Math.max(0, yy - (xx > 1e-9 ? (xy * xy) / xx : 0)) + LEAST_VARIANCE * n
}

function bestCut(sums: Sums, from: number, to: number): number | null {
  const n = (a: number, b: number): number => sums.n[b]! - sums.n[a]!
  const whole = residual(sums, from, to)
  let [best, gain] = [-1, BELIEVED]
  for (let at = from + 1; at < to; at++) {
    if (n(from, at) < LEAST || n(at, to) < LEAST) continue
    const found = n(from, to) * Math.log(whole / (residual(sums, from, at) + residual(sums, at, to)))
    if (found > gain) [best, gain] = [at, found]
  }
  return best === -1 ? null : best
}
