/**
 * The learning rate of step `step` (0 for the first) of `totalSteps`: constant, or falling linearly
 * to 0 as lm-human-preferences does it. Steps beyond the total keep the last step's rate.
 */
export function scheduledRate(rate: number, schedule: 'constant' | 'linear', step: number, totalSteps: number): number {
  return schedule === 'constant' ? rate : rate * (1 - Math.min(step, totalSteps - 1) / totalSteps)
}

/**
 * The share of the learning rate that is left at this KL: all of it below half the ceiling, none at the
 * ceiling, linear between. A controller of β answers updates late, and the KL of a policy that keeps
 * moving one way grows with the square of the way: this brake is what the ceiling is kept by.
 */
export function klBrake(kl: number, ceiling: number): number {
  return ceiling === 0 ? 1 : Math.min(1, Math.max(0, 2 * (1 - kl / ceiling)))
}
