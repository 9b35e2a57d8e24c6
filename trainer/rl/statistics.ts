import type { PpoLoss } from './ppo.ts'

/** What one optimizer step reports. */
export interface StepStatistics extends PpoLoss {
  /** Of all gradients together, before clipping. */
  gradientNorm: number
}

/** NaN for no entries. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}
