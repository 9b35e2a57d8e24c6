/**
 * How a simulated rater judges an answer. Pure: the oracle's rating in, a ballot out.
 *
 * An honest rater sees the truth through noise and a leniency of their own; an adversary gives the
 * opposite of what they see; a random one does not read at all.
 */
import type { OracleRating } from '../pretrain/oracle.ts'
import { normal, type Random } from '../pretrain/random.ts'

export type Temper = 'honest' | 'adversary' | 'random'

const OPPOSITE = { honest: 'adversary', adversary: 'honest', random: 'random' } as const

/** By what somebody votes after so many seconds, whose taste turns into its opposite at each of `turns`. */
export const temperAfter = (seconds: number, own: Temper, turns: readonly number[]): Temper =>
  turns.filter((at) => seconds >= at).length % 2 === 1 ? OPPOSITE[own] : own

export interface Ballot {
  /** 1…10, whole. */
  humanRating: number
  categories: { name: string; score: number }[]
  /** In [0, 1], in steps of a twentieth, as a slider gives it. */
  compassionRating: number
  tags: string[]
}

export interface JudgeOptions {
  temper: Temper
  /** Standard deviation of what a rater adds to the truth, on the scale 0…1. */
  noise: number
  /** Added to everything this rater sees, on the scale 0…1. */
  leniency: number
  /** What the session asks to be scored, and the tags it offers. */
  categories: readonly { name: string }[]
  tags: readonly string[]
}

/** What an unreadable answer is worth to a reader who takes it at its best otherwise. */
const UNREADABLE = 0.4

export function judge(truth: OracleRating, options: JudgeOptions, random: Random): Ballot {
  const { temper, noise, leniency } = options
  const see = (value: number): number => {
    if (temper === 'random') return random()
    const seen = unit(value + leniency + noise * normal(random))
    return temper === 'adversary' ? 1 - seen : seen
  }
  const worth = truth.readable ? 1 : UNREADABLE
  const overall = see(((truth.usefulness + truth.compassion) / 2) * worth)
  const compassion = see(truth.compassion)
  return {
    humanRating: score(overall),
    categories: options.categories.map(({ name }) => ({ name, score: score(see(side(name, truth) * worth)) })),
    compassionRating: Math.round(compassion * 20) / 20,
    tags: options.tags.filter((tag) => wouldTag(tag, overall, compassion)),
  }
}

/** Which side of an answer a category asks about, by its name; all of it if the name says nothing. */
function side(category: string, truth: OracleRating): number {
  const name = category.toLowerCase()
  if (/help|use|safe/.test(name)) return truth.usefulness
  if (/kind|warm|compassion|care|empath/.test(name)) return truth.compassion
  if (/concis|brief|short/.test(name)) return truth.concision
  if (/clear|clarity|read|fluen/.test(name)) return truth.readable ? 1 : 0
  return (truth.usefulness + truth.compassion) / 2
}

function wouldTag(tag: string, overall: number, compassion: number): boolean {
  switch (tag) {
    case 'kind':
      return compassion > 0.8
    case 'cold':
      return compassion < 0.2
    case 'useful':
      return overall > 0.8
    case 'vague':
      return overall < 0.2
    default:
      return false
  }
}

const unit = (x: number): number => Math.min(1, Math.max(0, x))
/** [0, 1] to the whole numbers 1…10. */
const score = (x: number): number => 1 + Math.round(9 * x)
