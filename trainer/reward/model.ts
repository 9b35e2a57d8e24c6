/**
 * The multi-head reward model: one head for the overall rating, one for each session category and
 * one for compassion, on features of the frozen reference trunk. What it has learnt can be shown
 * head by head, and λ can change during a run without retraining.
 *
 * A head is `σ(f)`, f = w·x a logit, and w has an exact normal posterior (posterior.ts) given
 *
 *     f_a = logit y + noise          for each answer a, y its votes' weighted mean, by their weights summed
 *     f_a - f_b = d + noise          for each difference between two ratings of one rater (preferences.ts)
 *     P(a is better) = σ(f_a - f_b)  for each comparison, of the rating head only (Bradley & Terry 1952)
 *
 * and the prior `w ~ N(0, σ² / ρ)`; σ² is estimated from how far votes are from what the prior expects. The posterior's
 * deviation is small where there were votes and large where there were none: a measure of ignorance.
 *
 * Solving exactly leaves no learning rate, no step count and no order of examples to choose, and
 * makes the model a function of (features, votes, preferences) alone: late and withdrawn votes need
 * nothing special, and no fit depends on an earlier one. How much an old vote still counts is the caller's, in its
 * weight. Its cost is bounded by `VOTES_KEPT` (fixed.ts): the caller passes the latest votes, and `keep` forgets the rest.
 *
 * Raters may leave a head out. A prediction is of a vote's value, so a head counts in it by the share of the votes'
 * weight that scores it: if nobody rates compassion, a value is its quality alone.
 */
import { exactDiv } from '../../lm/graph/index.ts'
import { mix, weightedQuality } from './combine.ts'
import {
  COMPASSION,
  RATING,
  categoryHead,
  inOrder,
  sigmoid,
  termsOf,
  type RewardPreference,
  type RewardVote,
  type Term,
} from './examples.ts'
import { openFeatures, type FeatureTable } from './features.ts'
import { fitHeads, logitsAt, scoreOf, type Group, type HeadsConfig, type Score } from './heads.ts'
import { dot } from './ridge.ts'
export { categoryHead, COMPASSION, RATING } from './examples.ts'
export type { RewardPreference, RewardVote } from './examples.ts'

export interface RewardModelConfig extends HeadsConfig {
  /** Session categories and their weights `w_k`, in the order of the heads. */
  categories: Readonly<Record<string, number>>
  /** λ */
  compassionWeight: number
  /** β_u: deviations taken off the mean. */
  pessimism: number
}

/** About a head's score, or a value; in [0, 1]. */
export interface Belief {
  mean: number
  deviation: number
  /** The mean less β_u deviations, not below 0. */
  value: number
}

export interface Prediction extends Belief {
  /** The same per head. */
  heads: Record<string, Belief>
}

export interface PredictOptions {
  /** λ and the category weights act here, not in `fit`, so they may differ from call to call. */
  weights?: Pick<RewardModelConfig, 'categories' | 'compassionWeight'>
  /** A sample whose own votes are left out of the prediction, exactly: what the others say of it. */
  without?: string
}

/** A model at one moment, which later fits leave as it is. */
export interface Predictor {
  readonly heads: readonly string[]
  predict(features: ArrayLike<number>, options?: PredictOptions): Prediction
  /** How far errors of predictions of two answers go together, -1…1: [n, n]. */
  correlations(features: readonly ArrayLike<number>[]): Float64Array
}

export interface RewardModelState {
  /** `evidence/i` of head i: a row `a, b or -1, weight, target, 1 for an outcome` a term; `shares` [heads]; `features/…`. */
  arrays: Map<string, Float32Array>
  json: { seed: number; width: number; heads: string[]; sampleIds: string[] }
}

