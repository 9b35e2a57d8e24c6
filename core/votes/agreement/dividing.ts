import { mean, sampleDeviation, sum } from '../../statistics.ts'
import type { RatedAnswer } from './units.ts'

export interface Divided {
  sampleId: string
  votes: number
  /** Of its ratings: mean and standard deviation, in the scale's unit. */
  mean: number
  deviation: number
  /** Its ratings differ more than those of the most divided of as many answers would by chance. */
  beyondChance: boolean
}

/** Votes without which an answer's variance says nothing, and degrees of freedom of the others' that z needs. */
const LEAST = { votes: 3, freedom: 3 }

/**
 * The answers whose ratings differ, the most surely divided first. An answer's variance is compared with that of the
 * others about their means, pooled: F, whose deviate z is Paulson's,
 *
 *     z = ((1 - c) F^⅓ - (1 - a)) / √(c F^⅔ + a),   a = 2 / (9 (m - 1)),   c = 2 / (9 d)
 *
 * with m its votes and d the others' degrees of freedom. z > √(2 ln 10 N) is beyond chance among N answers with three votes: since a normal
 * deviate exceeds z with at most ½ exp(-z²/2), a room that is divided on nothing has a single one of these in at most
 * 5 of 100 cases (Bonferroni). Ratings have shorter tails than the normal ones of the test, which errs towards fewer.
 *
 * Source: Paulson, "An Approximate Normalization of the Analysis of Variance Distribution", Annals of Mathematical
 * Statistics 13, 1942.
 */
export function dividingAnswers(answers: readonly RatedAnswer[]): Divided[] {
  const squares = answers.map(({ values }) => {
    const centre = mean(values)
    return sum(values.map((value) => (value - centre) ** 2))
  })
  const all = sum(squares)
  const freedom = sum(answers.map(({ values }) => values.length - 1))
  const tested = answers.flatMap(({ sampleId, values }, i) => {
    const [own, others] = [values.length - 1, freedom - (values.length - 1)]
    if (values.length < LEAST.votes || others < LEAST.freedom || squares[i] === 0) return []
    const z = paulson(squares[i]! / own, own, Math.max(0, all - squares[i]!) / others, others)
    return [{ sampleId, values, z }]
  })
  const threshold = Math.sqrt(2 * Math.log(10 * answers.filter(({ values }) => values.length >= LEAST.votes).length))
  return tested
    .sort((a, b) => b.z - a.z)
    .map(({ sampleId, values, z }) => ({
      sampleId,
      votes: values.length,
      mean: mean(values),
      deviation: sampleDeviation(values),
      beyondChance: z > threshold,
    }))
}

/** z of the ratio of two variances, the second of which may be 0. */
function paulson(own: number, freedom: number, others: number, otherFreedom: number): number {
  const [a, c] = [2 / (9 * freedom), 2 / (9 * otherFreedom)]
  const root = Math.cbrt(others / own)
  return (1 - c - (1 - a) * root) / Math.sqrt(c + a * root * root)
}
