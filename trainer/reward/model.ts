/**
 * The multi-head reward model: one head for the overall rating, one for each session category and
 * one for compassion, on features of the frozen reference trunk. What it has learnt can be shown
 * head by head, and λ can change during a run without retraining.
 *
 * A head is `σ(w·x + b)`, an ensemble of them, each the exact minimum of
 *
 *     ½ Σ_i ω_i (logit y_i - f(x_i))² + Σ_p ω_p BT(p) + ½ ρ |w - w₀|²
 *
 * over all votes so far (i: a sample, y its votes' weighted mean, ω_i their weights summed)
 * and all preferences p, `BT = -o log σ(Δ) - (1 - o) log σ(-Δ)`, Δ = f(a) - f(b) (Bradley & Terry
 * 1952; only the rating head). Members differ by their prior w₀ (random, in opposite pairs, so
 * that the ensemble's mean prior is 0) and by a Bayesian bootstrap of the votes (Rubin 1981:
 * weights from Exp(1)). They agree where there are votes and differ where there are none, so
 * their deviation is a measure of ignorance (Osband et al. 2018, randomised prior functions).
 *
 * Solving exactly leaves no learning rate, no step count and no order of examples to choose, and
 * makes the model a function of (features, votes, seed) alone: late and withdrawn votes need
 * nothing special. How much an old vote still counts is the caller's, in its weight.
 *
 * Raters may leave a head out. A prediction is of a vote's value, so a head counts in it by the share of the votes'
 * weight that scores it: if nobody rates compassion, a value is its quality alone.
 */
import { exactDiv } from '../../lm/graph/index.ts'
import { mix, unitMean, weightedQuality } from './combine.ts'
import { COMPASSION, RATING, categoryHead, sigmoid, type RewardPreference, type RewardVote } from './examples.ts'
import { openFeatures, type FeatureTable } from './features.ts'
import { bootstrapWeight, fitMember, priorWeights } from './member.ts'
export { categoryHead, COMPASSION, RATING } from './examples.ts'
export type { RewardPreference, RewardVote } from './examples.ts'

export interface RewardModelConfig {
  /** Session categories and their weights `w_k`, in the order of the heads. */
  categories: Readonly<Record<string, number>>
  /** λ */
  compassionWeight: number
  /** Even. */
  members: number
  /** ρ: how many votes' worth of evidence the prior is. */
  ridge: number
  /** Deviation of the random prior's logits. */
  priorDeviation: number
  /** β_u: deviations taken off the mean. */
  pessimism: number
}

export interface Prediction {
  /** v̂ in [0, 1]: the ensemble's mean value less β_u deviations. */
  value: number
  /** Mean and deviation of the value over the ensemble. */
  mean: number
  deviation: number
  /** The same per head. */
  heads: Record<string, { mean: number; deviation: number }>
}

export interface RewardModelState {
  /** `weights` [members, heads, width + 1], `progress` [heads, width / 2 + 1], `shares` [heads], `features/…`. */
  arrays: Map<string, Float32Array>
  json: { seed: number; width: number; heads: string[]; sampleIds: string[] }
}

export interface RewardModel {
  readonly heads: readonly string[]
  readonly features: FeatureTable
  /**
   * Learns from all votes and preferences so far on samples whose features are known; earlier fits are discarded.
   */
  fit(votes: readonly RewardVote[], preferences?: readonly RewardPreference[]): void
  /**
   * The predicted value of a response, in [0, 1], after each of its tokens: [T · width / 2] -> [T].
   * By one more set of heads, fitted to the same votes on the first half of the features, without
   * bootstrap, random prior or pessimism.
   */
  potentials(prefixes: Float32Array): number[]
  /** λ and the category weights act here, not in `fit`, so they may differ from call to call. */
  predict(features: ArrayLike<number>, weights?: Pick<RewardModelConfig, 'categories' | 'compassionWeight'>): Prediction
  exportState(): RewardModelState
}

