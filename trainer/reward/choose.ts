/**
 * Which of the policy's answers to show to people: those that may be the best, by what the reward model believes and by
 * how sure it is of it (Thompson sampling).
 *
 * For each place one reward function is drawn from the posterior, and the answer that it likes most is taken. An answer
 * that is surely poor teaches nothing that the policy will need; one that may be excellent is looked at, and if it is
 * not, the next draw knows. Choosing by what takes most off the variance was tried, too, and taught less than chance
 * (`npm run study -- choice` compares).
 *
 * Sources: Thompson, "On the likelihood that one unknown probability exceeds another", 1933; for reward models:
 * Dwaracherla et al., "Efficient Exploration for LLMs", 2024.
 */
import { openRandom } from '../../lm/sampling/random.ts'
import type { Predictor } from './model.ts'

/** Answers that are shown together, by the features of each (`ReferenceView.features`). */
export type Candidate = readonly ArrayLike<number>[]

/**
 * Places of the chosen ones among the candidates, in the order in which they were chosen. Pure: of the same model,
 * candidates and seed the same.
 *
 * @param count of which there may be fewer
 */
export function choose(candidates: readonly Candidate[], model: Predictor, count: number, seed: number): number[] {
  const answers = candidates.flatMap((candidate, place) => candidate.map((features) => ({ place, features })))
  const draw = openDraws(
    answers.map(({ features }) => features),
    model,
    seed,
  )
  const left = new Set(candidates.keys())
  const chosen: number[] = []
  while (chosen.length < Math.min(count, candidates.length)) {
    const values = draw()
    let best: { place: number; value: number } | null = null
    answers.forEach(({ place }, i) => {
      const value = values[i]!
      if (left.has(place) && (best === null || value > best.value)) best = { place, value }
    })
    const { place } = best!
    chosen.push(place)
    left.delete(place)
  }
  return chosen
}

/** Keeps the factor of answers that are nearly alike from dividing by 0. */
const JITTER = 1e-6

/** Draws values of all answers together: what a reward function from the posterior gives them. */
function openDraws(features: readonly ArrayLike<number>[], model: Predictor, seed: number): () => number[] {
  const n = features.length
  const random = openRandom(seed)
  const beliefs = features.map((one) => model.predict(one))
  const factor = model.correlations(features)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = factor[i * n + j]! + (i === j ? JITTER : 0)
      for (let k = 0; k < j; k++) sum -= factor[i * n + k]! * factor[j * n + k]!
      factor[i * n + j] = i === j ? Math.sqrt(Math.max(JITTER, sum)) : sum / factor[j * n + j]!
    }
  return () => {
    const z = Array.from({ length: n }, () => random.normal())
    return beliefs.map(({ mean, deviation }, i) => {
      let apart = 0
      for (let k = 0; k <= i; k++) apart += factor[i * n + k]! * z[k]!
      return mean + deviation * apart
    })
  }
}
