export type RateSchedule = 'constant' | 'linear' | 'cosine'

/** How the learning rate goes. */
export interface RatePlan {
  /** The full one. */
  learningRate: number
  learningRateSchedule: RateSchedule
  /** Warm-up: updates over which the learning rate rises to its full value; 0 for none. */
  warmupSteps: number
  /** Updates over which a schedule decays; ignored by a constant one. */
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
export function scheduledRate(
  { learningRate, learningRateSchedule, warmupSteps, totalSteps }: RatePlan,
  step: number,
): number {
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps
  const last = Math.max(warmupSteps, totalSteps - 1)
  const progress = (Math.min(step, last) - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
  return learningRate * Math.max(LEAST_RATE, shareOf(learningRateSchedule, progress))
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
