/** Who votes like whom: the direction in which a room's raters differ most, by their pairs. Pure. */
import type { Cells, Unit } from './factor.ts'

/** What no agreement at all weighs in a pair's, in common answers. */
const PAIR_VOTES = 4
/** A vote is at most this far from its author's mean, standard deviations … */
const MOST = 2.5
/** … which are at least this, in the unit of a value. */
const LEAST_DEVIATION = 0.05
/** Units of which pairs are compared, those with most votes: every pair takes time. */
const MOST_UNITS = 200
/** Of power iteration. */
const ROUNDS = 30

export interface Direction {
  /** By unit, in [-1, 1], 1 for the one who lies most on its side; positive where more is at stake. 0: not compared. */
  readonly side: Float64Array
  /** By unit: the comparisons behind it. */
  readonly evidence: Float64Array
  /** How sure it is that the positive side's members agree, in standard deviations of chance. */
  readonly z: number
}

/**
 * The leading eigenvector of the matrix `A_ik = √(u_i u_k) S_ik / (n_ik + 4)`: S_ik sums the products of two
 * raters' standardised votes over their n_ik common answers, u is trust. Everybody has one voice about everybody they
 * met, whatever the number of common answers. So a few who vote a lot on the same answers, and agree there with
 * each other and with nobody else, are seen to oppose the room, although they outnumber it on those answers.
 *
 * @param among by unit: whether it takes part
 */
export function leadingDirection(
  cells: Cells,
  byAnswer: readonly Int32Array[],
  people: readonly Unit[],
  among: Uint8Array,
): Direction {
  const { units, unit, compared } = cells
  const z = standardised(cells)
  const index = indexed(cells, among)
  const size = index.count
  const [sums, counts] = [new Float64Array(size * size), new Float64Array(size * size)]
  for (const on of byAnswer) {
    for (let a = 0; a < on.length; a++) {
      const i = index.of[unit[on[a]!]!]!
      if (i < 0 || compared[on[a]!] === 0) continue
      for (let b = 0; b < a; b++) {
        const k = index.of[unit[on[b]!]!]!
        if (k < 0 || k === i) continue
        const c = compared[on[a]!]! * compared[on[b]!]!
        sums[i * size + k]! += c * z[on[a]!]! * z[on[b]!]!
        counts[i * size + k]! += c
      }
    }
  }
  for (let i = 0; i < size; i++)
    for (let k = 0; k < i; k++) {
      sums[i * size + k] = sums[k * size + i] = sums[i * size + k]! + sums[k * size + i]!
      counts[i * size + k] = counts[k * size + i] = counts[i * size + k]! + counts[k * size + i]!
    }
  const roots = Float64Array.from(index.units, (i) => Math.sqrt(people[i]!.trust))
  const vector = leading(
    Float64Array.from(sums, (s, at) => {
      const [i, k] = [Math.floor(at / size), at % size]
      return (roots[i]! * roots[k]! * s) / (counts[at]! + PAIR_VOTES)
    }),
    size,
  )
  orient(vector, index.units, people)
  const side = new Float64Array(units)
  const evidence = new Float64Array(units)
  let [together, met] = [0, 0]
  for (let i = 0; i < size; i++) {
    side[index.units[i]!] = vector[i]!
    for (let k = 0; k < size; k++) {
      evidence[index.units[i]!]! += counts[i * size + k]!
      if (k < i && vector[i]! > MEMBER && vector[k]! > MEMBER) {
        together += sums[i * size + k]!
        met += counts[i * size + k]!
      }
    }
  }
  return { side, evidence, z: met === 0 ? 0 : together / Math.sqrt(met) }
}

/** From this on a unit is on a side. */
export const MEMBER = 0.25

/** By cell: its distance from its unit's mean, in the unit's deviations. */
function standardised({ units, unit, value }: Cells): Float64Array {
  const [n, sum, squares] = [new Float64Array(units), new Float64Array(units), new Float64Array(units)]
  unit.forEach((i, cell) => {
    n[i]!++
    sum[i]! += value[cell]!
  })
  unit.forEach((i, cell) => (squares[i]! += (value[cell]! - sum[i]! / n[i]!) ** 2))
  return Float64Array.from(value, (v, cell) => {
    const i = unit[cell]!
    const deviation = Math.max(LEAST_DEVIATION, Math.sqrt(squares[i]! / n[i]!))
    return Math.min(MOST, Math.max(-MOST, (v - sum[i]! / n[i]!) / deviation))
  })
}

/** Those of `among` with most compared votes, two at least: their numbers, and by unit the place among them or -1. */
function indexed(
  { units, unit, compared }: Cells,
  among: Uint8Array,
): { units: number[]; of: Int32Array; count: number } {
  const votes = new Float64Array(units)
  unit.forEach((i, cell) => (votes[i]! += compared[cell]! > 0 ? 1 : 0))
  const chosen = Array.from(votes, (_, i) => i)
    .filter((i) => among[i] === 1 && votes[i]! >= 2)
    .sort((a, b) => votes[b]! - votes[a]! || a - b)
    .slice(0, MOST_UNITS)
  const of = new Int32Array(units).fill(-1)
  chosen.forEach((i, place) => (of[i] = place))
  return { units: chosen, of, count: chosen.length }
}

/** The eigenvector of the largest eigenvalue, scaled so that its largest part is 1 in size; 0 for a matrix of zeros. */
function leading(matrix: Float64Array, size: number): Float64Array {
  // Shifted so that all eigenvalues are positive, and the largest is the one that is found.
  let shift = 0
  for (let i = 0; i < size; i++) {
    let row = 0
    for (let k = 0; k < size; k++) row += Math.abs(matrix[i * size + k]!)
    shift = Math.max(shift, row)
  }
  let vector = Float64Array.from({ length: size }, (_, i) => {
    let row = 0
    for (let k = 0; k < size; k++) row += matrix[i * size + k]!
    return row + shift * 0.01 * (1 + ((i * 7) % 5))
  })
  if (shift === 0) return new Float64Array(size)
  for (let round = 0; round < ROUNDS; round++) {
    const next = new Float64Array(size)
    let most = 0
    for (let i = 0; i < size; i++) {
      let sum = (shift / 4) * vector[i]!
      for (let k = 0; k < size; k++) sum += matrix[i * size + k]! * vector[k]!
      next[i] = sum
      most = Math.max(most, Math.abs(sum))
    }
    if (most === 0) return next
    vector = next.map((x) => x / most)
  }
  return vector
}

/** Turns a vector, in place, so that its positive side has more at stake. */
function orient(vector: Float64Array, units: readonly number[], people: readonly Unit[]): void {
  let balance = 0
  let most = 0
  for (let i = 0; i < vector.length; i++) {
    if (Math.abs(vector[i]!) > MEMBER) balance += Math.sign(vector[i]!) * people[units[i]!]!.stake
    most = Math.max(most, Math.abs(vector[i]!))
  }
  if (most === 0) return
  const sign = balance < 0 ? -1 : 1
  for (let i = 0; i < vector.length; i++) vector[i] = (sign * vector[i]!) / most
}
