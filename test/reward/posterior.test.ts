import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { designOf, gramOf, observations, precisionOf, rowsOf } from '../../trainer/reward/design.ts'
import type { Term } from '../../trainer/reward/examples.ts'
import { posteriorOf, without } from '../../trainer/reward/posterior.ts'
import { dot } from '../../trainer/reward/ridge.ts'

const random = openRandom(3)
const vector = (d: number): Float64Array => Float64Array.from({ length: d }, () => random.normal() / Math.sqrt(d))

/** Gauss and Jordan's inverse, which shares nothing with Cholesky's. */
function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))])
  for (let i = 0; i < n; i++) {
    const pivot = rows[i]![i]!
    rows[i] = rows[i]!.map((x) => x / pivot)
    for (let k = 0; k < n; k++)
      if (k !== i) {
        const by = rows[k]![i]!
        rows[k] = rows[k]!.map((x, j) => x - by * rows[i]![j]!)
      }
  }
  return rows.map((row) => row.slice(n))
}

/** `ρ I + Σ ω c cᵀ`, and `Σ ω c y`, term by term. */
function normalEquations(terms: readonly Term[], inputs: ReadonlyMap<string, Float64Array>, d: number, ridge: number) {
  const a = Array.from({ length: d }, (_, i) => Array.from({ length: d }, (_, j) => (i === j ? ridge : 0)))
  const b = new Array<number>(d).fill(0)
  for (const term of terms) {
    const x = inputs.get(term.a)!
    const y = term.b === null ? undefined : inputs.get(term.b)!
    const c = Array.from(x, (value, i) => value - (y?.[i] ?? 0))
    c.forEach((ci, i) => {
      c.forEach((cj, j) => (a[i]![j]! += precisionOf(term) * ci * cj))
      b[i]! += precisionOf(term) * ci * term.target
    })
  }
  const covariance = inverse(a)
  return { covariance, mean: covariance.map((row) => dot(row, b)) }
}
const quadratic = (a: ArrayLike<number>, matrix: readonly number[][], b: ArrayLike<number>): number =>
  dot(
    a,
    matrix.map((row) => dot(row, b)),
  )

const ids = Array.from({ length: 9 }, (_, i) => `s${i}`)
const about = (a: string, b: string | null, weight: number, target: number): Term => ({
  ...{ a, b, weight, target, outcome: false },
})
/** Ratings of all but the last two answers, and differences: a chain, a triangle, and one between answers nobody rated. */
const terms: Term[] = [
  ...ids.slice(0, 7).map((id, i) => about(id, null, 0.3 + 0.2 * i, random.normal())),
  about('s0', 's1', 0.7, 0.4),
  about('s1', 's2', 1.1, -0.3),
  about('s3', 's4', 0.5, 0.9),
  about('s3', 's5', 0.6, 0.1),
  about('s4', 's5', 0.4, -0.9),
  about('s7', 's8', 0.8, 1.3),
]

describe('the posterior', () => {
  for (const d of [5, 60]) {
    const inputs = new Map(ids.map((id) => [id, vector(d)]))
    const input = (id: string): Float64Array => inputs.get(id)!
    const design = designOf(terms)
    const targets = terms.map(({ target }) => target)
    const gram = () => gramOf(design, (a, b) => dot(input(a), input(b)))
    const posterior = posteriorOf(rowsOf(design, input), d, 0.8, gram)([observations(design, targets)])
    const brute = normalEquations(terms, inputs, d, 0.8)

    it(`is that of the normal equations, ${d < 30 ? 'by inputs' : 'by observations'}`, () => {
      brute.mean.forEach((w, i) => expect(posterior.means[0]![i]).toBeCloseTo(w, 9))
      for (let i = 0; i < 6; i++) {
        const [x, y] = [vector(d), vector(d)]
        expect(posterior.covariance(posterior.at(x), posterior.at(y))).toBeCloseTo(quadratic(x, brute.covariance, y), 9)
      }
    })

    it(`leaves out an answer's own evidence as if it had never been there, at ${d} inputs`, () => {
      for (const id of ['s0', 's4', 's7']) {
        const own = terms.filter(({ a, b }) => a === id || b === id)
        const left = normalEquations(
          terms.filter((term) => !own.includes(term)),
          inputs,
          d,
          0.8,
        )
        const found = without(
          posterior,
          input(id),
          own.map((term) => ({
            x: input(term.a).map((x, i) => x - (term.b === null ? 0 : input(term.b)[i]!)),
            weight: term.weight,
            targets: [term.target],
          })),
        )
        expect(found.means[0]).toBeCloseTo(dot(left.mean, input(id)), 9)
        expect(found.variance).toBeCloseTo(quadratic(input(id), left.covariance, input(id)), 9)
      }
    })
  }

  it('has the squares that the noise follows from, in either form', () => {
    const d = 40
    const inputs = Array.from({ length: 8 }, () => vector(d))
    const u = Float64Array.from(inputs, () => random.normal())
    const byObservations = posteriorOf(inputs, d, 0.7)([u])
    // Rows of zeros are observations of nothing, and with these there are too many for that form.
    const none = Array.from({ length: 32 }, () => new Float64Array(d))
    const byInputs = posteriorOf([...inputs, ...none], d, 0.7)([Float64Array.from([...u, ...none.map(() => 0)])])
    expect(byInputs.squares[0]).toBeCloseTo(byObservations.squares[0]!, 9)
  })
})
