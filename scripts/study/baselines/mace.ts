import { CLASSES, indexed, means, normaliseLogs, type Rating } from './ratings.ts'

/** Iterations of EM, as in the paper, and what counts are smoothed by: the paper's 0.01 over the classes. */
const ROUNDS = 50
const SMOOTHING = 0.01 / CLASSES
/** A rater's share of honest votes to begin with. */
const HONEST = 0.7

/**
 * What answers are worth by MACE: a vote is the true class with its rater's probability θ, else it is drawn from
 * the rater's own way of spamming ξ. EM from one start, where the paper takes the best of ten random ones. An answer's
 * value is the posterior's mean, in [0, 1].
 *
 * Source: Hovy, Berg-Kirkpatrick, Vaswani & Hovy, "Learning Whom to Trust with MACE", 2013.
 */
export function mace(ratings: readonly Rating[]): Map<string, number> {
  const table = indexed(ratings)
  const { raters, samples, rater, sample, label } = table
  const honest = new Float64Array(raters).fill(HONEST)
  const spam = new Float64Array(raters * CLASSES).fill(1 / CLASSES)
  const posterior = new Float64Array(samples.length * CLASSES)
  for (let round = 0; round < ROUNDS; round++) {
    posterior.fill(0)
    label.forEach((given, vote) => {
      const i = rater[vote]!
      const blind = (1 - honest[i]!) * spam[i * CLASSES + given]!
      for (let c = 0; c < CLASSES; c++)
        posterior[sample[vote]! * CLASSES + c]! += Math.log(blind + (c === given ? honest[i]! : 0))
    })
    for (let j = 0; j < samples.length; j++) normaliseLogs(posterior, j * CLASSES)
    const seen = new Float64Array(raters).fill(SMOOTHING)
    const unseen = new Float64Array(raters).fill(SMOOTHING)
    const drawn = new Float64Array(raters * CLASSES).fill(SMOOTHING)
    label.forEach((given, vote) => {
      const i = rater[vote]!
      const blind = (1 - honest[i]!) * spam[i * CLASSES + given]!
      const looked = (posterior[sample[vote]! * CLASSES + given]! * honest[i]!) / (honest[i]! + blind)
      seen[i]! += looked
      unseen[i]! += 1 - looked
      drawn[i * CLASSES + given]! += 1 - looked
    })
    for (let i = 0; i < raters; i++) {
      honest[i] = seen[i]! / (seen[i]! + unseen[i]!)
      let sum = 0
      for (let c = 0; c < CLASSES; c++) sum += drawn[i * CLASSES + c]!
      for (let c = 0; c < CLASSES; c++) spam[i * CLASSES + c] = drawn[i * CLASSES + c]! / sum
    }
  }
  return means(table, posterior)
}
