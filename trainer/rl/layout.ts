import { maxOf } from '../../core/statistics.ts'
import type { Rollout } from './rollout.ts'

/** The static sizes of one compiled graph. */
export interface BatchShape {
  /** N: rollouts. */
  rollouts: number
  /** B: rows of tokens. Rollouts are packed into them, several to a row where they fit. */
  rows: number
  /** T: tokens of a row. */
  length: number
  /** R: response tokens of a rollout. */
  responses: number
  /** M: response tokens of all rollouts. */
  answered: number
}

/** A batch as a graph reads it, row-major. Padding follows the last rollout of a row. */
export interface BatchLayout {
  ids: Int32Array // [B, T]
  /** Of a token: the number of its rollout in the row, from 1; 0 for padding. A token sees those of its own rollout. */
  segments: Int32Array // [B, T]
  /** Row of the flattened [B·T] hidden states from which each response token is predicted; 0 for padding. */
  sources: Int32Array // [M]
  /** The response tokens; 0 for padding. */
  actions: Int32Array // [M]
  /** Which of those is each token of each rollout; 0 for padding. */
  cells: Int32Array // [N·R]
  /** Row of the hidden state at each response token itself; 0 for padding. */
  targets: Int32Array // [N·R]
  /** Row of the hidden state at each response's last token; 0 for rollouts that are padding. */
  last: Int32Array // [N]
  /** 1 for a real response token. */
  responseMask: Float32Array // [N, R]
}

type Sized = Pick<Rollout, 'promptIds' | 'responseIds'>

/** Sizes are rounded up to a multiple of these, to compile few graphs. Packed rows lose little by being longer. */
const GRAIN = { rows: 4, length: 32, responses: 32, answered: 256 }

/** The smallest rounded shape that holds each of these parts, of `rollouts` at most. */
export function shapeOf(parts: readonly (readonly Sized[])[], rollouts: number, context: number): BatchShape {
  const all = parts.flat()
  const longest = maxOf(all.map(tokensOf), 0)
  if (longest > context) throw new RangeError(`a rollout of ${longest} tokens does not fit the context of ${context}`)
  const [rows, length] = rowsFor(parts, longest, context)
  const answers = parts.map((part) => part.map(({ responseIds }) => responseIds.length))
  const responses = up(maxOf(answers.flat(), 0), GRAIN.responses)
  const answered = maxOf(
    answers.map((lengths) => lengths.reduce((sum, n) => sum + n, 0)),
    0,
  )
  return {
    ...{ rollouts, length, responses },
    rows: Math.min(rollouts, rows),
    answered: Math.min(rollouts * responses, up(answered, GRAIN.answered)),
  }
}

/**
 * Number and length of rows that hold each part with the fewest tokens in all: one rollout a row, or rows of up to
 * twice the longest, in which two of average length find room where they would not in one.
 */
function rowsFor(parts: readonly (readonly Sized[])[], longest: number, context: number): [number, number] {
  const shortest = up(longest, GRAIN.length)
  let best: [number, number] | null = null
  for (let length = shortest; length <= 2 * shortest; length += GRAIN.length) {
    const most = Math.min(context, length)
    const rows = up(
      maxOf(
        parts.map((part) => pack(part, most).rows),
        0,
      ),
      GRAIN.rows,
    )
    if (best === null || rows * most < best[0] * best[1]) best = [rows, most]
  }
  return best!
}

/** Names a shape among those of the same number of rollouts. */
export const sizesOf = ({ rows, length, responses, answered }: BatchShape): string =>
  [rows, length, responses, answered].join('/')

const up = (n: number, grain: number): number => Math.ceil(n / grain) * grain
const tokensOf = ({ promptIds, responseIds }: Sized): number => promptIds.length + responseIds.length

interface Place {
  row: number
  /** Its first token's. */
  column: number
  /** Its number in the row, from 1. */
  segment: number
}

/** Places for rollouts in rows of `length` tokens: the longest first, each in the first row that has room. */
function pack(rollouts: readonly Sized[], length: number): { places: Place[]; rows: number } {
  const places = new Array<Place>(rollouts.length)
  const rows: { used: number; segments: number }[] = []
  const order = rollouts.map((rollout, i) => ({ i, size: tokensOf(rollout) }))
  for (const { i, size } of order.sort((a, b) => b.size - a.size || a.i - b.i)) {
    const found = rows.findIndex(({ used }) => used + size <= length)
    const row = found === -1 ? rows.push({ used: 0, segments: 0 }) - 1 : found
    const { used, segments } = rows[row]!
    places[i] = { row, column: used, segment: segments + 1 }
    rows[row] = { used: used + size, segments: segments + 1 }
  }
  return { places, rows: rows.length }
}

/** Lays out at most `shape.rollouts` rollouts. */
export function layOut(rollouts: readonly Sized[], shape: BatchShape): BatchLayout {
  const { rows, length, responses } = shape
  const layout: BatchLayout = {
    ids: new Int32Array(rows * length),
    segments: new Int32Array(rows * length),
    sources: new Int32Array(shape.answered),
    actions: new Int32Array(shape.answered),
    cells: new Int32Array(shape.rollouts * responses),
    targets: new Int32Array(shape.rollouts * responses),
    last: new Int32Array(shape.rollouts),
    responseMask: new Float32Array(shape.rollouts * responses),
  }
  const { places } = pack(rollouts, length)
  let answered = 0
  rollouts.forEach(({ promptIds, responseIds }, n) => {
    const { row, column, segment } = places[n]!
    const at = row * length + column
    const answer = at + promptIds.length
    const end = answer + responseIds.length
    layout.ids.set(promptIds, at)
    layout.ids.set(responseIds, answer)
    layout.segments.fill(segment, at, end)
    layout.last[n] = end - 1
    responseIds.forEach((id, t) => {
      const i = n * responses + t
      layout.sources[answered] = answer + t - 1
      layout.actions[answered] = id
      layout.cells[i] = answered++
      layout.targets[i] = answer + t
      layout.responseMask[i] = 1
    })
  })
  return layout
}

/** Ragged rows as a padded [N, R] array of zeros. */
export function padRows(rows: readonly ArrayLike<number>[], { rollouts: count, responses }: BatchShape): Float32Array {
  const padded = new Float32Array(count * responses)
  rows.forEach((row, b) => padded.set(row, b * responses))
  return padded
}

/** The real entries of each of the first `lengths.length` rows of a padded [N, R] array. */
export function unpadRows(padded: Float32Array, lengths: readonly number[], { responses }: BatchShape): Float32Array[] {
  return lengths.map((n, b) => padded.slice(b * responses, b * responses + n))
}
