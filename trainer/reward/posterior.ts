/**
 * The exact posterior of a Bayesian linear model. Prior and observations, in units of the noise's variance σ²:
 *
 *     w ~ N(0, σ² I / ρ),   u_i = z_i·w + N(0, σ²)
 *     w | u ~ N(m, σ² A⁻¹),   A = ρ I + ZᵀZ,   A m = Zᵀu
 *
 * Solved in whichever form costs less: by A [d, d], or, for few observations of many inputs, by B = ρ I + Z Zᵀ [n, n]:
 *
 *     m = Zᵀ B⁻¹ u,   A⁻¹ = (I - Zᵀ B⁻¹ Z) / ρ
 *
 * Source: Bishop, "Pattern Recognition and Machine Learning", 2006, sections 3.3 and 6.4; σ² by its conjugate prior,
 * as in Gelman et al., "Bayesian Data Analysis", 2013, section 14.8.
 */
import { addRows, addScaled, dot, factorise, forward, openSystem, solve, type NormalSystem } from './ridge.ts'

/** A point at which the posterior is asked, prepared once. */
export interface Point {
  /** [d] */
  x: Float64Array
  /** [d] or [n]: inner products of two of these give covariances. */
  t: Float64Array
}

export interface Posterior {
  /** One [d] for each right-hand side. */
  readonly means: readonly Float64Array[]
  /** `uᵀ (I + Z Zᵀ / ρ)⁻¹ u` of each: over n it estimates σ². */
  readonly squares: readonly number[]
  /** Observations. */
  readonly count: number
  at(x: Float64Array): Point
  /** `x A⁻¹ y`: times σ², the covariance of w·x and w·y. */
  covariance(a: Point, b: Point): number
}

/** A factorised design, which is solved for as many targets as are wanted: one u [n] for each set of weights. */
export type Solver = (targets: readonly Float64Array[]) => Posterior

/** Observations are few where there are this many times as many inputs: the inner products cost more than sums do. */
const FEW = 4

/**
 * @param rows Z: n rows [d]
 * @param gram Z Zᵀ, lower triangle row by row [n, n], where the caller has it at less cost
 */
export function posteriorOf(
  rows: readonly Float64Array[],
  width: number,
  ridge: number,
  gram: () => Float64Array = () => gramOf(rows),
): Solver {
  return FEW * rows.length < width ? byObservations(rows, width, ridge, gram()) : byInputs(rows, width, ridge)
}

function byInputs(rows: readonly Float64Array[], width: number, ridge: number): Solver {
  const system = openSystem(width, ridge)
  addRows(system, rows)
  factorise(system)
  return (targets) => {
    const rights = targets.map((u) => combined(rows, u, width))
    const means = rights.map((right) => solve(system, right))
    return {
      means,
      squares: targets.map((u, h) => Math.max(0, dot(u, u) - dot(rights[h]!, means[h]!))),
      count: rows.length,
      at: (x) => ({ x, t: forward(system, x) }),
      covariance: (a, b) => dot(a.t, b.t),
    }
  }
}

function byObservations(rows: readonly Float64Array[], width: number, ridge: number, gram: Float64Array): Solver {
  const system: NormalSystem = openSystem(rows.length, ridge)
  gram.forEach((product, i) => (system.matrix[i]! += product))
  factorise(system)
  return (targets) => {
    const solved = targets.map((u) => solve(system, u))
    return {
      means: solved.map((alpha) => combined(rows, alpha, width)),
      squares: targets.map((u, h) => Math.max(0, ridge * dot(u, solved[h]!))),
      count: rows.length,
      at: (x) => ({
        x,
        t: forward(
          system,
          Float64Array.from(rows, (row) => dot(row, x)),
        ),
      }),
      covariance: (a, b) => (dot(a.x, b.x) - dot(a.t, b.t)) / ridge,
    }
  }
}

/** `Zᵀ u` */
function combined(rows: readonly Float64Array[], u: Float64Array, width: number): Float64Array {
  const sum = new Float64Array(width)
  rows.forEach((row, i) => addScaled(sum, row, u[i]!))
  return sum
}

function gramOf(rows: readonly Float64Array[]): Float64Array {
  const n = rows.length
  const gram = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) gram[i * n + j] = dot(rows[i]!, rows[j]!)
  return gram
}

/** What is subtracted from the evidence, to see what is left without it: `weight`, above 0, on `y = w·x`. */
export interface Removed {
  x: Float64Array
  weight: number
  /** By set of weights. */
  targets: readonly number[]
}

/**
 * Means and `x A⁻¹ x` at `x` without some of the observations, by Woodbury's identity: with D the removed inputs, C =
 * A⁻¹ and M = (Ω⁻¹ - D C Dᵀ)⁻¹,
 *
 *     variance = x C x + (D C x)ᵀ M (D C x),   mean = w·x + (D C x)ᵀ M (D w - y)
 */
export function without(
  posterior: Posterior,
  x: Float64Array,
  removed: readonly Removed[],
): { means: number[]; variance: number } {
  const point = posterior.at(x)
  const plain = posterior.means.map((w) => dot(w, x))
  const variance = posterior.covariance(point, point)
  if (removed.length === 0) return { means: plain, variance }
  const points = removed.map((one) => posterior.at(one.x))
  const n = removed.length
  const matrix = new Float64Array(n * n)
  points.forEach((p, i) => {
    for (let j = 0; j <= i; j++)
      matrix[i * n + j] = (i === j ? 1 / removed[i]!.weight : 0) - posterior.covariance(p, points[j]!)
  })
  const system = { width: n, matrix }
  factorise(system)
  const across = Float64Array.from(points, (p) => posterior.covariance(p, point))
  const pull = solve(system, across)
  return {
    means: plain.map(
      (f, h) =>
        f +
        dot(
          pull,
          removed.map((one) => dot(posterior.means[h]!, one.x) - one.targets[h]!),
        ),
    ),
    variance: variance + dot(pull, across),
  }
}
