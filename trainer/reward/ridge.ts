/**
 * Weighted ridge regression, solved exactly, towards a prior that need not be 0:
 *
 *     w = argmin ½ Σ_i ω_i (y_i - w·x_i)² + ½ ρ |w - w₀|²
 *
 * The normal equations `(ρ I + Σ ω x xᵀ) δ = Σ ω x (y - w₀·x)`, `w = w₀ + δ`, by Cholesky's
 * decomposition. Cost n d²/2 + d³/6 multiplications for the system, d² for each right-hand side.
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
 * Adds `Σ ω x xᵀ` over examples `x` [d]. Four at a time, since reading and writing the matrix costs more than the
 * arithmetic.
 */
export function addExamples(
  { width, matrix }: NormalSystem,
  examples: readonly { x: Float64Array; omega: number }[],
): void {
  const none = { x: new Float64Array(width), omega: 0 }
  for (let first = 0; first < examples.length; first += 4) {
    const at = (i: number) => examples[i] ?? none
    const [a, b, c, d] = [at(first), at(first + 1), at(first + 2), at(first + 3)]
    for (let i = 0; i < width; i++) {
      const [ai, bi, ci, di] = [a.omega * a.x[i]!, b.omega * b.x[i]!, c.omega * c.x[i]!, d.omega * d.x[i]!]
      const row = i * width
      for (let j = 0; j <= i; j++) matrix[row + j]! += ai * a.x[j]! + bi * b.x[j]! + ci * c.x[j]! + di * d.x[j]!
    }
  }
}

/** Replaces the matrix by its Cholesky factor L (A = L Lᵀ), in place. */
export function factorise({ width, matrix }: NormalSystem): void {
  for (let j = 0; j < width; j++) {
    const rowJ = j * width
    for (let i = j; i < width; i++) {
      const rowI = i * width
      let sum = matrix[rowI + j]!
      for (let k = 0; k < j; k++) sum -= matrix[rowI + k]! * matrix[rowJ + k]!
      if (i === j) {
        if (!(sum > 0))
          throw new RangeError('the normal equations are not positive definite: a feature or a weight is not finite')
        matrix[rowJ + j] = Math.sqrt(sum)
      } else {
        matrix[rowI + j] = sum / matrix[rowJ + j]!
      }
    }
  }
}

/** Solves `L Lᵀ δ = right` for a factorised system: [d] -> [d]. */
export function solve({ width, matrix }: NormalSystem, right: Float64Array): Float64Array {
  const x = right.slice()
  for (let i = 0; i < width; i++) {
    let sum = x[i]!
    for (let k = 0; k < i; k++) sum -= matrix[i * width + k]! * x[k]!
    x[i] = sum / matrix[i * width + i]!
  }
  for (let i = width - 1; i >= 0; i--) {
    let sum = x[i]!
    for (let k = i + 1; k < width; k++) sum -= matrix[k * width + i]! * x[k]!
    x[i] = sum / matrix[i * width + i]!
  }
  return x
}
