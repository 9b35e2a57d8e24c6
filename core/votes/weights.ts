/** Computes from all votes of a session what each weighs and says: on its answer, and in the reward model's fit. Pure. */
import { minOf, sum } from '../statistics.ts'
import type { RatedSample } from './comparisons.ts'
import { capStrangers } from './crowd.ts'
import { fading } from './fading.ts'
import { clamp, quality } from './factor.ts'
import {
  rescaled,
  standingsOf,
  type Knowledge,
  type ReadVote,
  type Scale,
  type Standing,
  type Standings,
} from './reliability.ts'
import { boundShares } from './shares.ts'

/** The parts of a vote that its weight depends on. Votes come in their order, the oldest first. */
export interface CastVote {
  raterId: string
  /** The answer's id; for a text, a unique one. */
  sampleId: string
  /** `v` in [0, 1]. */
  value: number
  /** When it was cast, milliseconds since the epoch. */
  at: number
  /** Where its author's account came from: an opaque hash of an address, a device or an invite link. null: nobody knows. */
  source: string | null
  /** Where its answer came from; null: a text that the session never produced. */
  origin: 'rollout' | 'ask' | null
  /** Whether its author asked the question. */
  ownQuestion: boolean
  /** Cast after voting had closed, when what others think is shown. */
  late: boolean
}

/** What trains, where a run has several tastes: the largest; each by its people; or the one that likes an answer least. */
export type TasteMode = 'majority' | 'proportional' | 'worst-off'

/** How a session listens. */
export interface Listening extends Knowledge {
  /** `majority` by default. */
  tastes?: TasteMode
  /** A taste that only opposes the largest counts like any other; by default it weighs nothing. */
  acceptOpposition?: boolean
  /** Of votes in the fit, in votes' weight (fading.ts); by default they do not fade. */
  halfLife?: number
}

/** A taste, as the researcher sees it. */
export interface TasteReport {
  /** Of the people who follow a taste, in [0, 1]. */
  share: number
  /** With the largest taste, in [-1, 1]; 1 for that itself. */
  correlation: number
  /** It only opposes the largest: it weighs nothing unless it is accepted. */
  opposes: boolean
  /** Who is of it. The largest has everybody who is new or follows none. */
  raters: string[]
  /** The answers on which it differs most surely from the largest, most surely first. */
  dividing: string[]
}

export interface Weighed {
  standing(raterId: string): Standing
  readonly raters: ReadonlyMap<string, Standing>
  /** In the votes' order: what each weighs in its answer's crowd value, in [0, 1] … */
  readonly onAnswer: readonly number[]
  /** … and in the reward model's fit, at least 0. */
  readonly inFit: readonly number[]
  /** What each vote says, in [0, 1]: its value by {@link Weighed.scales}. The crowd's value and the fit use this. */
  readonly values: readonly number[]
  /**
   * What turns a vote's value, and each of its scores, into what trains: its author's slope and offset are taken
   * out, and where several tastes train, the rest is moved to what the answer is worth to them.
   */
  readonly scales: readonly Scale[]
  /** The largest first. */
  readonly tastes: readonly TasteReport[]
}

/** Its author chose what to rate, or when. */
export const isSelfMade = ({ origin, ownQuestion, late }: Pick<CastVote, 'origin' | 'ownQuestion' | 'late'>): boolean =>
  origin === null || ownQuestion || late

/**
 * Only answers that the session chose, judged before anybody could know what others think, say how reliable somebody
 * is.
 */
const isComparable = ({ origin, late }: CastVote): boolean => origin === 'rollout' && !late

/**
 * What a vote of another taste than the largest weighs under `majority`, at least, relative to its weight within its
 * own: it is heard, so it is paid, and moves nothing.
 */
export const HEARD = 0.05

/**
 * What every vote weighs and says: its author's standing, by the taste that the session trains; strangers capped on each
 * answer, the shares of a fit bounded, once old votes have faded. Only votes on what the session chose make others older.
 */
export function weigh(votes: readonly CastVote[], listening: Listening = {}): Weighed {
  const { tastes: mode = 'majority', acceptOpposition = false, halfLife } = listening
  const standings = standingsOf(votes.map(toRated), listening)
  const found = standings.votes.map((read, i): Heard => ({
    read,
    weight: weightOf(read, mode, acceptOpposition) / standings.most,
    scale: mode === 'majority' && read.taste !== 0 ? read.common : read.own,
    value: votes[i]!.value,
  }))
  const answers = bySample(votes)
  const onAnswer = capped(answers, found, standings)
  const scales = found.map(({ scale }) => scale)
  if (mode !== 'majority') {
    const shares = sharesOf(standings, acceptOpposition)
    for (const [sampleId, on] of answers) {
      const weights = byPeople(on, found, onAnswer, shares)
      on.forEach((i, k) => (onAnswer[i] = weights[k]!))
      const worth = worthOf(standings, sampleId, shares, mode)
      if (worth === null) continue
      for (const i of on) {
        const { scale } = scales[i]!
        scales[i] = { scale, shift: worth - scale * found[i]!.value }
      }
    }
  }
  const known = [...standings.raters.values()].filter((standing) => standing.known).length
  const ordinary = votes.map((vote, i) => (isSelfMade(vote) ? 0 : onAnswer[i]!))
  const left = halfLife === undefined ? votes.map(() => 1) : fading(ordinary, halfLife)
  const inFit = boundShares(
    votes.map((vote, i) => ({ raterId: vote.raterId, weight: onAnswer[i]! * left[i]!, selfMade: isSelfMade(vote) })),
    known,
  )
  const values = votes.map(({ value }, i) => rescaled(scales[i]!, value))
  const { of: standing, raters } = standings
  return { standing, raters, onAnswer, inFit, values, scales, tastes: reports(standings) }
}

