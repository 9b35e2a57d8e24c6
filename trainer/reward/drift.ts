/** Drift of the answers from the reference policy's in length and repetition. */
import { mean, sampleDeviation, standardError } from '../../core/statistics.ts'

/** Of one answer. */
export interface Shape {
  tokens: number
  /** Share of its trigrams that are repetitions, 0…1. */
  repetition: number
}

export const shapeOf = (ids: readonly number[]): Shape => ({ tokens: ids.length, repetition: repeatedShare(ids) })

/** n of the n-grams that are counted. */
const RUN = 3

/** `1 - different trigrams / trigrams`; 0 of an answer too short to have two. */
export function repeatedShare(ids: readonly number[]): number {
  const count = ids.length - RUN + 1
  if (count < 2) return 0
  const runs = new Set(Array.from({ length: count }, (_, i) => ids.slice(i, i + RUN).join()))
  return 1 - runs.size / count
}

/** A difference of means from the reference's, and its standard error. */
export interface Drift {
  by: number
  error: number
}

/** Lower bound of the deviation of lengths, tokens, for a reference that always answers alike. */
const LEAST_DEVIATION = 1

/** Mean and deviation of the reference's lengths, tokens. */
export function referenceLength(reference: readonly { tokens: number }[]): { mean: number; deviation: number } {
  const tokens = reference.map((output) => output.tokens)
  return { mean: mean(tokens), deviation: Math.max(LEAST_DEVIATION, sampleDeviation(tokens)) }
}

/** In deviations of the reference's lengths: positive where answers are longer. */
export function lengthDrift(answers: readonly Shape[], reference: readonly Shape[]): Drift {
  const scale = referenceLength(reference)
  const { by, error } = difference(
    answers.map((a) => a.tokens),
    reference.map((r) => r.tokens),
  )
  return {
    by: by / scale.deviation,
    error: Math.max(error, scale.deviation / Math.sqrt(reference.length)) / scale.deviation,
  }
}

/** Lower bound of the share's standard error, for answers of which none repeats itself. */
const LEAST_ERROR = 0.01

/** In the share's own unit: positive where answers repeat themselves more. */
export function repetitionDrift(answers: readonly Shape[], reference: readonly Shape[]): Drift {
  const { by, error } = difference(
    answers.map((a) => a.repetition),
    reference.map((r) => r.repetition),
  )
  return { by, error: Math.max(LEAST_ERROR, error) }
}

function difference(a: readonly number[], b: readonly number[]): Drift {
  return { by: mean(a) - mean(b), error: Math.hypot(standardError(a), standardError(b)) }
}
