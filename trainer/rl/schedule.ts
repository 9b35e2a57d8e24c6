/**
 * The learning rate of step `step` (0 for the first) of `totalSteps`: constant, or falling linearly
 * to 0 as lm-human-preferences does it. Steps beyond the total keep the last step's rate.
 */
export function scheduledRate(rate: number, schedule: 'constant' | 'linear', step: number, totalSteps: number): number {
  return schedule === 'constant' ? rate : rate * (1 - Math.min(step, totalSteps - 1) / totalSteps)
}
