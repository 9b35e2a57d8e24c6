import type { Fragility } from '../../protocol/index.ts'
import { mean, median } from '../../statistics.ts'
import type { PointScale, RatedAnswer } from './units.ts'

/**
 * How many more votes it takes to turn what the crowd says of an answer, which is the side of the scale's middle that the
 * mean of its ratings is on: the fewest further votes, at the far end of the other side, after which the mean is there. null: it is in
 * the middle, on no side.
 *
 * With S the sum of ratings' distances from the middle, in half-widths of the scale, k such votes leave S - k: k is
 * ⌊|S|⌋ + 1. Worked example on 1…10: ratings 8, 7 and 9 give S = (2.5 + 1.5 + 3.5) / 4.5 = 1.67, so it takes 2.
 *
 * After the fragility index of trials, the number of patients whose outcome decides about a finding: Walsh et al., Journal
 * of Clinical Epidemiology 67, 2014.
 */
export function votesToTurn(values: readonly number[], { least, most }: PointScale): number | null {
  const [middle, half] = [(least + most) / 2, (most - least) / 2]
  const distance = Math.abs((values.length * (mean(values) - middle)) / half)
  // Thirds and ninths don't add up to whole numbers exactly.
  return distance < ROUNDING ? null : Math.floor(distance + ROUNDING) + 1
}

const ROUNDING = 1e-9

/** Of the answers with two ratings or more: one rating is no crowd. */
export function fragilityOf(answers: readonly RatedAnswer[], scale: PointScale): Fragility {
  const crowds = answers.filter(({ values }) => values.length >= 2)
  const votes = crowds.flatMap(({ values }) => votesToTurn(values, scale) ?? [])
  const decided = votes.length
  return {
    decided,
    undecided: crowds.length - decided,
    byOneVote: decided === 0 ? null : votes.filter((k) => k === 1).length / decided,
    medianVotes: decided === 0 ? null : median(votes),
  }
}
