import type { CoefficientName, Estimates, Verdict } from '../../protocol/index.ts'
import { maxOf, sum } from '../../statistics.ts'

/**
 * What alpha is good for: at least 0.8 to rely on, at least 0.667 for tentative conclusions. Source: Krippendorff, Content
 * Analysis, 2nd edition, 2004, chapter 11, who takes both for customs.
 */
const GOOD = 0.8
export const TENTATIVE = 0.667
/** An interval that is wider than this says too little, and one of fewer answers may be anything. */
const WIDE = 0.3
export const LEAST_ANSWERS = 10
/** What a share of nearly all values is. */
const NEARLY_ALL = 0.8

export interface Judged {
  votes: number
  /** Answers with two ratings or more. */
  answers: number
  /** How often each point was given on these, the least point first. */
  counts: ArrayLike<number>
  headline: CoefficientName
  estimates: Estimates
}

/** What the numbers of a category say to a researcher. Pure. */
export function judge(judged: Judged): { verdict: Verdict; sentence: string } {
  const verdict = verdictOf(judged)
  return { verdict, sentence: sentenceOf(verdict, judged) }
}

/** Alpha says that people don't agree, and only because there is hardly anything to tell apart: AC2 is high. */
export function isParadox({ headline, estimates }: Pick<Judged, 'headline' | 'estimates'>): boolean {
  const [alpha, ac2] = [estimates[headline].value, estimates.ac2Ordinal.value]
  return alpha !== null && ac2 !== null && alpha < TENTATIVE && ac2 >= GOOD
}

function verdictOf(judged: Judged): Verdict {
  const { value: alpha, interval } = judged.estimates[judged.headline]
  if (judged.votes === 0) return 'unrated'
  if (judged.answers === 0) return 'unpaired'
  if (alpha === null) return 'uniform'
  if (interval === null || judged.answers < LEAST_ANSWERS) return 'unsure'
  // Before what the interval says: where other values are few, alpha is surely below 0 as soon as no two of them meet.
  if (isParadox(judged)) return 'paradox'
  if (interval.high < 0) return 'contrary'
  if (interval.high - interval.low > WIDE) return 'unsure'
  if (alpha >= GOOD) return 'good'
  if (alpha >= TENTATIVE) return 'tentative'
  return interval.low <= 0 ? 'chance' : 'low'
}

function sentenceOf(verdict: Verdict, { answers, counts, headline, estimates }: Judged): string {
  const { value, interval } = estimates[headline]
  const alpha = `alpha ${fixed(value)}`
  const [low, high] = [fixed(interval?.low), fixed(interval?.high)]
  switch (verdict) {
    case 'unrated':
      return 'Nobody has rated it yet.'
    case 'unpaired':
      return 'No answer has been rated by two people yet, so there is nothing to compare.'
    case 'uniform':
      return `Everybody gave the same, ${narrowest(counts).words}: there is nothing to disagree about, and alpha is undefined.`
    case 'paradox': {
      const { share, words } = narrowest(counts)
      return `People agree, although alpha is low (${fixed(value)}): ${Math.round(100 * share)} % of the ratings are ${words}, so there is little to tell apart. AC2, which allows for that, is ${fixed(estimates.ac2Ordinal.value)}.`
    }
    case 'contrary':
      return `People contradict each other more than chance would (${alpha}): some may read the scale the other way round, or there are opposite tastes.`
    case 'unsure':
      return interval === null || answers < LEAST_ANSWERS
        ? `Too early to say: two people rated only ${answers === 1 ? 'one answer' : `${answers} answers`}.`
        : `Too early to say: by ${answers} answers that two people rated, alpha may be anything from ${low} to ${high}.`
    case 'good':
      return `People agree well (${alpha}): even single votes can be relied on.`
    case 'tentative':
      return `People agree well enough for tentative conclusions (${alpha}).`
    case 'low':
      return `People agree, but little (${alpha}): rely on means of many votes, not on single ones.`
    case 'chance':
      return `People agree no more than chance would (${alpha}, from ${low} to ${high}).`
  }
}

/** The narrowest run of points that has nearly all of the values: its share of them, and the points, counted from 1. */
function narrowest(counts: ArrayLike<number>): { share: number; words: string } {
  const all = Array.from(counts)
  for (let width = 1; ; width++) {
    const runs = all.slice(width - 1).map((_, from) => sum(all.slice(from, from + width)) / sum(all))
    const share = maxOf(runs)
    if (share < NEARLY_ALL && width < all.length) continue
    const from = runs.indexOf(share) + 1
    return { share, words: width === 1 ? String(from) : `${from} to ${from + width - 1}` }
  }
}

/** To two digits; 0 has no sign. */
export const fixed = (value: number | null | undefined): string =>
  (value ?? Number.NaN).toFixed(2).replace(/^-(?=0\.00$)/, '')
