/** Ratings as the baselines read them. */
export interface Rating {
  raterId: string
  sampleId: string
  /** 1…10. */
  rating: number
}

/** Ratings there are. */
export const CLASSES = 10

/** By number: who rated what, and how, 0…9. */
export interface Indexed {
  raters: number
  samples: readonly string[]
  rater: Int32Array
  sample: Int32Array
  label: Int32Array
}

export function indexed(ratings: readonly Rating[]): Indexed {
  const raters = new Map<string, number>()
  const samples = new Map<string, number>()
  const numberOf = (numbers: Map<string, number>, id: string): number => {
    const number = numbers.get(id) ?? numbers.size
    numbers.set(id, number)
    return number
  }
  const rater = Int32Array.from(ratings, ({ raterId }) => numberOf(raters, raterId))
  const sample = Int32Array.from(ratings, ({ sampleId }) => numberOf(samples, sampleId))
  const label = Int32Array.from(ratings, ({ rating }) => rating - 1)
  return { raters: raters.size, samples: [...samples.keys()], rater, sample, label }
}

/** Log-probabilities of one answer's classes to probabilities, in place from `at` on. */
export function normaliseLogs(logs: Float64Array, at: number): void {
  let most = -Infinity
  for (let c = 0; c < CLASSES; c++) most = Math.max(most, logs[at + c]!)
  let sum = 0
  for (let c = 0; c < CLASSES; c++) sum += logs[at + c] = Math.exp(logs[at + c]! - most)
  for (let c = 0; c < CLASSES; c++) logs[at + c]! /= sum
}

/** By answer: the posterior's mean, in [0, 1]. */
export const means = ({ samples }: Indexed, posterior: Float64Array): Map<string, number> =>
  new Map(
    samples.map((id, j) => [
      id,
      Array.from({ length: CLASSES }, (_, c) => posterior[j * CLASSES + c]! * (c / (CLASSES - 1))).reduce(
        (a, b) => a + b,
        0,
      ),
    ]),
  )