export interface RewardModel extends Predictor {
  readonly features: FeatureTable
  /**
   * Learns from all votes and preferences given, on samples whose features are known; earlier fits are discarded. To
   * the bit the same for the same votes in another order.
   */
  fit(votes: readonly RewardVote[], preferences?: readonly RewardPreference[]): void
  /** The model as it is now. */
  frozen(): Predictor
  /** Forgets the features of every sample that is neither among these nor in the evidence of the last fit. */
  keep(sampleIds: Iterable<string>): void
  /**
   * The predicted value of a response, in [0, 1], after each of its tokens: [T · width / 2] -> [T].
   * By one more set of heads, fitted to the same evidence on the first half of the features, without pessimism.
   */
  potentials(prefixes: Float32Array): number[]
  /**
   * What the model is made again from: a pure function of the features that it keeps and the evidence of its last fit.
   */
  exportState(): RewardModelState
}

/**
 * @param width features per sample, even
 * @param seed the run's, which a saved state must be of
 * @param saved a state to go on from. That of a run from before the posterior was exact has no evidence: its features
 *   are kept, and its heads know nothing until the next fit
 * @throws Error for a saved state of other heads, another width or another seed
 */
export function openRewardModel(
  config: RewardModelConfig,
  width: number,
  seed: number,
  saved?: RewardModelState,
): RewardModel {
  const heads = [RATING, ...Object.keys(config.categories).map(categoryHead), COMPASSION]
  if (saved) expectFit(saved, heads, width, seed)
  const features = openFeatures(width, saved && { arrays: unprefixed(saved.arrays), ids: saved.json.sampleIds })
  const half = width / 2
  let evidence = heads.map((_, h) => (saved ? termsFrom(saved, h) : []))
  let groups = fitHeads(evidence, features, config)
  // Runs from before compassion was optional have none saved; every head then counts fully until the next fit.
  let shares = saved?.arrays.get('shares')?.slice() ?? new Float32Array(heads.length).fill(1)

  const belief = ({ mean, deviation }: Pick<Belief, 'mean' | 'deviation'>): Belief => ({
    ...{ mean, deviation },
    value: Math.min(1, Math.max(0, mean - config.pessimism * deviation)),
  })
  const predictor = (known: readonly Group[], counting: Float32Array): Predictor => {
    /** A step asks for the same answers several times. */
    const asked = new WeakMap<ArrayLike<number>, readonly Score[]>()
    const scoresAt = (raw: ArrayLike<number>, without?: string): readonly Score[] => {
      if (without !== undefined && known.some(({ termsOf }) => termsOf.has(without)))
        return logitsAt(known, features.standardise(raw), without).map(scoreOf)
      const found = asked.get(raw) ?? logitsAt(known, features.standardise(raw)).map(scoreOf)
      asked.set(raw, found)
      return found
    }
    return {
      heads,
      predict(raw, { weights = config, without } = {}) {
        const scores = scoresAt(raw, without)
        const mean = valueOf(
          scores.map((score) => score.mean),
          counting,
          weights,
        )
        // A value is a weighted mean of scores. Were their errors independent, it would be surer; but they are of the same
        // raters on the same answers.
        const deviation = valueOf(
          scores.map((score) => score.deviation),
          counting,
          weights,
        )
        return {
          ...belief({ mean, deviation }),
          heads: Object.fromEntries(heads.map((head, h) => [head, belief(scores[h]!)])),
        }
      },
      correlations: (raw) => correlations(known[0]!, raw.map(features.standardise)),
    }
  }
  let current = predictor(groups, shares)

  return {
    heads,
    features,
    fit(votes, preferences = []) {
      const given = { votes: inOrder(votes), preferences: inOrder(preferences) }
      shares = Float32Array.from(heads, (head) => shareOf(given.votes, head))
      evidence = heads.map((head) => termsOf(head, given, features.has))
      groups = fitHeads(evidence, features, config)
      current = predictor(groups, shares)
    },
    frozen: () => current,
    predict: (raw, options) => current.predict(raw, options),
    correlations: (raw) => current.correlations(raw),
    keep(sampleIds) {
      const kept = new Set(sampleIds)
      for (const { a, b } of evidence.flat()) {
        kept.add(a)
        if (b !== null) kept.add(b)
      }
      features.keep(kept)
    },
    potentials(prefixes) {
      return Array.from({ length: exactDiv(prefixes.length, half, 'prefixes by their width') }, (_, t) => {
        const x = features.standardise(prefixes.subarray(t * half, (t + 1) * half))
        const scores: number[] = []
        for (const { heads: of, halves } of groups)
          of.forEach((head, h) => (scores[head] = sigmoid(dot(halves[h]!, x))))
        return valueOf(scores, shares, config)
      })
    },
    exportState() {
      const table = features.exportState()
      const place = new Map(table.ids.map((id, i) => [id, i]))
      const arrays = new Map<string, Float32Array>([['shares', shares.slice()]])
      evidence.forEach((terms, h) => arrays.set(`evidence/${h}`, packed(terms, place)))
      for (const [name, data] of table.arrays) arrays.set(`features/${name}`, data)
      return { arrays, json: { seed, width, heads, sampleIds: table.ids } }
    },
  }

  /** Scores by head, in the heads' order, to a value: the formula of a vote. Linear in the scores. */
  function valueOf(
    scores: readonly number[],
    counting: Float32Array,
    by: Pick<RewardModelConfig, 'categories' | 'compassionWeight'>,
  ): number {
    const of = (head: string): number => scores[heads.indexOf(head)]!
    const share = (head: string): number => counting[heads.indexOf(head)]!
    const parts = Object.entries(by.categories).map(([name, weight]) => ({
      value: of(categoryHead(name)),
      weight: weight * share(categoryHead(name)),
    }))
    return mix(weightedQuality(of(RATING), parts), of(COMPASSION), by.compassionWeight * share(COMPASSION))
  }
}

