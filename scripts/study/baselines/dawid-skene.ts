import { CLASSES, indexed, means, normaliseLogs, type Rating } from './ratings.ts'

/** Iterations of EM, and what a rater's confusion matrix is smoothed by, votes of each class. */
const ROUNDS = 30
const SMOOTHING = 0.1

/**
 * What answers are worth by Dawid and Skene: each rater has a matrix of the probabilities with which they give each
 * rating to an answer of each true class. EM, started from the shares of votes. The classes are the ten
 * ratings, and an answer's value is the posterior's mean, in [0, 1].
 *
 * Source: Dawid & Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", 1979.
 */
export function dawidSkene(ratings: readonly Rating[]): Map<string, number> {
  const table = indexed(ratings)
  const { raters, samples, rater, sample, label } = table
  const posterior = new Float64Array(samples.length * CLASSES)
  label.forEach((c, vote) => posterior[sample[vote]! * CLASSES + c]!++)
  for (let j = 0; j < samples.length; j++) {
    let sum = 0
    for (let c = 0; c < CLASSES; c++) sum += posterior[j * CLASSES + c]!
    for (let c = 0; c < CLASSES; c++) posterior[j * CLASSES + c]! /= sum
  }
  for (let round = 0; round < ROUNDS; round++) {
    const prior = new Float64Array(CLASSES).fill(SMOOTHING)
    posterior.forEach((p, at) => (prior[at % CLASSES]! += p))
    const confusion = new Float64Array(raters * CLASSES * CLASSES).fill(SMOOTHING)
    label.forEach((given, vote) => {
      for (let c = 0; c < CLASSES; c++)
        confusion[(rater[vote]! * CLASSES + c) * CLASSES + given]! += posterior[sample[vote]! * CLASSES + c]!
    })
    const rows = new Float64Array(raters * CLASSES)
    confusion.forEach((x, at) => (rows[Math.floor(at / CLASSES)]! += x))
    posterior.forEach((_, at) => (posterior[at] = Math.log(prior[at % CLASSES]!)))
    label.forEach((given, vote) => {
      for (let c = 0; c < CLASSES; c++) {
        const row = rater[vote]! * CLASSES + c
        posterior[sample[vote]! * CLASSES + c]! += Math.log(confusion[row * CLASSES + given]! / rows[row]!)
      }
    })
    for (let j = 0; j < samples.length; j++) normaliseLogs(posterior, j * CLASSES)
  }
  return means(table, posterior)
}