/** @param width features per sample, even */
export function openRewardModel(
  config: RewardModelConfig,
  width: number,
  seed: number,
  saved?: RewardModelState,
): RewardModel {
  if (config.members < 2 || config.members % 2 !== 0)
    throw new RangeError(`members is ${config.members}; priors come in opposite pairs`)
  const heads = [RATING, ...Object.keys(config.categories).map(categoryHead), COMPASSION]
  const inputs = width + 1
  if (saved) expectFit(saved, heads, width, seed)
  const features = openFeatures(width, saved && { arrays: unprefixed(saved.arrays), ids: saved.json.sampleIds })
  const priors = Array.from({ length: config.members }, (_, m) =>
    priorWeights({ member: m, heads: heads.length, width, seed, deviation: config.priorDeviation }),
  )
  const weights = saved?.arrays.get('weights')?.slice() ?? flatten(priors)
  const half = width / 2
  const progress = saved?.arrays.get('progress')?.slice() ?? new Float32Array(heads.length * (half + 1))
  // Runs from before compassion was optional have none saved; every head then counts fully until the next fit.
  const shares = saved?.arrays.get('shares')?.slice() ?? new Float32Array(heads.length).fill(1)
  if (weights.length !== config.members * heads.length * inputs)
    throw new RangeError(`${weights.length} weights saved for ${config.members} members`)

  return {
    heads,
    features,
    fit(votes, preferences = []) {
      shares.set(heads.map((head) => shareOf(votes, head)))
      for (let m = 0; m < config.members; m++) {
        const fitted = fitMember({
          ...{ heads, votes, preferences, inputs, ridge: config.ridge },
          row: features.row,
          input: features.input,
          prior: priors[m]!,
          bootstrap: (id) => bootstrapWeight(id, m, seed),
        })
        weights.set(fitted, m * heads.length * inputs)
      }
      const fitted = fitMember({
        ...{ heads, votes, preferences, inputs: half + 1, ridge: config.ridge },
        row: features.row,
        input: features.prefixInput,
        prior: new Float32Array(progress.length),
        bootstrap: () => 1,
      })
      progress.set(fitted)
    },
    potentials(prefixes) {
      return Array.from({ length: exactDiv(prefixes.length, half, 'prefixes by their width') }, (_, t) => {
        const x = features.standardise(prefixes.subarray(t * half, (t + 1) * half))
        return valueOf(
          heads.map((_, h) => score(progress, h * (half + 1), x)),
          config,
        )
      })
    },
    predict(raw, by = config) {
      const x = features.standardise(raw)
      const perHead = heads.map(() => new Array<number>(config.members))
      const values = new Array<number>(config.members)
      for (let m = 0; m < config.members; m++) {
        const scores = heads.map((_, h) => score(weights, (m * heads.length + h) * inputs, x))
        scores.forEach((p, h) => (perHead[h]![m] = p))
        values[m] = valueOf(scores, by)
      }
      const { mean, deviation } = unitMean(values)
      return {
        value: Math.min(1, Math.max(0, mean - config.pessimism * deviation)),
        mean,
        deviation,
        heads: Object.fromEntries(heads.map((head, h) => [head, unitMean(perHead[h]!)])),
      }
    },
    exportState() {
      const table = features.exportState()
      const arrays = new Map<string, Float32Array>([
        ['weights', weights.slice()],
        ['progress', progress.slice()],
        ['shares', shares.slice()],
      ])
      for (const [name, data] of table.arrays) arrays.set(`features/${name}`, data)
      return { arrays, json: { seed, width, heads, sampleIds: table.ids } }
    },
  }

  /** Scores by head, in the heads' order, to a value: the formula of a vote. */
  function valueOf(scores: readonly number[], by: Pick<RewardModelConfig, 'categories' | 'compassionWeight'>): number {
    const of = (head: string): number => scores[heads.indexOf(head)]!
    const share = (head: string): number => shares[heads.indexOf(head)]!
    const parts = Object.entries(by.categories).map(([name, weight]) => ({
      value: of(categoryHead(name)),
      weight: weight * share(categoryHead(name)),
    }))
    return mix(weightedQuality(of(RATING), parts), of(COMPASSION), by.compassionWeight * share(COMPASSION))
  }
}

/** The share of the votes' weight that scores a head; 1 without any weight. */
function shareOf(votes: readonly RewardVote[], head: string): number {
  const weight = votes.reduce((sum, vote) => sum + vote.weight, 0)
  const spoken = votes.reduce((sum, vote) => sum + (Object.hasOwn(vote.scores, head) ? vote.weight : 0), 0)
  return weight === 0 ? 1 : spoken / weight
}

/** `σ(w·x)` of the weights from `start` on. */
function score(weights: Float32Array, start: number, x: Float64Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += weights[start + i]! * x[i]!
  return sigmoid(sum)
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

function flatten(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