function correlations({ posterior }: Group, inputs: readonly Float64Array[]): Float64Array {
  const points = inputs.map(posterior.at)
  const n = points.length
  const deviations = points.map((point) => Math.sqrt(Math.max(0, posterior.covariance(point, point))))
  const matrix = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const scale = deviations[i]! * deviations[j]!
      const together = scale === 0 ? Number(i === j) : posterior.covariance(points[i]!, points[j]!) / scale
      matrix[i * n + j] = matrix[j * n + i] = i === j ? 1 : Math.min(1, Math.max(-1, together))
    }
  return matrix
}

/** The share of the votes' weight that scores a head; 1 without any weight. */
function shareOf(votes: readonly RewardVote[], head: string): number {
  const weight = votes.reduce((sum, vote) => sum + vote.weight, 0)
  const spoken = votes.reduce((sum, vote) => sum + (Object.hasOwn(vote.scores, head) ? vote.weight : 0), 0)
  return weight === 0 ? 1 : spoken / weight
}

/** Numbers of a stored term. */
const TERM = 5

function packed(terms: readonly Term[], place: ReadonlyMap<string, number>): Float32Array {
  return Float32Array.from(
    terms.flatMap(({ a, b, weight, target, outcome }) => [
      place.get(a)!,
      b === null ? -1 : place.get(b)!,
      weight,
      target,
      Number(outcome),
    ]),
  )
}

function termsFrom({ arrays, json }: RewardModelState, head: number): Term[] {
  const stored = arrays.get(`evidence/${head}`) ?? new Float32Array(0)
  return Array.from({ length: exactDiv(stored.length, TERM, 'stored evidence by terms') }, (_, t) => {
    const [a, b, weight, target, outcome] = stored.subarray(t * TERM, (t + 1) * TERM)
    const known = json.sampleIds[a!]
    if (known === undefined) throw new RangeError(`evidence on sample ${a} of ${json.sampleIds.length}`)
    const other = b === -1 ? null : (json.sampleIds[b!] ?? null)
    return { a: known, b: other, weight: weight!, target: target!, outcome: outcome === 1 }
  })
}

function expectFit(saved: RewardModelState, heads: readonly string[], width: number, seed: number): void {
  const { json } = saved
  if (json.width !== width || json.seed !== seed || json.heads.join() !== heads.join()) {
    throw new Error(
      `a reward model of ${json.heads.join()} on ${json.width} features (seed ${json.seed}) does not continue as ${heads.join()} on ${width} (seed ${seed})`,
    )
  }
}

function unprefixed(arrays: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  return new Map(
    [...arrays].flatMap(([name, data]): [string, Float32Array][] =>
      name.startsWith('features/') ? [[name.slice(9), data]] : [],
    ),
  )
}
