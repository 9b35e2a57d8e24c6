/** What several seeds give together. */
import { mean, sampleDeviation } from '../../core/statistics.ts'

/** A mean over seeds, and how much the seeds differ. */
export interface Figure {
  mean: number
  deviation: number
}

export const figureOf = (values: readonly number[]): Figure => ({
  mean: mean(values),
  deviation: sampleDeviation(values),
})

export const figureText = ({ mean: value, deviation }: Figure): string =>
  `${value.toFixed(3)} ± ${deviation.toFixed(3)}`
