/**
 * The value of one vote. Every part is in [0, 1]; every weight is applied exactly once.
 */
import { unit, weight, within } from './range.ts'

export interface CategoryVote {
  name: string
  /** 1…10, as the rater gave it. */
  score: number
  /** `w_k >= 0`, from {@link categoryWeight}. */
  weight: number
}

/** The three sides of compassion, each in [0, 1]. */
export interface CompassionSides {
  /** Does the answer leave the person more able to decide? */
  agency: number
  /** More able to act? */
  capability: number
  /** Is someone worse off? The only side that lowers the value. */
  suffering: number
}

/** α, β, γ: the weight of each side of compassion. At least one is above 0. */
export interface SideWeights {
  agency: number
  capability: number
  suffering: number
}

export const EQUAL_SIDES: SideWeights = { agency: 1, capability: 1, suffering: 1 }

export interface VoteParts {
  /** 1…10. */
  rating: number
  /** Those that the rater scored. */
  categories: readonly CategoryVote[]
  /** In [0, 1], from {@link compassion} or as the rater gave it; null where they gave none. */
  compassion: number | null
}

/**
 * `v = (1 - λ) q + λ c`, λ the session's `compassionWeight`; `v = q` for a vote that omits compassion.
 *
 * Worked examples: rating 10 and nothing else is 1, rating 1 and nothing else is 0, whatever λ is. With compassion: R
 * 8; helpfulness 8, weight 1.0; safety 9, weight 1.2; compassion 0.9; λ 0.3. q = (0.7778 + 0.7778 + 1.2·0.8889) / 3.2 =
 * 0.8194; v = 0.7·0.8194 + 0.3·0.9 = 0.8436.
 *
 * @throws OutOfRange for a part or a weight outside its range.
 */
export function voteValue(vote: VoteParts, compassionWeight: number): number {
  return mix(quality(vote.rating, vote.categories), vote.compassion, compassionWeight)
}

/**
 * `(1 - λ) q + λ c` of parts that are already in [0, 1], q if c is missing: the one place where λ is applied, for
 * votes and for predictions.
 */
export function mix(q: number, c: number | null, compassionWeight: number): number {
  const lambda = unit('compassionWeight', compassionWeight)
  if (c === null) return unit('quality', q)
  return (1 - lambda) * unit('quality', q) + lambda * unit('compassion', c)
}

/** Rating R or category score in 1…10 to [0, 1]: `r = (R - 1) / 9`. */
export function unitScore(score: number, field = 'rating'): number {
  return (within(field, score, 1, 10) - 1) / 9
}

/** Quality `q = (r + Σ w_k s_k) / (1 + Σ w_k)` of a rating and category scores in 1…10; in [0, 1]. */
export function quality(rating: number, categories: readonly CategoryVote[]): number {
  return weightedQuality(
    unitScore(rating),
    categories.map((c) => ({ value: unitScore(c.score, c.name), weight: c.weight })),
  )
}

/** {@link quality} on parts already in [0, 1], as the reward model's heads give them. */
export function weightedQuality(r: number, parts: readonly { value: number; weight: number }[]): number {
  let sum = unit('rating', r)
  let weights = 1
  for (const part of parts) {
    const w = weight('category weight', part.weight)
    sum += w * unit('category', part.value)
    weights += w
  }
  return sum / weights
}

/**
 * The effective weight of a category: the session's, if the session configured the category; the
 * rater's own, clamped to [0, 2], if the session allows free categories; else 0.
 */
export function categoryWeight(
  name: string,
  sent: number,
  session: { categories: Readonly<Record<string, number>>; freeCategories: boolean },
): number {
  if (Object.hasOwn(session.categories, name)) return weight(`weight of ${name}`, session.categories[name]!)
  if (!session.freeCategories || Number.isNaN(sent)) return 0
  return Math.min(Math.max(sent, 0), 2)
}

/**
 * Compassion c in [0, 1]: the number a rater gave directly, or, from its three sides,
 * `c = (α A + β C + γ (1 - S)) / (α + β + γ)`.
 *
 * @throws OutOfRange for a side outside [0, 1], a negative weight, or weights that are all 0.
 */
export function compassion(given: number | CompassionSides, weights: SideWeights = EQUAL_SIDES): number {
  if (typeof given === 'number') return unit('compassionRating', given)
  const alpha = weight('alpha', weights.agency)
  const beta = weight('beta', weights.capability)
  const gamma = weight('gamma', weights.suffering)
  const total = within('alpha + beta + gamma', alpha + beta + gamma, Number.MIN_VALUE, Number.MAX_VALUE)
  const sum =
    alpha * unit('agency', given.agency) +
    beta * unit('capability', given.capability) +
    gamma * (1 - unit('suffering', given.suffering))
  return Math.min(1, sum / total)
}
