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

/**
 * Adds `Σ x xᵀ` over rows `x` [d]. Eight at a time, since reading and writing the matrix costs more than the
 * arithmetic.
 */
export function addRows({ width, matrix }: NormalSystem, rows: readonly Float64Array[]): void {
  const none = new Float64Array(width)
  for (let first = 0; first < rows.length; first += 8) {
    const at = (i: number): Float64Array => rows[first + i] ?? none
    const [a, b, c, d, e, f, g, h] = [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)]
    for (let i = 0; i < width; i++) {
      const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!]
      const [ei, fi, gi, hi] = [e[i]!, f[i]!, g[i]!, h[i]!]
      const row = i * width
      for (let j = 0; j <= i; j++)
        matrix[row + j]! +=
          ai * a[j]! + bi * b[j]! + ci * c[j]! + di * d[j]! + (ei * e[j]! + fi * f[j]! + gi * g[j]! + hi * h[j]!)
    }
  }
}

/** Replaces the matrix by its Cholesky factor L (A = L Lᵀ), in place. */
export function factorise({ width, matrix }: NormalSystem): void {
  for (let i = 0; i < width; i++) {
    const rowI = i * width
    for (let j = 0; j <= i; j++) {
      const rowJ = j * width
      let sum = matrix[rowI + j]!
      for (let k = 0; k < j; k++) sum -= matrix[rowI + k]! * matrix[rowJ + k]!
      if (i === j) {
        if (!(sum > 0))
          throw new RangeError('the normal equations are not positive definite: a feature or a weight is not finite')
        matrix[rowI + i] = Math.sqrt(sum)
      } else {
        matrix[rowI + j] = sum / matrix[rowJ + j]!
      }
    }
  }
}

/** Solves `L t = right` for a factorised system: [d] -> [d]. `|t|²` is `rightᵀ A⁻¹ right`. */
export function forward({ width, matrix }: NormalSystem, right: Float64Array): Float64Array {
  const t = right.slice()
  for (let i = 0; i < width; i++) {
    const row = i * width
    let sum = t[i]!
    for (let k = 0; k < i; k++) sum -= matrix[row + k]! * t[k]!
    t[i] = sum / matrix[row + i]!
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

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

export function addScaled(target: Float64Array, x: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * x[i]!
}
