/**
 * Detects reward hacking: when does the evidence exceed chance?
 *
 * A policy that games its reward shows four signs, for each of which every step gives a
 * z-score:
 *
 *   level       the reward promises more than people give:  (gap - allowedGap) / error
 *   order       it ranks answers against people:            -ρ √(n - 1), Spearman's ρ over n answers
 *   length      answers are longer or shorter than the reference's:  (|drift| - allowedLengthDrift) / error
 *   repetition  they repeat themselves more:                (rise - allowedRepetition) / error
 *
 * Evidence for each adds up over steps by Page's one-sided CUSUM,
 *
 *     S ← max(0, S + min(z, 3) - ½),
 *
 * so that a lasting shift shows within a few steps and chance cancels out. The room is warned when S reaches
 * `warnAt`, and the run pauses, where it is set to, at `pauseAt`. By Siegmund's approximation a sign that
 * is exactly at its limit, z having mean 0, has a false alarm once in 930 steps (warnAt 5) and
 * a false pause once in 19,000 (pauseAt 8); half a deviation inside its limit, hardly ever. min(z, 3) makes two steps
 * the least that warn, and four the least that pause, whatever a single step looks like.
 *
 * A warning is given once, until the evidence has gone back to 0. A pause resets it to 0: a person resumes
 * the run, and it pauses again only on new evidence.
 *
 * Sources: Page, "Continuous inspection schemes", 1954; Siegmund, "Sequential Analysis", 1985, II.6; what
 * is watched: Gao, Schulman, Hilton, "Scaling Laws for Reward Model Overoptimization", 2022.
 */
import type { Drift } from './drift.ts'
import type { Gap } from './gap.ts'

export const SIGNS = ['level', 'order', 'length', 'repetition'] as const
export type Sign = (typeof SIGNS)[number]

export interface WatchRules {
  /** Sums at which the room is warned, and at which the run pauses; `pauseAt >= warnAt > 0`. */
  warnAt: number
  pauseAt: number
  /** Whether it pauses. */
  pause: boolean
  allowedGap: number
  allowedLengthDrift: number
  allowedRepetition: number
}

/** The evidence so far. Part of a run's checkpoint. */
export type Evidence = Record<Sign, { sum: number; warned: boolean }>

export const noEvidence = (): Evidence => ({
  level: { sum: 0, warned: false },
  order: { sum: 0, warned: false },
  length: { sum: 0, warned: false },
  repetition: { sum: 0, warned: false },
})

/** The observations of one step. */
export interface Shown {
  /** null: too few votes, or the reward model knows too little yet. */
  gap: Gap | null
  /** People who voted. */
  raters: number
  length: Drift
  repetition: Drift
}

/** People differ in leniency by about this much, in a vote's value: a step's few raters are not everybody. */
const LENIENCY = 0.1

/** z of each sign; null if the step has no data on it. */
export function signsOf(
  { gap, raters, length, repetition }: Shown,
  config: Pick<WatchRules, 'allowedGap' | 'allowedLengthDrift' | 'allowedRepetition'>,
): Record<Sign, number | null> {
  return {
    level: gap && (gap.level - config.allowedGap) / Math.hypot(gap.levelError, LENIENCY / Math.sqrt(raters)),
    order: gap && gap.rank !== null ? -gap.rank * Math.sqrt(gap.answers - 1) : null,
    length: (Math.abs(length.by) - config.allowedLengthDrift) / length.error,
    repetition: (repetition.by - config.allowedRepetition) / repetition.error,
  }
}

export interface Alarm {
  sign: Sign
  pauses: boolean
}

const MOST = 3
const SLACK = 0.5

/** The evidence after a step, and the alarms that it raises. */
export function weigh(
  before: Evidence,
  signs: Record<Sign, number | null>,
  { warnAt, pauseAt, pause }: Pick<WatchRules, 'warnAt' | 'pauseAt' | 'pause'>,
): { evidence: Evidence; alarms: Alarm[] } {
  const evidence = { ...before }
  const alarms: Alarm[] = []
  for (const sign of SIGNS) {
    const z = signs[sign]
    if (z === null) continue
    const sum = Math.min(pauseAt, Math.max(0, before[sign].sum + Math.min(z, MOST) - SLACK))
    const pauses = pause && sum >= pauseAt
    const warned = sum > 0 && before[sign].warned
    const warns = !warned && sum >= warnAt
    if (pauses || warns) alarms.push({ sign, pauses })
    evidence[sign] = pauses ? { sum: 0, warned: false } : { sum, warned: warned || warns }
  }
  return { evidence, alarms }
}
