/**
 * Turns evidence about answers and about their differences into independent observations of one weight each, as
 * posterior.ts reads them.
 *
 * With f the answers' logits, terms t of weight ω_t on `f_a` or on `f_a - f_b` have the precision P = Σ ω_t c_t c_tᵀ and
 * the right-hand side r = Σ ω_t c_t y_t (c_t is 1 at a, and -1 at b). P falls into blocks, the answers that are
 * connected by differences. With each block's Cholesky factor, P = L Lᵀ,
 *
 *     Z = Lᵀ X,   L u = r   give   ZᵀZ = Xᵀ P X   and   Zᵀu = Xᵀ r,
 *
 * so that u = Z w + noise says what the terms said. An answer that is in no difference is `z = √ω x, u = √ω y`.
 */
import { OUTCOME_CURVATURE, compare, type Term } from './examples.ts'
import { addScaled } from './ridge.ts'

interface Block {
  /** Samples of the block, in the order of ids. */
  ids: string[]
  /** L, lower triangle row by row [k, k]; a column of zeros where the terms say nothing more. */
  factor: Float64Array
}

export interface Design {
  blocks: readonly Block[]
  terms: readonly Term[]
}

/** A pivot below this share of the largest is rounding: differences alone leave the level of a block open. */
const LEAST_PIVOT = 1e-9

export const precisionOf = ({ weight, outcome }: Term): number => (outcome ? OUTCOME_CURVATURE * weight : weight)

export function designOf(terms: readonly Term[]): Design {
  const blocks = connected(terms)
  const blockOf = new Map(blocks.flatMap((ids, i) => ids.map((id): [string, number] => [id, i])))
  const within = blocks.map((): Term[] => [])
  for (const term of terms) within[blockOf.get(term.a)!]!.push(term)
  return { terms, blocks: blocks.map((ids, i) => ({ ids, factor: cholesky(precision(ids, within[i]!), ids.length) })) }
}

/**
 * Rows Z of the observations, in the blocks' order: [n][d].
 *
 * @param input a sample's [d]
 */
export function rowsOf({ blocks }: Design, input: (sampleId: string) => Float64Array): Float64Array[] {
  return blocks.flatMap(({ ids, factor }) => {
    const inputs = ids.map(input)
    return ids.map((_, column) => {
      const row = new Float64Array(inputs[0]!.length)
      for (let i = column; i < ids.length; i++) {
        const by = factor[i * ids.length + column]!
        if (by !== 0) addScaled(row, inputs[i]!, by)
      }
      return row
    })
  })
}

/** Z Zᵀ [n, n] from the answers' inner products, which are cached: its lower triangle is complete. */
export function gramOf({ blocks }: Design, product: (a: string, b: string) => number): Float64Array {
  const n = blocks.reduce((sum, { ids }) => sum + ids.length, 0)
  const gram = new Float64Array(n * n)
  let top = 0
  for (const upper of blocks) {
    let left = 0
    for (const lower of blocks) {
      if (left > top) break
      fill(gram, { n, top, left }, upper, lower, product)
      left += lower.ids.length
    }
    top += upper.ids.length
  }
  return gram
}

/** `Lᵀ K M` of two blocks: K their answers' products, L and M their factors. */
function fill(
  gram: Float64Array,
  { n, top, left }: { n: number; top: number; left: number },
  a: Block,
  b: Block,
  product: (a: string, b: string) => number,
): void {
  const [rows, columns] = [a.ids.length, b.ids.length]
  if (rows === 1 && columns === 1) {
    gram[top * n + left] = a.factor[0]! * product(a.ids[0]!, b.ids[0]!) * b.factor[0]!
    return
  }
  const half = new Float64Array(rows * columns) // K M
  a.ids.forEach((id, i) => {
    const products = b.ids.map((other) => product(id, other))
    for (let j = 0; j < columns; j++) {
      let sum = 0
      for (let k = j; k < columns; k++) sum += products[k]! * b.factor[k * columns + j]!
      half[i * columns + j] = sum
    }
  })
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0
      for (let k = i; k < rows; k++) sum += a.factor[k * rows + i]! * half[k * columns + j]!
      gram[(top + i) * n + left + j] = sum
    }
}

/** The observations u [n] of these targets, one per term. */
export function observations({ blocks, terms }: Design, targets: readonly number[]): Float64Array {
  const right = new Map<string, number>()
  terms.forEach((term, t) => {
    const pull = precisionOf(term) * targets[t]!
    right.set(term.a, (right.get(term.a) ?? 0) + pull)
    if (term.b !== null) right.set(term.b, (right.get(term.b) ?? 0) - pull)
  })
  return Float64Array.from(
    blocks.flatMap(({ ids, factor }) => {
      const u = ids.map((id) => right.get(id) ?? 0)
      for (let i = 0; i < u.length; i++) {
        const pivot = factor[i * u.length + i]!
        for (let k = 0; k < i; k++) u[i]! -= factor[i * u.length + k]! * u[k]!
        u[i] = pivot === 0 ? 0 : u[i]! / pivot
      }
      return u
    }),
  )
}

/** Samples by block: connected by differences. Blocks and their samples are in the order of ids. */
function connected(terms: readonly Term[]): string[][] {
  const parent = new Map<string, string>()
  const root = (id: string): string => {
    let at = id
    for (let next = parent.get(at) ?? at; next !== at; next = parent.get(at) ?? at) at = next
    return at
  }
  for (const { a, b } of terms) {
    if (!parent.has(a)) parent.set(a, a)
    if (b === null) continue
    if (!parent.has(b)) parent.set(b, b)
    const [one, other] = [root(a), root(b)]
    if (one !== other) parent.set(one < other ? other : one, one < other ? one : other)
  }
  const blocks = new Map<string, string[]>()
  for (const id of [...parent.keys()].sort(compare)) {
    const first = root(id)
    const block = blocks.get(first)
    if (block) block.push(id)
    else blocks.set(first, [id])
  }
  return [...blocks.values()]
}

function precision(ids: readonly string[], terms: readonly Term[]): Float64Array {
  const n = ids.length
  const at = new Map(ids.map((id, i) => [id, i]))
  const matrix = new Float64Array(n * n)
  for (const term of terms) {
    const a = at.get(term.a)!
    const weight = precisionOf(term)
    matrix[a * n + a]! += weight
    if (term.b === null) continue
    const b = at.get(term.b)!
    matrix[b * n + b]! += weight
    matrix[a * n + b]! -= weight
    matrix[b * n + a]! -= weight
  }
  return matrix
}

/** L of `matrix = L Lᵀ` [n, n], which may be singular. */
function cholesky(matrix: Float64Array, n: number): Float64Array {
  let largest = 0
  for (let i = 0; i < n; i++) largest = Math.max(largest, matrix[i * n + i]!)
  const factor = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!
      for (let k = 0; k < j; k++) sum -= factor[i * n + k]! * factor[j * n + k]!
      if (i === j) factor[i * n + i] = sum > LEAST_PIVOT * largest ? Math.sqrt(sum) : 0
      else factor[i * n + j] = factor[j * n + j] === 0 ? 0 : sum / factor[j * n + j]!
    }
  return factor
}
