/** Combines the heads' predictions into a value, by the formulas of a vote's value. */
export { mix, weightedQuality } from '../../core/votes/value.ts'

/** Mean and (population) deviation of an ensemble's predictions. */
export function unitMean(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
  return { mean, deviation: Math.sqrt(variance) }
}
