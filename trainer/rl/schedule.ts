export type RateSchedule = 'constant' | 'linear' | 'cosine'

export interface RatePlan {
  /** The full learning rate. */
  rate: number
  schedule: RateSchedule
  warmupSteps: number
  totalSteps: number
}

/**
 * The learning rate of step `step` (0 for the first). It rises linearly over the warm-up, whose last
 * step has the full rate; then it is constant, or falls to 0 by `totalSteps`: linearly, as
 * lm-human-preferences does it, or by half a cosine (Loshchilov & Hutter 2017). Steps beyond the total
 * keep the last step's rate.
 */
export function scheduledRate({ rate, schedule, warmupSteps, totalSteps }: RatePlan, step: number): number {
  if (step < warmupSteps) return (rate * (step + 1)) / warmupSteps
  const last = Math.max(warmupSteps, totalSteps - 1)
  const progress = (Math.min(step, last) - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
  switch (schedule) {
    case 'constant':
      return rate
    case 'linear':
      return rate * (1 - progress)
    case 'cosine':
      return (rate * (1 + Math.cos(Math.PI * progress))) / 2
  }
}

/**
 * The share of the learning rate that is left at this KL: all of it below half the ceiling, none at the
 * ceiling, linear between. A controller of β answers updates late, and the KL of a policy that keeps
 * moving one way grows with the square of the way: this brake is what the ceiling is kept by.
 */
export function klBrake(kl: number, ceiling: number): number {
  return ceiling === 0 ? 1 : Math.min(1, Math.max(0, 2 * (1 - kl / ceiling)))
}
