/** The ratings of one category, by answer, in a form that can be summed a thousand times. Pure. */
import type { GwetSums } from './gwet.ts'
import type { Moments } from './krippendorff.ts'

/** A rating of an answer; nobody rates one twice. */
export interface GivenRating {
  sampleId: string
  /** As it was given, on its scale. */
  value: number
}

/** From the least to the most, in so many points, all equally far apart. */
export interface PointScale {
  least: number
  most: number
  points: number
}

/** The point, counted from 0, that a value is nearest to. */
export const pointOf = ({ least, most, points }: PointScale, value: number): number =>
  Math.round(((value - least) / (most - least)) * (points - 1))

export interface RatedAnswer {
  sampleId: string
  /** Of at least one person. */
  values: readonly number[]
}

/** Answers by what their ratings come to. */
export interface Units {
  readonly scale: PointScale
  readonly answers: readonly RatedAnswer[]
  /** By answer: its distribution over points. Many answers share one, which is what makes sums fast. */
  readonly patternOf: Int32Array
  readonly patterns: readonly Pattern[]
  /** By answer: its part in the moments, 0 for one that has a single rating. */
  readonly moments: { readonly [M in keyof Moments]: Float64Array }
}

interface Pattern {
  /** m: its ratings. */
  size: number
  /** By point. */
  counts: Float64Array
  /** Two different points that are both given, c < k, at c · q + k, and what they add to o_ck and to pairs apart. */
  cells: Int32Array
  coincidences: Float64Array
  apart: Float64Array
}

/** What coefficients are computed from: see krippendorff.ts and gwet.ts. */
export interface Tally extends GwetSums {
  /** n_c and o_ck, of answers with two ratings or more. */
  counts: Float64Array
  coincidences: Float64Array
  moments: Moments
}

export function unitsOf(ratings: readonly GivenRating[], scale: PointScale): Units {
  const answers = byAnswer(ratings)
  const indices = new Map<string, number>()
  const patterns: Pattern[] = []
  const patternOf = Int32Array.from(answers, ({ values }) => {
    const counts = new Float64Array(scale.points)
    for (const value of values) counts[pointOf(scale, value)]!++
    const key = counts.join()
    const known = indices.get(key)
    if (known !== undefined) return known
    indices.set(key, patterns.length)
    return patterns.push(patternFrom(counts)) - 1
  })
  return { scale, answers, patternOf, patterns, moments: momentsOf(answers, (scale.least + scale.most) / 2) }
}

/** Ratings by what they are on, in the order of the first ones. */
export function byAnswer(ratings: readonly GivenRating[]): RatedAnswer[] {
  const valuesOn = new Map<string, number[]>()
  for (const { sampleId, value } of ratings) {
    const values = valuesOn.get(sampleId)
    if (values === undefined) valuesOn.set(sampleId, [value])
    else values.push(value)
  }
  return [...valuesOn].map(([sampleId, values]) => ({ sampleId, values }))
}

/** The sums over answers, given by their indices; an answer may come several times. All of them once if none are given. */
export function tallyOf({ scale, answers, patternOf, patterns, moments: parts }: Units, drawn?: Int32Array): Tally {
  const q = scale.points
  const times = new Int32Array(patterns.length)
  const moments: Moments = { count: 0, sum: 0, squares: 0, differences: 0 }
  for (let i = 0; i < answers.length; i++) {
    const answer = drawn === undefined ? i : drawn[i]!
    times[patternOf[answer]!]!++
    moments.count += parts.count[answer]!
    moments.sum += parts.sum[answer]!
    moments.squares += parts.squares[answer]!
    moments.differences += parts.differences[answer]!
  }
  const [counts, shares] = [new Float64Array(q), new Float64Array(q)]
  const [coincidences, apart] = [new Float64Array(q * q), new Float64Array(q * q)]
  let paired = 0
  patterns.forEach((pattern, p) => {
    const { size, cells } = pattern
    const many = times[p]!
    if (many === 0) return
    for (let c = 0; c < q; c++) shares[c]! += (many * pattern.counts[c]!) / size
    if (size < 2) return
    paired += many
    for (let c = 0; c < q; c++) counts[c]! += many * pattern.counts[c]!
    for (let i = 0; i < cells.length; i++) {
      coincidences[cells[i]!]! += many * pattern.coincidences[i]!
      apart[cells[i]!]! += many * pattern.apart[i]!
    }
  })
  return { rated: answers.length, paired, counts, shares, coincidences, apart, moments }
}

/** The mean share of an answer's pairs of ratings that are at most a point apart; null: no answer has two. */
export function nearShare({ apart, paired, counts }: Tally): number | null {
  if (paired === 0) return null
  const isFar = (cell: number): boolean => (cell % counts.length) - Math.floor(cell / counts.length) > 1
  return 1 - apart.reduce((sum, share, cell) => (isFar(cell) ? sum + share : sum), 0) / paired
}

function patternFrom(counts: Float64Array): Pattern {
  const q = counts.length
  const size = counts.reduce((sum, count) => sum + count, 0)
  const [cells, pairs]: [number[], number[]] = [[], []]
  for (let c = 0; c < q; c++) {
    for (let k = c + 1; k < q; k++) {
      if (counts[c] === 0 || counts[k] === 0) continue
      cells.push(c * q + k)
      pairs.push(counts[c]! * counts[k]!)
    }
  }
  return {
    ...{ size, counts, cells: Int32Array.from(cells) },
    coincidences: Float64Array.from(pairs, (pair) => pair / (size - 1)),
    apart: Float64Array.from(pairs, (pair) => pair / ((size * (size - 1)) / 2)),
  }
}

/** From the middle of the scale, so that little is lost to rounding. */
function momentsOf(answers: readonly RatedAnswer[], middle: number): Units['moments'] {
  const [count, sum, squares, differences] = Array.from({ length: 4 }, () => new Float64Array(answers.length)) as Four
  answers.forEach(({ values }, i) => {
    const m = values.length
    if (m < 2) return
    count[i] = m
    for (const value of values) {
      sum[i]! += value - middle
      squares[i]! += (value - middle) ** 2
    }
    differences[i] = (m * squares[i]! - sum[i]! ** 2) / (m - 1)
  })
  return { count, sum, squares, differences }
}

type Four = [Float64Array, Float64Array, Float64Array, Float64Array]
