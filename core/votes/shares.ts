/**
 * Bounds on each author's share of the reward model's fit, so that no number of votes buys more than one person's
 * influence.
 */

/** Evidence of its author's own making (texts, answers to own questions, late votes): all of it together … */
export const SELF_MADE_SHARE = 1 / 5
/** … and one author's, at most this share of a fit's weight. */
export const OWN_SELF_MADE_SHARE = 1 / 10
/** One author's other votes: at most this share of those, or twice an even one where few people are known. */
export const AUTHOR_SHARE = 1 / 4
/** The least number of known raters for that bound: among fewer it would silence somebody. */
export const SEVERAL = 3
/** The weight of the reward model's prior in the evidence, votes: its ridge. */
export const PRIOR_VOTES = 1

export interface Lesson {
  raterId: string
  /** At least 0. */
  weight: number
  /** Its author chose what to rate, or when. */
  selfMade: boolean
}

/**
 * The lessons' weights, in their order, within the bounds above. Bounds scale all of an author's lessons
 * of a kind equally; nothing is dropped.
 *
 * With B the weight of the votes that are not self-made, after their own bound, and the prior's, an author's
 * self-made lessons weigh at most B · s / (1 - s) together, s = 1/10, and everybody's B · S / (1 - S), S = 1/5.
 *
 * Worked example: 50 votes of weight 1 by ten people, and 3,070 of weight 1 on one author's own texts.
 * B is 51; the texts weigh 51 / 9 = 5.67 together, a tenth of 56.67.
 *
 * @param known raters of standing (reliability.ts)
 */
export function boundShares(lessons: readonly Lesson[], known: number): number[] {
  const ordinary = sums(lessons, false)
  const most = mostOfAnAuthor([...ordinary.values()], known)
  const base = [...ordinary.values()].reduce((sum, w) => sum + Math.min(w, most), PRIOR_VOTES)
  const selfMade = sums(lessons, true)
  const own = allowance(base, OWN_SELF_MADE_SHARE)
  const together = [...selfMade.values()].reduce((sum, w) => sum + Math.min(w, own), 0)
  const crowded = Math.min(1, allowance(base, SELF_MADE_SHARE) / Math.max(together, Number.MIN_VALUE))
  return lessons.map(({ raterId, weight, selfMade: isOwn }) => {
    const sum = (isOwn ? selfMade : ordinary).get(raterId) ?? 0
    if (sum === 0) return 0
    return weight * (isOwn ? Math.min(1, own / sum) * crowded : Math.min(1, most / sum))
  })
}

/** The weight that is `share` of the total when added to `rest`. */
const allowance = (rest: number, share: number): number => (rest * share) / (1 - share)

function sums(lessons: readonly Lesson[], selfMade: boolean): Map<string, number> {
  const found = new Map<string, number>()
  for (const lesson of lessons)
    if (lesson.selfMade === selfMade) found.set(lesson.raterId, (found.get(lesson.raterId) ?? 0) + lesson.weight)
  return found
}

/**
 * The level m at which authors' sums are cut so that none is more than its share c of what is left: m = c Σ min(W, m).
 */
function mostOfAnAuthor(sums: readonly number[], known: number): number {
  if (known < SEVERAL) return Infinity
  const share = Math.max(AUTHOR_SHARE, 2 / known)
  const sorted = [...sums].sort((a, b) => b - a)
  let rest = sorted.reduce((sum, w) => sum + w, 0)
  for (let cut = 0; cut * share < 1; cut++) {
    // With the `cut` largest at m: m = share (cut · m + rest).
    const most = (share * rest) / (1 - share * cut)
    if (cut >= sorted.length || sorted[cut]! <= most) return cut === 0 ? Infinity : most
    rest -= sorted[cut]!
  }
  // Too few have any weight for their shares to be this small.
  return Infinity
}
