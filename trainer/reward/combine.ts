/** Combines the heads' predictions into a value, by the formulas of a vote's value. */
export { mix, weightedQuality } from '../../core/votes/value.ts'
