/** Computes from all votes of a session what each weighs: on its answer, and in the reward model's fit. Pure. */
import { capStrangers } from './crowd.ts'
import type { RatedSample } from './comparisons.ts'
import { standingsOf, type Standing } from './reliability.ts'
import { boundShares } from './shares.ts'

/** The parts of a vote that its weight depends on. */
export interface CastVote {
  raterId: string
  /** The answer's id; for a text, a unique one. */
  sampleId: string
  /** `v` in [0, 1]. */
  value: number
  /** The step that was the first to learn from it, or that is about to. */
  round: number
  /** Where its answer came from; null: a text that the session never produced. */
  origin: 'rollout' | 'ask' | null
  /** Whether its author asked the question. */
  ownQuestion: boolean
  /** Cast after voting had closed, when what others think is shown. */
  late: boolean
}

export interface Weighed {
  standing(raterId: string): Standing
  readonly raters: ReadonlyMap<string, Standing>
  /** In the votes' order: what each weighs in its answer's crowd value, in [0, 1] … */
  onAnswer: readonly number[]
  /** … and in the reward model's fit, at least 0. */
  inFit: readonly number[]
}

/** Its author chose what to rate, or when. */
export const isSelfMade = ({ origin, ownQuestion, late }: Pick<CastVote, 'origin' | 'ownQuestion' | 'late'>): boolean =>
  origin === null || ownQuestion || late

/**
 * Only answers that the session chose, judged before anybody could know what others think, say how reliable somebody
 * is.
 */
const isComparable = ({ origin, late }: CastVote): boolean => origin === 'rollout' && !late

/** The factor for age on each vote's weight in a fit, vote by vote (fading.ts). */
export type Ageing = (votes: readonly { round: number; weight: number }[]) => number[]

const ageless: Ageing = (votes) => votes.map(() => 1)

/**
 * What every vote weighs: its author's standing, strangers capped on each answer, the shares of a fit bounded, once
 * old votes have faded. Only votes on what the session chose make others older.
 */
export function weigh(votes: readonly CastVote[], ageing: Ageing = ageless): Weighed {
  const rated = votes.map((vote): RatedSample => ({
    raterId: vote.raterId,
    sampleId: vote.sampleId,
    value: vote.value,
    round: vote.round,
    comparable: isComparable(vote),
  }))
  const standings = standingsOf(rated)
  const onAnswer = capped(votes, standings)
  const known = [...standings.raters.values()].filter((standing) => standing.known).length
  const left = ageing(votes.map((vote, i) => ({ round: vote.round, weight: isSelfMade(vote) ? 0 : onAnswer[i]! })))
  const inFit = boundShares(
    votes.map((vote, i) => ({ raterId: vote.raterId, weight: onAnswer[i]! * left[i]!, selfMade: isSelfMade(vote) })),
    known,
  )
  return { standing: standings.of, raters: standings.raters, onAnswer, inFit }
}

function capped(votes: readonly CastVote[], standings: ReturnType<typeof standingsOf>): number[] {
  const bySample = new Map<string, number[]>()
  votes.forEach(({ sampleId }, i) => {
    const on = bySample.get(sampleId)
    if (on) on.push(i)
    else bySample.set(sampleId, [i])
  })
  const weights = new Array<number>(votes.length).fill(0)
  for (const [sampleId, on] of bySample) {
    const found = capStrangers(
      on.map((i) => standings.of(votes[i]!.raterId)),
      standings.established(sampleId),
    )
    on.forEach((i, k) => (weights[i] = found[k]!))
  }
  return weights
}
