/** The heads' posteriors: fitted to evidence, by groups of heads with the same one, and asked for predictions. */
import { outcomeTarget, sigmoid, type Term } from './examples.ts'
import { designOf, gramOf, observations, precisionOf, rowsOf } from './design.ts'
import type { FeatureTable } from './features.ts'
import { posteriorOf, without, type Posterior, type Removed, type Solver } from './posterior.ts'
import { dot } from './ridge.ts'

export interface HeadsConfig {
  /** ρ: how many votes' worth of evidence the prior is. */
  ridge: number
  /** What the variance σ² of a vote of weight 1 is held to be before any, as a logit squared … */
  noiseVariance: number
  /** … and how many answers' worth of evidence that is. */
  noiseAnswers: number
}

/** Heads that learn from the same votes with the same weights share one factorisation. */
export interface Group {
  /** Their places among all heads. */
  heads: readonly number[]
  terms: readonly Term[]
  /** By head of the group: of each term. */
  targets: readonly (readonly number[])[]
  posterior: Posterior
  /** By head: of the first half of the features alone, [width / 2 + 1]. */
  halves: readonly Float64Array[]
  /** By head: the estimate of σ². */
  noise: readonly number[]
  /** Terms that a sample is in, by their places. */
  termsOf: ReadonlyMap<string, readonly number[]>
  /** Of the samples in terms: a later fit may forget them (FeatureTable.keep). */
  inputs: Inputs
}

/** Samples' inputs [width + 1], by their ids. */
type Inputs = ReadonlyMap<string, Float64Array>

/** @param evidence by head; every sample of it is in the table */
export function fitHeads(evidence: readonly (readonly Term[])[], features: FeatureTable, config: HeadsConfig): Group[] {
  const groups: number[][] = []
  evidence.forEach((terms, head) => {
    const group = groups.find((heads) => isAlike(evidence[heads[0]!]!, terms))
    if (group) group.push(head)
    else groups.push([head])
  })
  return groups.map((heads) =>
    fitGroup(
      heads,
      heads.map((head) => evidence[head]!),
      features,
      config,
    ),
  )
}

/** Whether terms of two heads say something of the same answers with the same weights; an outcome is one head's own. */
const isAlike = (terms: readonly Term[], others: readonly Term[]): boolean =>
  terms.length === others.length &&
  terms.every(({ a, b, weight, outcome }, t) => {
    const other = others[t]!
    return a === other.a && b === other.b && weight === other.weight && !outcome && !other.outcome
  })

function fitGroup(
  heads: readonly number[],
  evidence: readonly (readonly Term[])[],
  features: FeatureTable,
  config: HeadsConfig,
): Group {
  const terms = evidence[0]!
  const termsOf = bySample(terms)
  const inputs = new Map([...termsOf.keys()].map((id) => [id, features.input(id)]))
  const design = designOf(terms)
  const { ridge } = config
  const full = posteriorOf(rowsOf(design, features.input), features.width + 1, ridge, () =>
    gramOf(design, features.product),
  )
  const half = posteriorOf(rowsOf(design, features.prefixInput), features.width / 2 + 1, ridge, () =>
    gramOf(design, features.prefixProduct),
  )
  const solved = (solver: Solver, targets: readonly (readonly number[])[]): Posterior =>
    solver(targets.map((one) => observations(design, one)))
  const targets = evidence.map((own) => settled(own, inputs, (one) => solved(full, [one])))
  const posterior = solved(full, targets)
  return {
    heads,
    terms,
    targets,
    posterior,
    halves: solved(half, targets).means,
    noise: posterior.squares.map(
      (squares) => (config.noiseAnswers * config.noiseVariance + squares) / (config.noiseAnswers + posterior.count),
    ),
    termsOf,
    inputs,
  }
}

/** Repetitions after which outcomes' targets have settled; more change only the third digit. */
const REPETITIONS = 8

/** The targets of a head's terms; those of outcomes are where repeating {@link outcomeTarget} leads. */
function settled(terms: readonly Term[], inputs: Inputs, fit: (targets: readonly number[]) => Posterior): number[] {
  let targets = terms.map(({ outcome, target }) => (outcome ? outcomeTarget(target, 0) : target))
  if (!terms.some(({ outcome }) => outcome)) return targets
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const [w = new Float64Array(0)] = fit(targets).means
    targets = terms.map((term, t) =>
      term.outcome ? outcomeTarget(term.target, dot(w, inputOf(term, inputs))) : targets[t]!,
    )
  }
  return targets
}

/** What a term reads: an answer's input, or the difference of two. */
function inputOf({ a, b }: Term, inputs: Inputs): Float64Array {
  const x = inputs.get(a)!
  if (b === null) return x
  const y = inputs.get(b)!
  return x.map((value, i) => value - y[i]!)
}

function bySample(terms: readonly Term[]): Map<string, number[]> {
  const found = new Map<string, number[]>()
  terms.forEach(({ a, b }, t) => {
    for (const id of b === null ? [a] : [a, b]) {
      const of = found.get(id)
      if (of) of.push(t)
      else found.set(id, [t])
    }
  })
  return found
}

/** A head's logit at one input: normal. */
export interface Logit {
  mean: number
  variance: number
}

/**
 * By head, at an input [width + 1].
 *
 * @param apart a sample whose own evidence is left out
 */
export function logitsAt(groups: readonly Group[], x: Float64Array, apart?: string): Logit[] {
  const logits: Logit[] = []
  for (const { heads, terms, targets, posterior, noise, termsOf, inputs } of groups) {
    const own = (apart === undefined ? undefined : termsOf.get(apart)) ?? []
    const removed = own.map((t): Removed => ({
      x: inputOf(terms[t]!, inputs),
      weight: precisionOf(terms[t]!),
      targets: targets.map((of) => of[t]!),
    }))
    const { means, variance } = without(posterior, x, removed)
    heads.forEach((head, h) => {
      logits[head] = { mean: means[h]!, variance: Math.max(0, noise[h]! * variance) }
    })
  }
  return logits
}

/** Of a head, in [0, 1]. */
export interface Score {
  mean: number
  deviation: number
}

/**
 * Mean and deviation of `σ(f)` for normal f: `σ(κ f)` with `κ = 1 / √(1 + π v / 8)`, and its slope there times the
 * logit's deviation. Source of κ: MacKay, "The evidence framework applied to classification networks", 1992.
 */
export function scoreOf({ mean, variance }: Logit): Score {
  const kappa = 1 / Math.sqrt(1 + (Math.PI * variance) / 8)
  const p = sigmoid(kappa * mean)
  return { mean: p, deviation: p * (1 - p) * kappa * Math.sqrt(variance) }
}
