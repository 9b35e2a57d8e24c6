/**
 * What a run remembers of how far it may move: the floors' multipliers, and the KL that it has measured. Plain data, part
 * of the run's checkpoint. Pure.
 *
 * A step reads it, `rewardsOf({ …, floors: steering.floors })`, updates with `klCoefficient(…)`, and goes on with
 * `steered(…)`.
 */
import { z } from 'zod'
import { klOf, noKl, sequenceK3, withResponses, type KlEstimate } from '../rl/kl.ts'
import type { ReferenceView, Rollout } from '../rl/rollout.ts'
import { budgetShare, budgetedKlCoefficient, effectiveVotes } from './budget.ts'
import { Floors, nextFloors, type Levels } from './floors.ts'

const KlSums = z.object({
  weight: z.number(),
  squaredWeight: z.number(),
  sum: z.number(),
  squares: z.number(),
}) satisfies z.ZodType<KlEstimate>

export const Steering = z.object({ floors: Floors, kl: KlSums })
export type Steering = z.output<typeof Steering>

export const noSteering = (): Steering => ({ floors: {}, kl: noKl })

/** How far a head's level may fall, in the unit of a score. */
export const FLOOR_MARGIN = 0.02

/** β of an update: the run's own, raised while there is little evidence. @param votes those of the fit, by weight */
export function klCoefficient(
  runs: number,
  votes: readonly { raterId: string; weight: number }[],
): { share: number; klCoefficient: number } {
  const share = budgetShare(effectiveVotes(votes))
  return { share, klCoefficient: budgetedKlCoefficient(runs, share) }
}

export interface Steered {
  rollouts: readonly Pick<Rollout, 'logprobs'>[]
  references: readonly Pick<ReferenceView, 'logprobs'>[]
  /** Of `rewardsOf`. */
  levels: Readonly<Record<string, Levels>>
  /** Whether the run has floors. */
  floors: boolean
}

/** After a step. */
export function steered(before: Steering, { rollouts, references, levels, floors }: Steered): Steering {
  const kls = rollouts.map(({ logprobs }, i) => sequenceK3(logprobs, references[i]!.logprobs))
  return {
    floors: floors ? nextFloors(before.floors, levels, FLOOR_MARGIN) : {},
    kl: withResponses(before.kl, kls),
  }
}

/** Meaning, and after the last semicolon the unit. */
export const STEERING_METRICS = {
  'kl/smoothed':
    'mean over the latest responses, each weighing half of one 128 later, of Σ_t k3, the policy’s KL to the reference; nats per response',
  'kl/error': 'its standard error; nats per response',
  'kl/budget':
    'share of the KL target that the votes of the fit allow, n / (n + 100), n their weight bounded by how many people they are of; 0.01…1',
  'floors/strongest': 'the greatest multiplier of the heads’ floors, 0 where none binds; no unit, at most 1',
} as const

export function steeringMetrics({ floors, kl }: Steering, share: number): Record<string, number> {
  const known = klOf(kl)
  return {
    ...(known && { 'kl/smoothed': known.mean, 'kl/error': known.error }),
    'kl/budget': share,
    'floors/strongest': Object.values(floors).reduce((most, { multiplier }) => Math.max(most, multiplier), 0),
  }
}