const toRated = (vote: CastVote): RatedSample => ({
  raterId: vote.raterId,
  sampleId: vote.sampleId,
  value: vote.value,
  at: vote.at,
  source: vote.source,
  comparable: isComparable(vote),
})

/** ρ below which a vote weighs nothing, and so earns nothing: who doesn't look comes here within some thirty votes. */
export const LEAST_RELIABILITY = 0.15

interface Heard {
  read: ReadVote
  weight: number
  scale: Scale
  value: number
}

/** Before it is made relative to the room's most trusted. */
function weightOf(
  { trust, reliability, majority, taste, opposes }: ReadVote,
  mode: TasteMode,
  acceptOpposition: boolean,
): number {
  if ((opposes && !acceptOpposition) || reliability < LEAST_RELIABILITY) return 0
  const within = quality(reliability)
  if (mode !== 'majority' || taste === 0) return trust * within
  return trust * Math.min(within, Math.max(HEARD * within, quality(majority)))
}

function bySample(votes: readonly CastVote[]): Map<string, number[]> {
  const found = new Map<string, number[]>()
  votes.forEach(({ sampleId }, i) => {
    const on = found.get(sampleId)
    if (on) on.push(i)
    else found.set(sampleId, [i])
  })
  return found
}

function capped(answers: ReadonlyMap<string, number[]>, found: readonly Heard[], standings: Standings): number[] {
  const weights = new Array<number>(found.length).fill(0)
  for (const [sampleId, on] of answers) {
    const bounded = capStrangers(
      on.map((i) => ({ weight: Math.min(1, found[i]!.weight), known: found[i]!.read.known })),
      standings.established(sampleId),
    )
    on.forEach((i, k) => (weights[i] = bounded[k]!))
  }
  return weights
}

/** By taste: its share of the people who follow one that counts. */
function sharesOf({ tastes: { people, opposes } }: Standings, acceptOpposition: boolean): number[] {
  const counted = people.map((n, k) => (opposes[k]! && !acceptOpposition ? 0 : n))
  const all = sum(counted)
  return counted.map((n) => (all === 0 ? 0 : n / all))
}

/**
 * An answer's weights such that each taste that is there has its people's share of their sum, however many of it happen
 * to have voted (post-stratification). No vote weighs more than 1.
 */
function byPeople(
  on: readonly number[],
  found: readonly Heard[],
  weights: readonly number[],
  shares: readonly number[],
): number[] {
  const sums = shares.map(() => 0)
  for (const i of on) sums[found[i]!.read.taste]! += weights[i]!
  const all = sum(sums)
  const present = sum(shares.map((share, k) => (sums[k]! > 0 ? share : 0)))
  return on.map((i) => {
    const { taste } = found[i]!.read
    if (present === 0 || sums[taste] === 0) return weights[i]!
    return Math.min(1, (weights[i]! * all * shares[taste]!) / (present * sums[taste]!))
  })
}

/**
 * What an answer is worth where there are several tastes: `Σ share_k E t_k` to people on average, where a taste of which
 * nobody voted counts by its mean; to those of its tastes of which somebody did, `min E t_k` at worst. E t is what
 * the model makes of the votes (factor.ts), and is drawn to the taste's mean where they are few: the lower of two
 * noisy numbers would be too low. Null where its votes stand as they are: one taste counts, or nobody could be compared.
 */
function worthOf(
  { tastes: { tastes }, samples }: Standings,
  sampleId: string,
  shares: readonly number[],
  mode: TasteMode,
): number | null {
  const answer = samples.get(sampleId) ?? 0
  const counted = tastes.flatMap((taste, k) => {
    if (shares[k] === 0) return []
    const seen = taste.precision[answer]! * taste.spread > 1 + 1e-9
    return [{ share: shares[k]!, seen, value: clamp(taste.level + taste.worth[answer]!, 0, 1) }]
  })
  const present = counted.filter(({ seen }) => seen)
  if (counted.length < 2 || present.length === 0) return null
  if (mode === 'proportional') return sum(counted.map(({ share, value }) => share * value))
  return present.length < 2 ? null : minOf(present.map(({ value }) => value))
}

/** Most answers that a report names. */
const MOST_DIVIDING = 5

function reports({ tastes, raters, samples }: Standings): TasteReport[] {
  const [first] = tastes.tastes
  const all = sum(tastes.people)
  return tastes.tastes.map((taste, k) => {
    const ids = [...samples.keys()]
    const members = [...raters].flatMap(([id, standing]) => (standing.taste === k ? [id] : []))
    const difference = Array.from(taste.worth, (worth, j) => {
      const [mine, theirs] = [taste.precision[j]!, first!.precision[j]!]
      const seen = mine * taste.spread > 1 + 1e-9 && theirs * first!.spread > 1 + 1e-9
      const apart = taste.level + worth - first!.level - first!.worth[j]!
      return { j, z: seen ? Math.abs(apart) / Math.sqrt(1 / mine + 1 / theirs) : 0 }
    })
    return {
      share: all === 0 ? (k === 0 ? 1 : 0) : tastes.people[k]! / all,
      correlation: tastes.alike[k]!,
      opposes: tastes.opposes[k]!,
      raters: members,
      dividing:
        k === 0
          ? []
          : difference
              .filter(({ z }) => z > 0)
              .sort((a, b) => b.z - a.z)
              .slice(0, MOST_DIVIDING)
              .map(({ j }) => ids[j]!),
    }
  })
}
