/** How long it takes to know the mean value of answers, from how votes spread and come in. Pure. */
import { limits, type Power, type PowerQuery } from '../../protocol/index.ts'
import { maxOf, mean, sum } from '../../statistics.ts'
import type { RatedAnswer } from './units.ts'

/** Standard deviations of votes' values. */
export interface Spread {
  /** σ: of people's votes on one answer. */
  betweenRaters: number
  /** τ: of what answers are worth. */
  betweenAnswers: number
  measured: boolean
}

/**
 * What is assumed until it can be measured: people differ in leniency by 0.1 and in a vote by 0.14 (the figures of
 * trainer/reward/preferences.ts), answers by as much as the factor model begins with (core/votes/factor.ts).
 */
export const ASSUMED: Spread = {
  betweenRaters: Math.hypot(0.1, 0.14),
  betweenAnswers: Math.sqrt(0.08),
  measured: false,
}

/** Degrees of freedom within answers that a measured spread rests on, at least. */
const LEAST_FREEDOM = 10

/**
 * σ and τ by the analysis of variance with one random effect and unequal numbers of votes:
 *
 *     σ² = MSW,   τ² = max(0, (MSB - MSW) / m₀),   m₀ = (N - Σ m² / N) / (a - 1)
 *
 * for N votes on `a` answers, m on each. Source: Searle, Casella & McCulloch, Variance Components, 1992, chapter 3.
 */
export function spreadOf(answers: readonly RatedAnswer[]): Spread {
  const sizes = answers.map(({ values }) => values.length)
  const votes = sum(sizes)
  const within = votes - answers.length
  if (within < LEAST_FREEDOM || answers.length < 2) return ASSUMED
  const means = answers.map(({ values }) => mean(values))
  const centre = sum(means.map((own, i) => own * sizes[i]!)) / votes
  const squares = sum(answers.map(({ values }, i) => sum(values.map((value) => (value - means[i]!) ** 2))))
  const between = sum(means.map((own, i) => sizes[i]! * (own - centre) ** 2)) / (answers.length - 1)
  const perAnswer = (votes - sum(sizes.map((size) => size * size)) / votes) / (answers.length - 1)
  const betweenAnswers = Math.sqrt(Math.max(0, (between - squares / within) / perAnswer))
  return { betweenRaters: Math.sqrt(squares / within), betweenAnswers, measured: true }
}

/** How votes come in. */
export interface Pace {
  people: number
  /** Of one person. */
  votesPerMinute: number
  votesPerAnswer: number
}

/** The pace is that of the last ten minutes with votes, milliseconds … */
const WINDOW_MS = 600_000
/** … of which there is at least one minute. */
const LEAST_MS = 60_000

/**
 * Who has voted in the ten minutes before the latest vote, and how often. Before there are votes: one person who votes as
 * fast as is usual, and `wantedVotes` on an answer.
 */
export function paceOf(votes: readonly { raterId: string; sampleId: string; at: number }[], wantedVotes: number): Pace {
  if (votes.length === 0)
    return { people: 1, votesPerMinute: 60 / limits.secondsPerAnswer.usual, votesPerAnswer: wantedVotes }
  const until = maxOf(votes.map(({ at }) => at))
  const recent = votes.filter(({ at }) => at > until - WINDOW_MS)
  const since = -maxOf(recent.map(({ at }) => -at))
  const people = new Set(recent.map(({ raterId }) => raterId)).size
  const minutes = Math.max(LEAST_MS, until - since) / 60_000
  return {
    people,
    votesPerMinute: Math.min(limits.agreement.votesPerMinute, recent.length / people / minutes),
    votesPerAnswer: votes.length / new Set(votes.map(({ sampleId }) => sampleId)).size,
  }
}

/** Of the normal distribution: 95 % lie within so many deviations. */
const Z = 1.96

/**
 * How many answers, votes and minutes it takes until the mean value of answers like these is known to ± x, by these
 * people: its variance is (τ² + σ² / k) / n for n answers of k votes each, so
 *
 *     n = 1.96² (τ² + σ² / k) / x²,   minutes = n k / (people · votes of one in a minute)
 *
 * No answer gets more votes than there are people. How far these people speak for others is not in it.
 */
export function powerOf(spread: Spread, pace: Pace, asked: PowerQuery): Power {
  const { halfWidth } = asked
  const people = asked.people ?? pace.people
  const votesPerMinute = asked.votesPerMinute ?? pace.votesPerMinute
  const votesPerAnswer = Math.min(people, asked.votesPerAnswer ?? pace.votesPerAnswer)
  const variance = spread.betweenAnswers ** 2 + spread.betweenRaters ** 2 / votesPerAnswer
  const answers = Math.max(1, Math.ceil((Z ** 2 * variance) / halfWidth ** 2))
  const votes = Math.ceil(answers * votesPerAnswer)
  const power = { people, votesPerMinute, votesPerAnswer, halfWidth, ...spread, answers, votes }
  const minutes = votes / (people * votesPerMinute)
  return { ...power, minutes, sentence: sentenceOf({ ...power, minutes }) }
}

function sentenceOf(power: Omit<Power, 'sentence'>): string {
  const { people, votesPerMinute, votesPerAnswer, halfWidth, measured, minutes, votes, answers } = power
  const crowd = people === 1 ? 'one person' : `${people} people`
  const pace = `${plain(votesPerMinute)} votes a minute${people === 1 ? '' : ' each'} and ${plain(votesPerAnswer)} on an answer`
  const time = minutes < 1 ? 'less than a minute' : minutes < 1.5 ? 'a minute' : `${Math.round(minutes)} minutes`
  return (
    `With ${crowd}, ${pace}, it takes ${time} (${votes} votes on ${answers} answers) to know the mean value to ` +
    `±${plain(halfWidth)} (95 %)${measured ? '.' : ', if votes spread as is usual: too few answers have two votes to measure it.'}`
  )
}

/** Up to three digits, without trailing zeros. */
const plain = (value: number): string => String(Number(value.toPrecision(value < 1 ? 2 : 3)))
