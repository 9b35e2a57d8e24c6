/**
 * Floors: no head of the reward model falls below the reference policy's own level while another one rises. A value is
 * one number for several aims, and a policy can trade one for another: 50 votes for compassion once halved usefulness.
 *
 *     maximise E[r]   where   level_h(π) ≥ level_h(π_ref) - margin   for each head h
 *
 * by a Lagrange multiplier μ_h for each: the reward becomes `r + Σ μ_h s_h`, s_h the head's pessimistic score of an
 * answer, and after each step
 *
 *     μ ← clamp(μ + gain · (-margin - lower bound of the gap), 0, most)
 *
 * The gap is the mean score of the policy's answers less that of the reference's, both by the present model, smoothed
 * over steps; its lower bound takes one standard error off. A multiplier is within its bounds whatever happened, so that
 * nothing winds up: it falls as soon as the level is back. Pure.
 *
 * Sources: Dai et al., "Safe RLHF", 2024; Moskovitz et al., "Confronting Reward Model Overoptimization with Constrained
 * RLHF", 2024; pessimistic scores: Coste et al., "Reward Model Ensembles Help Mitigate Overoptimization", 2024.
 */
import { z } from 'zod'
import { mean, standardError } from '../../core/statistics.ts'

export const Floor = z.object({
  /** μ, at least 0: deviations of nothing, a factor on a score in [0, 1]. */
  multiplier: z.number(),
  /** Smoothed sums: of the gap, of its squared standard error, and of steps. */
  gap: z.number(),
  squaredError: z.number(),
  steps: z.number(),
})
export type Floor = z.output<typeof Floor>
/** By head; a head that is missing has not been watched yet. Part of a run's checkpoint. */
export const Floors = z.record(z.string(), Floor)
export type Floors = z.output<typeof Floors>

/** A head's pessimistic scores, in [0, 1]. */
export interface Levels {
  policy: readonly number[]
  reference: readonly number[]
}

/** Change of a multiplier per step and unit of a score: a head that lies 0.05 too low gains 0.1 a step. */
const GAIN = 2
/** A head then counts as much as the whole value: with more, floors alone would decide where the policy goes. */
const MOST = 1
/** What is left of the past's weight after a step: the gap is over the last four or so. */
const KEPT = 0.75

/** @param margin how far a level may fall, in the unit of a score */
export function nextFloors(before: Floors, levels: Readonly<Record<string, Levels>>, margin: number): Floors {
  return Object.fromEntries(
    Object.entries(levels).map(([head, { policy, reference }]) => {
      const old = before[head] ?? { multiplier: 0, gap: 0, squaredError: 0, steps: 0 }
      const steps = KEPT * old.steps + 1
      const gap = KEPT * old.gap + mean(policy) - mean(reference)
      // Of the policy's answers, which are drawn anew each step; the reference's are the same throughout.
      const squaredError = KEPT ** 2 * old.squaredError + standardError(policy) ** 2
      const lower = (gap - Math.sqrt(squaredError)) / steps
      const multiplier = Math.min(MOST, Math.max(0, old.multiplier - GAIN * (margin + lower)))
      return [head, { multiplier, gap, squaredError, steps }]
    }),
  )
}

/** Σ μ_h s_h of one answer. */
export function floorTerm(floors: Floors, scores: Readonly<Record<string, number>>): number {
  return Object.entries(floors).reduce((sum, [head, { multiplier }]) => sum + multiplier * (scores[head] ?? 0), 0)
}
