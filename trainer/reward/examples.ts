/** What the reward model learns from: votes and preferences, as plain data, and what they say of one head. */
import { sigmoid } from '../rl/logistic.ts'
export { sigmoid } from '../rl/logistic.ts'

export const RATING = 'rating'
export const COMPASSION = 'compassion'

/** The head of a session category; prefixed, so that a category may be called anything. */
export const categoryHead = (name: string): string => `category/${name}`

export interface RewardVote {
  id: string
  sampleId: string
  /**
   * How much the vote counts, at least 0: its author's standing, within the shares of a fit (core/votes/weights.ts).
   */
  weight: number
  /**
   * By head ({@link RATING}, {@link COMPASSION}, {@link categoryHead}), each in [0, 1]; missing heads were not voted
   * on.
   */
  scores: Readonly<Record<string, number>>
}

/** One person's comparison of two answers: of how much better A is, head by head, or only which is the better one. */
export interface RewardPreference {
  id: string
  sampleA: string
  sampleB: string
  /** By head: A's logit less B's. */
  differences?: Readonly<Record<string, number>>
  /** 1: A is better, 0: B is, ½: a tie. Of the rating head, and read where there are no differences. */
  outcome?: number
  /** How much it counts, at least 0. */
  weight: number
}

/** Evidence on one head: about one answer's logit, or about the difference of two. Every number is a float32. */
export interface Term {
  a: string
  /** null: about `a` alone. */
  b: string | null
  /** Above 0. */
  weight: number
  /** A logit, or a difference of logits; of an outcome, the outcome in [0, 1]. */
  target: number
  outcome: boolean
}

/** Targets are clamped this far from 0 and 1, where a logit is unbounded. */
const EDGE = 0.05

/** `log(p / (1 - p))`, p clamped to [0.05, 0.95]. */
export function logit(p: number): number {
  const held = Math.min(1 - EDGE, Math.max(EDGE, p))
  return Math.log(held / (1 - held))
}

/**
 * The evidence on a head from votes and preferences between samples that `knows`: several votes on one answer make one
 * term of their joint weight, whose target is their weighted mean as a logit, and so do several differences of one
 * pair. In an order of its own and rounded to float32, so that it neither depends on the order of votes nor changes
 * when it is stored.
 */
export function termsOf(head: string, { votes, preferences }: Evidence, knows: (sampleId: string) => boolean): Term[] {
  const sums = new Map<string, Term & { key: string; sum: number }>()
  const add = (a: string, b: string | null, weight: number, value: number, outcome: boolean): void => {
    const key = `${a} ${b ?? ''} ${outcome}`
    let found = sums.get(key)
    if (!found) sums.set(key, (found = { key, a, b, weight: 0, target: 0, outcome, sum: 0 }))
    found.weight += weight
    found.sum += weight * value
  }
  for (const { sampleId, weight, scores } of votes)
    if (weight > 0 && Object.hasOwn(scores, head) && knows(sampleId)) add(sampleId, null, weight, scores[head]!, false)
  for (const { sampleA, sampleB, weight, differences, outcome } of preferences) {
    if (!(weight > 0) || sampleA === sampleB || !knows(sampleA) || !knows(sampleB)) continue
    const turned = sampleA > sampleB
    const [a, b] = turned ? [sampleB, sampleA] : [sampleA, sampleB]
    if (differences) {
      if (Object.hasOwn(differences, head)) add(a, b, weight, turned ? -differences[head]! : differences[head]!, false)
    } else if (outcome !== undefined && head === RATING) add(a, b, weight, turned ? 1 - outcome : outcome, true)
  }
  return [...sums.values()]
    .map(({ key, a, b, weight, outcome, sum }) => {
      const value = sum / weight
      const target = b === null ? logit(value) : value
      return { key, term: { a, b, weight: Math.fround(weight), target: Math.fround(target), outcome } }
    })
    .sort((one, other) => compare(one.term.a, other.term.a) || compare(one.key, other.key))
    .map(({ term }) => term)
    .filter(({ weight }) => weight > 0)
}

interface Evidence {
  votes: readonly RewardVote[]
  preferences: readonly RewardPreference[]
}

/** Votes in an order that does not depend on when they came. */
export function inOrder<T extends { id: string }>(items: readonly T[]): T[] {
  return [...items].sort((one, other) => compare(one.id, other.id))
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * An outcome as an observation of the difference Δ of two logits, at a present estimate of it: Bradley and Terry's
 * `-o log σ(Δ) - (1 - o) log σ(-Δ)` lies under the parabola of curvature ¼ that touches it there, whose minimum is at
 *
 *     Δ + 4 (o - σ(Δ))
 *
 * Repeating this comes to the exact minimum, and every repetition solves the same system. Source: Böhning and Lindsay,
 * "Monotonicity of quadratic-approximation algorithms", 1988.
 */
export const outcomeTarget = (outcome: number, difference: number): number =>
  difference + (outcome - sigmoid(difference)) / OUTCOME_CURVATURE

/** What an outcome of weight 1 weighs as an observation. */
export const OUTCOME_CURVATURE = 0.25
