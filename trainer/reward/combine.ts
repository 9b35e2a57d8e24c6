import { mean, populationDeviation } from '../../core/statistics.ts'

/** Combines the heads' predictions into a value, by the formulas of a vote's value. */
export { mix, weightedQuality } from '../../core/votes/value.ts'

/** Mean and (population) deviation of an ensemble's predictions. */
export function unitMean(values: readonly number[]): { mean: number; deviation: number } {
  return { mean: mean(values), deviation: populationDeviation(values) }
}
