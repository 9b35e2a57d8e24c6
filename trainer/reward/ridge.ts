/**
 * Symmetric positive definite systems, solved exactly by Cholesky's decomposition: what a ridge regression
 *
 *     w = argmin ½ Σ_i ω_i (y_i - w·x_i)² + ½ ρ |w|²,   (ρ I + Σ ω x xᵀ) w = Σ ω x y
 *
 * comes to. Cost n d²/2 + d³/6 multiplications for the system, d² for each right-hand side.
 */
export interface NormalSystem {
  readonly width: number
  /** Lower triangle of `ρ I + Σ ω x xᵀ`, row by row: [d, d]. */
  readonly matrix: Float64Array
}

/** The system before any example: `ρ I`. */
export function openSystem(width: number, ridge: number): NormalSystem {
  if (!(ridge > 0)) throw new RangeError(`ridge is ${ridge}; only above 0 does the system have a solution for any data`)
  const matrix = new Float64Array(width * width)
  for (let i = 0; i < width; i++) matrix[i * width + i] = ridge
  return { width, matrix }
}

/** Numbers of a row that are read at once. */
const TILE = 4

/**
 * Adds `Σ x xᵀ` over rows `x` [d]: two rows of the matrix by four of its columns at a time, so that each number that is
 * read counts in eight products.
 */
export function addRows({ width, matrix }: NormalSystem, rows: readonly Float64Array[]): void {
  const n = rows.length
  const tiles = Math.ceil(width / TILE)
  // Tile t of all rows, one after the other: [tiles, n, 4].
  const tiled = new Float64Array(tiles * n * TILE)
  rows.forEach((row, k) => {
    for (let i = 0; i < width; i++) tiled[(Math.floor(i / TILE) * n + k) * TILE + (i % TILE)] = row[i]!
  })
  for (let i = 0; i < width; i += 2) {
    const first = Math.floor(i / TILE) * n * TILE + (i % TILE)
    for (let j = 0; j <= i + 1; j += TILE) {
      let a0 = 0
      let a1 = 0
      let a2 = 0
      let a3 = 0
      let b0 = 0
      let b1 = 0
      let b2 = 0
      let b3 = 0
      for (let k = 0, at = first, by = j * n; k < n; k++, at += TILE, by += TILE) {
        const a = tiled[at]!
        const b = tiled[at + 1]!
        const x0 = tiled[by]!
        const x1 = tiled[by + 1]!
        const x2 = tiled[by + 2]!
        const x3 = tiled[by + 3]!
        a0 += a * x0
        a1 += a * x1
        a2 += a * x2
        a3 += a * x3
        b0 += b * x0
        b1 += b * x1
        b2 += b * x2
        b3 += b * x3
      }
      if (j <= i) addTo(matrix, i * width + j, i - j, a0, a1, a2, a3)
      if (i + 1 < width) addTo(matrix, (i + 1) * width + j, i + 1 - j, b0, b1, b2, b3)
    }
  }
}

/** Adds up to four numbers, one after the other from `at` on: `more` besides the first. */
function addTo(matrix: Float64Array, at: number, more: number, s0: number, s1: number, s2: number, s3: number): void {
  matrix[at]! += s0
  if (more > 0) matrix[at + 1]! += s1
  if (more > 1) matrix[at + 2]! += s2
  if (more > 2) matrix[at + 3]! += s3
}

/** Replaces the matrix by its Cholesky factor L (A = L Lᵀ), in place: four columns of a row at a time. */
export function factorise({ width, matrix }: NormalSystem): void {
  for (let i = 0; i < width; i++) {
    const row = i * width
    for (let j = 0; j <= i; j += TILE) {
      const last = Math.min(j + TILE - 1, i)
      const r0 = j * width
      const r1 = Math.min(j + 1, last) * width
      const r2 = Math.min(j + 2, last) * width
      const r3 = last * width
      let s0 = 0
      let s1 = 0
      let s2 = 0
      let s3 = 0
      for (let k = 0; k < j; k++) {
        const a = matrix[row + k]!
        s0 += a * matrix[r0 + k]!
        s1 += a * matrix[r1 + k]!
        s2 += a * matrix[r2 + k]!
        s3 += a * matrix[r3 + k]!
      }
      addTo(matrix, row + j, last - j, -s0, -s1, -s2, -s3)
      for (let c = j; c <= last; c++) {
        const at = row + c
        for (let k = j; k < c; k++) matrix[at]! -= matrix[row + k]! * matrix[c * width + k]!
        if (c < i) matrix[at]! /= matrix[c * width + c]!
        else if (matrix[at]! > 0) matrix[at] = Math.sqrt(matrix[at]!)
        else throw new RangeError('the normal equations are not positive definite: a feature or a weight is not finite')
      }
    }
  }
}

/** Solves `L t = right` for a factorised system: [d] -> [d]. `|t|²` is `rightᵀ A⁻¹ right`. */
export function forward({ width, matrix }: NormalSystem, right: Float64Array): Float64Array {
  const t = right.slice()
  for (let i = 0; i < width; i++) {
    const row = i * width
    t[i] = (t[i]! - inner(matrix, row, t, i)) / matrix[row + i]!
  }
  return t
}

/** Solves `L Lᵀ x = right` for a factorised system: [d] -> [d]. */
export function solve(system: NormalSystem, right: Float64Array): Float64Array {
  const { width, matrix } = system
  const x = forward(system, right)
  // Column by column of Lᵀ, which are the rows of L: memory is read in its order.
  for (let i = width - 1; i >= 0; i--) {
    const row = i * width
    const value = x[i]! / matrix[row + i]!
    x[i] = value
    for (let k = 0; k < i; k++) x[k]! -= matrix[row + k]! * value
  }
  return x
}

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => inner(a, 0, b, a.length)

/** `Σ a[from + i] b[i]` over `count` of them; in four sums, none of which waits for another. */
function inner(a: ArrayLike<number>, from: number, b: ArrayLike<number>, count: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let i = 0
  for (; i + 3 < count; i += 4) {
    s0 += a[from + i]! * b[i]!
    s1 += a[from + i + 1]! * b[i + 1]!
    s2 += a[from + i + 2]! * b[i + 2]!
    s3 += a[from + i + 3]! * b[i + 3]!
  }
  for (; i < count; i++) s0 += a[from + i]! * b[i]!
  return s0 + s1 + (s2 + s3)
}

export function addScaled(target: Float64Array, x: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * x[i]!
}
