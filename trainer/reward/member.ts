/** One member of the ensemble: its prior, its bootstrap and its exact fit. */
import { openRandom } from '../../lm/sampling/random.ts'
import { seedAlong, seedOf } from '../rl/random.ts'
import { RATING, examplesOf, sigmoid, type Example, type RewardPreference, type RewardVote } from './examples.ts'
import { addExamples, factorise, openSystem, solve } from './ridge.ts'

interface MemberFit {
  heads: readonly string[]
  /** Inputs of a head, the intercept included. */
  inputs: number
  /** A sample's row; undefined if its features are not known. */
  row: (sampleId: string) => number | undefined
  /** What the heads read of a row: [inputs]. */
  input: (row: number) => Float64Array
  votes: readonly RewardVote[]
  preferences: readonly RewardPreference[]
  /** [heads, inputs] */
  prior: Float32Array
  ridge: number
  /** A vote's or preference's weight in this member, at least 0, of mean 1. */
  bootstrap: (id: string) => number
}

/** Newton steps for Bradley–Terry's loss; the quadratic part alone needs one. */
const NEWTON_STEPS = 5

/**
 * The member's weights for all votes and preferences: [heads, inputs]. Heads voted on by the same votes share one
 * factorisation.
 */
export function fitMember(fit: MemberFit): Float32Array {
  const { inputs } = fit
  const weights = new Float32Array(fit.heads.length * inputs)
  const pairs = pairsOf(fit)
  const groups = new Map<string, { head: number; examples: Example[] }[]>()
  fit.heads.forEach((head, h) => {
    const examples = examplesOf(fit.votes, head, fit.row, fit.bootstrap)
    if (head === RATING && pairs.length > 0) {
      weights.set(newton(fit, fit.prior.subarray(h * inputs, (h + 1) * inputs), examples, pairs), h * inputs)
      return
    }
    const key = examples.map(({ row, weight }) => `${row}:${weight}`).join()
    groups.set(key, [...(groups.get(key) ?? []), { head: h, examples }])
  })
  for (const group of groups.values()) {
    const system = openSystem(inputs, fit.ridge)
    addExamples(
      system,
      group[0]!.examples.map(({ row, weight }) => ({ x: fit.input(row), omega: weight })),
    )
    factorise(system)
    for (const { head, examples } of group) {
      const prior = fit.prior.subarray(head * inputs, (head + 1) * inputs)
      const right = new Float64Array(inputs)
      for (const { row, weight, target } of examples)
        addScaled(right, fit.input(row), weight * (target - dot(prior, fit.input(row))))
      const delta = solve(system, right)
      for (let i = 0; i < inputs; i++) weights[head * inputs + i] = prior[i]! + delta[i]!
    }
  }
  return weights
}

/**
 * The random prior w₀ of a member, [heads, width + 1]; that of an odd member is its predecessor's negative. Intercepts
 * are 0.
 */
export function priorWeights(spec: {
  member: number
  heads: number
  width: number
  seed: number
  deviation: number
}): Float32Array {
  const random = openRandom(seedOf(spec.seed, spec.member >> 1))
  const sign = spec.member % 2 === 0 ? 1 : -1
  const inputs = spec.width + 1
  return Float32Array.from({ length: spec.heads * inputs }, (_, i) => {
    const drawn = random.normal()
    return i % inputs === spec.width ? 0 : sign * spec.deviation * drawn
  })
}

/** A draw from Exp(1) that depends on (vote, member, seed) alone: the vote's weight in the Bayesian bootstrap. */
export function bootstrapWeight(id: string, member: number, seed: number): number {
  const stream = seedAlong(seed, [member, ...Array.from(id, (character) => character.codePointAt(0) ?? 0)])
  return -Math.log(1 - openRandom(stream).uniform())
}

interface Pair {
  /** x_a - x_b */
  difference: Float64Array
  outcome: number
  weight: number
}

function pairsOf({ preferences, row, input, bootstrap }: MemberFit): Pair[] {
  return preferences.flatMap((preference) => {
    const a = row(preference.sampleA)
    const b = row(preference.sampleB)
    const weight = preference.weight * bootstrap(preference.id)
    if (a === undefined || b === undefined || weight <= 0) return []
    const xb = input(b)
    return [{ difference: input(a).map((x, i) => x - xb[i]!), outcome: preference.outcome, weight }]
  })
}

/** Newton's method on squares + Bradley–Terry + prior, from the prior. */
function newton(
  fit: MemberFit,
  prior: Float32Array,
  examples: readonly Example[],
  pairs: readonly Pair[],
): Float64Array {
  const inputs = prior.length
  const w = Float64Array.from(prior)
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const system = openSystem(inputs, fit.ridge)
    const terms: { x: Float64Array; omega: number }[] = []
    const descent = Float64Array.from(w, (x, i) => fit.ridge * (prior[i]! - x))
    for (const { row, weight, target } of examples) {
      const x = fit.input(row)
      terms.push({ x, omega: weight })
      addScaled(descent, x, weight * (target - dot(w, x)))
    }
    for (const { difference, outcome, weight } of pairs) {
      const p = sigmoid(dot(w, difference))
      terms.push({ x: difference, omega: weight * p * (1 - p) })
      addScaled(descent, difference, weight * (outcome - p))
    }
    addExamples(system, terms)
    factorise(system)
    addScaled(w, solve(system, descent), 1)
  }
  return w
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function addScaled(target: Float64Array, x: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * x[i]!
}
