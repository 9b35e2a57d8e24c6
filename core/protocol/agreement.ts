/** How well a run's raters agree, as its owner sees it (docs/AGREEMENT.md). */
import { z } from 'zod'
import { limits } from './limits.ts'
import { Uuid, unit } from './pieces.ts'

/** Alpha is Krippendorff's; AC1 and AC2 are Gwet's, AC2 by the weights in its name. */
export const coefficientNames = [
  'alphaNominal',
  'alphaOrdinal',
  'alphaInterval',
  'ac1',
  'ac2Ordinal',
  'ac2Linear',
  'ac2Quadratic',
] as const
export type CoefficientName = (typeof coefficientNames)[number]

/** A coefficient, at most 1, and its 95 % interval; null where it is undefined. */
export const Estimate = z.object({
  value: z.number().nullable(),
  interval: z.object({ low: z.number(), high: z.number() }).nullable(),
})
export type Estimate = z.infer<typeof Estimate>
export const Estimates = z.record(z.enum(coefficientNames), Estimate)
export type Estimates = z.infer<typeof Estimates>

export const Verdict = z.enum([
  /** Nobody has rated it. */
  'unrated',
  /** No answer was rated by two people. */
  'unpaired',
  /** All ratings are the same. */
  'uniform',
  /** Ratings are so alike that alpha has nothing left to tell apart; AC2 is high. */
  'paradox',
  /** People contradict each other more than chance would. */
  'contrary',
  /** The interval is too wide to say anything. */
  'unsure',
  /** Alpha is at least 0.8 … */
  'good',
  /** … 0.667 … */
  'tentative',
  /** … or below. */
  'low',
  /** Nothing beyond chance is to be seen. */
  'chance',
])
export type Verdict = z.infer<typeof Verdict>

/** How well people agree on the rating, on a category or on compassion. */
export const CategoryAgreement = z.object({
  /** `rating`, `compassion` or a category's name. */
  name: z.string(),
  votes: z.int(),
  raters: z.int(),
  /** Answers that at least two people rated. */
  answers: z.int(),
  /** The mean share of an answer's pairs of ratings that are at most a point apart; null: no answer has two. */
  near: unit.nullable(),
  /** The alpha that `verdict` is about: by intervals for compassion, ordinal for everything else. */
  headline: z.enum(coefficientNames),
  estimates: Estimates,
  verdict: Verdict,
  /** The verdict in words. */
  sentence: z.string(),
  /** What says that its guideline is the problem: even reliable raters disagree on it. null: nothing does. */
  guideline: z.string().nullable(),
})
export type CategoryAgreement = z.infer<typeof CategoryAgreement>

export const DividingAnswer = z.object({
  sampleId: Uuid,
  prompt: z.string(),
  response: z.string(),
  votes: z.int(),
  /** Mean and standard deviation of its ratings, 1…10. */
  mean: z.number(),
  deviation: z.number(),
  /** Its ratings differ more than the most divided one of as many would by chance. */
  beyondChance: z.boolean(),
  /** So do those of reliable raters alone: the guideline is the problem. */
  guideline: z.boolean(),
})
export type DividingAnswer = z.infer<typeof DividingAnswer>

/** How easily the crowd's verdicts on answers, above or below the middle of the scale, would turn. */
export const Fragility = z.object({
  /** Answers with two ratings or more whose mean is on one side … */
  decided: z.int(),
  /** … and exactly in the middle. */
  undecided: z.int(),
  /** The share of the decided ones that one more vote could turn, and how many it takes in the median; null: none is. */
  byOneVote: unit.nullable(),
  medianVotes: z.number().nullable(),
})
export type Fragility = z.infer<typeof Fragility>

/** What the power analysis is asked for; by default as measured. */
export const PowerQuery = z.object({
  people: z.coerce.number().int().min(1).max(10_000).optional(),
  votesPerMinute: z.coerce.number().gt(0).max(limits.agreement.votesPerMinute).optional(),
  votesPerAnswer: z.coerce.number().min(1).max(10_000).optional(),
  /** Half of the width of the 95 % interval, value. */
  halfWidth: z.coerce.number().min(0.005).max(0.5).default(0.05),
})
export type PowerQuery = z.infer<typeof PowerQuery>

/** How long it takes to know the mean value of answers. */
export const Power = z.object({
  people: z.int(),
  /** Of one person. */
  votesPerMinute: z.number(),
  votesPerAnswer: z.number(),
  halfWidth: z.number(),
  /** Standard deviations of votes' values on one answer, and of what answers are worth. */
  betweenRaters: z.number(),
  betweenAnswers: z.number(),
  /** False: both are assumed, as too few answers have two votes. */
  measured: z.boolean(),
  /** What it takes. */
  minutes: z.number(),
  votes: z.int(),
  answers: z.int(),
  sentence: z.string(),
})
export type Power = z.infer<typeof Power>

export const Agreement = z.object({
  /** The rating first, then the session's categories, compassion last. */
  categories: z.array(CategoryAgreement),
  /** Most divided first; those that the reader may know the crowd's view of (rule V3). */
  dividing: z.array(DividingAnswer),
  fragility: Fragility,
  power: Power,
  /** Votes that were read: the latest ones, `limits.agreement.votes` at most. */
  votes: z.int(),
})
export type Agreement = z.infer<typeof Agreement>
