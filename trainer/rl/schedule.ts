export type RateSchedule = 'constant' | 'linear' | 'cosine'

export interface RatePlan {
  /** The full learning rate. */
  rate: number
  schedule: RateSchedule
  warmupSteps: number
  totalSteps: number
}

/** A decaying schedule keeps this share of the rate: a step that people voted on must be able to change something. */
export const LEAST_RATE = 0.01

/**
 * The learning rate of step `step` (0 for the first). It rises linearly over the warm-up, whose last
 * step has the full rate; then it is constant, or falls towards 0 at `totalSteps`: linearly, as
 * lm-human-preferences does it, or by half a cosine (Loshchilov & Hutter 2017), but never below
 * {@link LEAST_RATE} of the full rate. Steps beyond the total keep the last step's rate.
 *
 * Nothing else scales it: the KL is controlled by its penalty, which could not act at a rate of 0.
 */
export function scheduledRate({ rate, schedule, warmupSteps, totalSteps }: RatePlan, step: number): number {
  if (step < warmupSteps) return (rate * (step + 1)) / warmupSteps
  const last = Math.max(warmupSteps, totalSteps - 1)
  const progress = (Math.min(step, last) - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
  return rate * Math.max(LEAST_RATE, shareOf(schedule, progress))
}

function shareOf(schedule: RateSchedule, progress: number): number {
  switch (schedule) {
    case 'constant':
      return 1
    case 'linear':
      return 1 - progress
    case 'cosine':
      return (1 + Math.cos(Math.PI * progress)) / 2
  }
}
