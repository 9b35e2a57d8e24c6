/**
 * Which of the policy's answers to show to people: those whose votes teach most about what the policy earns.
 *
 * The policy is paid by predictions for answers like its present ones, of which a batch is a sample. With C the
 * covariance of the predictions' errors over the batch, a vote on answer i of noise s² leaves
 *
 *     C - c_i c_iᵀ / (C_ii + s²),   and takes   Σ_j C_ij² / (C_ii + s²)   off the sum of variances.
 *
 * Answers are taken one after another, each the one that takes most off: by this an uncertain answer that many others
 * resemble comes before an outlier, and no two that teach the same are shown together. A second answer to a prompt counts
 * half, since the prompts are many and a person would rather not read the same question twice. Nothing is drawn at
 * random, so that a step that is made again shows the same.
 *
 * Sources: greedy minimisation of the mean variance, Krause, Singh, Guestrin, "Near-Optimal Sensor Placements in Gaussian
 * Processes", 2008; active choice for reward models: Mehta et al., "Sample Efficient Preference Alignment in LLMs via
 * Active Exploration", 2023.
 */
import type { Predictor } from './model.ts'

export interface Candidate {
  prompt: string
  /** Of the frozen trunk (`ReferenceView.features`). */
  features: ArrayLike<number>
}

/** Variance of a vote about an answer's value, in the unit of a value squared: 0.15². */
const VOTE_VARIANCE = 0.0225
/** What another answer to a prompt that has one counts. */
const SAME_PROMPT = 0.5

/**
 * Places of the chosen ones among the candidates, in the order in which they were chosen; of ties the first. Pure.
 *
 * @param count of which there may be fewer
 */
export function choose(candidates: readonly Candidate[], model: Predictor, count: number): number[] {
  const n = candidates.length
  const covariance = errorsOf(candidates, model)
  const chosen: number[] = []
  const asked = new Map<string, number>()
  while (chosen.length < Math.min(count, n)) {
    let best = -1
    let most = -Infinity
    for (let i = 0; i < n; i++) {
      if (chosen.includes(i)) continue
      const often = asked.get(candidates[i]!.prompt) ?? 0
      const gain = gainOf(covariance, n, i) * SAME_PROMPT ** often
      if (gain > most) [best, most] = [i, gain]
    }
    chosen.push(best)
    const { prompt } = candidates[best]!
    asked.set(prompt, (asked.get(prompt) ?? 0) + 1)
    learn(covariance, n, best)
  }
  return chosen
}

/** Covariance of the errors of the candidates' predicted values: [n, n]. */
function errorsOf(candidates: readonly Candidate[], model: Predictor): Float64Array {
  const n = candidates.length
  const deviations = candidates.map(({ features }) => model.predict(features).deviation)
  return model
    .correlations(candidates.map(({ features }) => features))
    .map((together, at) => together * deviations[Math.floor(at / n)]! * deviations[at % n]!)
}

function gainOf(covariance: Float64Array, n: number, i: number): number {
  let sum = 0
  for (let j = 0; j < n; j++) sum += covariance[i * n + j]! ** 2
  return sum / (covariance[i * n + i]! + VOTE_VARIANCE)
}

/** What is left once i has a vote, in place. */
function learn(covariance: Float64Array, n: number, i: number): void {
  const row = covariance.slice(i * n, (i + 1) * n)
  const by = 1 / (row[i]! + VOTE_VARIANCE)
  for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) covariance[a * n + b]! -= by * row[a]! * row[b]!
}
