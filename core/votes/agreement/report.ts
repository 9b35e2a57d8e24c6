/** How well the raters of a run agree, from their votes. Pure. */
import type { CategoryAgreement, Fragility } from '../../protocol/index.ts'
import { RELIABILITY_PRIOR } from '../reliability.ts'
import { weigh } from '../weights.ts'
import { categoryAgreement, compassion, LEAST_RELIABLE, rating, score, type AgreementVote } from './category.ts'
import { dividingAnswers, type Divided } from './dividing.ts'
import { fragilityOf } from './fragility.ts'
import { paceOf, spreadOf, type Pace, type Spread } from './power.ts'
import { byAnswer } from './units.ts'

export interface AgreementReport {
  categories: CategoryAgreement[]
  /** The most surely divided first. */
  dividing: (Divided & { guideline: boolean })[]
  fragility: Fragility
  spread: Spread
  pace: Pace
  votes: number
}

/**
 * Everything there is to say of votes, oldest first, in a run with these categories. It yields now and then, as
 * {@link estimatesOf} does.
 *
 * A rater is reliable who is known, of the largest taste, and no less reliable than somebody is taken to be of whom
 * nothing is known. Where three of them or more disagree with each other, unreliable raters and other tastes are not
 * why, and the guideline is: on a category if the whole interval of their alpha is below 0.667, and AC2 does not say
 * that there is just little to tell apart; on an answer if their ratings of it differ beyond chance (dividing.ts).
 *
 * @param wantedVotes on an answer, for as long as nothing is measured
 * @param seed of the bootstrap
 */
export function* agreementOf(
  votes: readonly AgreementVote[],
  { categories, wantedVotes }: { categories: readonly string[]; wantedVotes: number },
  seed: number,
): Generator<void, AgreementReport> {
  const reliable = reliableAmong(votes)
  yield
  const found: CategoryAgreement[] = []
  for (const category of [rating, ...categories.map(score), compassion])
    found.push(yield* categoryAgreement(votes, category, reliable, seed))
  const ratings = votes.map((vote) => ({ ...vote, value: vote.rating }))
  const answers = byAnswer(ratings)
  const trusted = byAnswer(ratings.filter(({ raterId }) => reliable.has(raterId)))
  const unclear = new Set(
    reliable.size < LEAST_RELIABLE
      ? []
      : dividingAnswers(trusted).flatMap(({ sampleId, beyondChance }) => (beyondChance ? sampleId : [])),
  )
  return {
    categories: found,
    dividing: dividingAnswers(answers).map((one) => ({ ...one, guideline: unclear.has(one.sampleId) })),
    fragility: fragilityOf(answers, rating.scale),
    spread: spreadOf(byAnswer(votes)),
    pace: paceOf(votes, wantedVotes),
    votes: votes.length,
  }
}

function reliableAmong(votes: readonly AgreementVote[]): Set<string> {
  return new Set(
    [...weigh(votes).raters].flatMap(([id, { known, taste, opposes, reliability }]) =>
      known && taste === 0 && !opposes && reliability >= RELIABILITY_PRIOR.value ? id : [],
    ),
  )
}
