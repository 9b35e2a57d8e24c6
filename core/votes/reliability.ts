/** Whom a room listens to: every rater's standing, from the room's votes and what is known besides. Pure. */
import { maxOf } from '../statistics.ts'
import {
  ballotsOf,
  comparisonsOf,
  isKnown,
  KNOWN_VOTES,
  type Ballots,
  type Comparisons,
  type RatedSample,
} from './comparisons.ts'
import { clamp, quality, slopeTaken, smoothed, type Bounds, type Cells, type Taste, type Unit } from './factor.ts'
import { unit as fraction, weight as nonNegative } from './range.ts'
import { joined, marksOf } from './sources.ts'
import { changesOf } from './stretches.ts'
import { commonTaste, tastesOf, type Tastes } from './tastes.ts'

export interface ReliabilityPrior {
  /** Reliability of a rater without any data, in [0, 1]. */
  value: number
  /** The weight of the prior, in comparable votes. */
  votes: number
}

export const RELIABILITY_PRIOR: ReliabilityPrior = { value: 0.6, votes: 8 }

/** Comparable votes at which a rater's votes have half their maximum trust. */
export const HALF_TRUST = 8

/** What a rater has earned in other sessions here. */
export interface History {
  /** Comparable votes there, at least 0, and the reliability, in [0, 1]. */
  votes: number
  reliability: number
}

/** A vote elsewhere is worth this much here … */
export const HISTORY_WORTH = 1 / 2
/** … and all of them at most this many, so that a room's own votes soon say more. */
export const HISTORY_MOST = 24

/** What is known besides the votes. */
export interface Knowledge {
  readonly prior?: ReliabilityPrior
  /** By rater. */
  readonly histories?: ReadonlyMap<string, History>
  /** By answer: a value in [0, 1] that the researcher has set. It anchors the scale, which no crowd can then turn. */
  readonly gold?: ReadonlyMap<string, number>
}

/** A rater's standing in a room: by what they did last, where they have changed. */
export interface Standing {
  /** ρ in [0, 1], within their own taste. */
  reliability: number
  /** n: the number of the rater's comparable votes. */
  comparable: number
  /** In [0, 1]: t · quality(ρ), relative to the room's most trusted. */
  weight: number
  known: boolean
  /** The index of their taste; 0, the largest, for who is new or follows none. */
  taste: number
  /** Their taste only opposes the largest. */
  opposes: boolean
}

/** A vote as it is read. */
export interface ReadVote {
  /** The author's stretch or the accounts that count as one; an index that votes share. */
  unit: number
  taste: number
  opposes: boolean
  known: boolean
  /** t relative to the room's most trusted, in [0, 1]; shared by the votes that one source gives one answer. */
  trust: number
  /** ρ within its author's taste, and within the largest. */
  reliability: number
  majority: number
  /** What takes slope and offset out: within its author's taste, and within the largest. */
  own: Scale
  common: Scale
}

/** `x ↦ clamp01(scale · x + shift)`. */
export interface Scale {
  scale: number
  shift: number
}

export const rescaled = ({ scale, shift }: Scale, x: number): number => clamp(scale * x + shift, 0, 1)

export interface Standings {
  of(raterId: string): Standing
  /** Everybody who has voted. */
  readonly raters: ReadonlyMap<string, Standing>
  /** Whether an answer was voted on in a room that had known raters. */
  established(sampleId: string): boolean
  /** In the votes' order. */
  readonly votes: readonly ReadVote[]
  readonly tastes: Tastes
  /** Indices of answers in the tastes. */
  readonly samples: ReadonlyMap<string, number>
  /** What the most trusted weighs before weights are made relative; 1 where nobody has earned anything. */
  readonly most: number
}

/** What one person has at stake when tastes are sized up, at most, votes. */
const MOST_STAKE = 100
/** The first votes, with which somebody becomes known, count for this much of the others in it. */
const FIRST_VOTES = 0.01

/**
 * What somebody has at stake: their votes beyond those with which one becomes known. So accounts that are made for a few
 * votes each size up to nothing, however many.
 */
const stakeOf = (votes: number): number =>
  Math.min(MOST_STAKE, Math.max(0, votes - KNOWN_VOTES) + FIRST_VOTES * Math.min(votes, KNOWN_VOTES))

/** Passes: who is known depends on reliabilities, and those on who is known. */
const PASSES = 2

/**
 * The standing of every rater, from a room's votes, oldest first:
 *
 *     w_i = t_i quality(ρ_i) / max_j t_j quality(ρ_j),   t = n / (n + 8)
 *
 * n_i is the number of i's comparable votes (comparisons.ts) and half of those in other sessions, so that
 * standing is earned: a stranger's first vote weighs a ninth of what it will, an account that only ever rates texts of
 * its own making weighs nothing. ρ_i is the correlation of i's votes with their own taste (factor.ts, tastes.ts), quality
 * what a vote of that reliability says. Weights are relative to the room's most trusted, so that a room of
 * strangers, and a lone rater, with whom nobody can be compared (t = 0 for all), learn at full speed. Strangers from one
 * source are one rater (sources.ts). A rater who changes is judged by stretches (stretches.ts).
 *
 * Worked example: 40 comparable votes of ρ 0.9 beside a first vote whose ρ is still 0.6. t is 40/48 and 1/9, quality 1
 * and 0.32, so the weights are 1 and 0.32 · (1/9) / (40/48) = 0.042.
 *
 * Everything follows from the votes, their order and times, and `knowledge`: not from steps, nor from ids.
 *
 * @throws OutOfRange for a value, a prior, a history or a known value outside its range.
 */
export function standingsOf(votes: readonly RatedSample[], knowledge: Knowledge = {}): Standings {
  const { prior = RELIABILITY_PRIOR, histories, gold } = knowledge
  fraction('prior', prior.value)
  nonNegative('prior votes', prior.votes)
  for (const vote of votes) fraction('value', vote.value)
  const ballots = ballotsOf(votes)
  const brought = ballots.raters.map((id) => broughtBy(histories?.get(id), prior))
  const room: Room = {
    ballots,
    priors: brought.map((b) => b.prior),
    brought: Float64Array.from(brought, (b) => b.votes),
    gold: goldOf(ballots, gold),
  }
  let pass = read(room, {
    first: true,
    reliability: Float64Array.from(room.priors, ({ value }) => value),
    known: Uint8Array.from(room.priors, ({ value }, i) => (isKnown(room.brought[i]!, value) ? 1 : 0)),
  })
  for (let more = 1; more < PASSES; more++) pass = read(room, pass)
  return standings(room, pass, prior)
}

/** ρ of every rater, see {@link standingsOf}. */
export const reliabilities = (votes: readonly RatedSample[], knowledge: Knowledge = {}): Map<string, number> =>
  new Map([...standingsOf(votes, knowledge).raters].map(([id, { reliability }]) => [id, reliability]))

/** What a history is worth here: comparable votes, and a prior that has moved towards it. */
function broughtBy(history: History | undefined, prior: ReliabilityPrior): { votes: number; prior: ReliabilityPrior } {
  if (history === undefined) return { votes: 0, prior }
  const votes = Math.min(HISTORY_MOST, HISTORY_WORTH * nonNegative('votes of the history', history.votes))
  const value = smoothed(fraction('reliability of the history', history.reliability), votes, prior)
  return { votes, prior: { value, votes: prior.votes + votes } }
}

function goldOf({ samples }: Ballots, gold: Knowledge['gold']): Float64Array | null {
  const known = Float64Array.from(samples.keys(), (id) => {
    const value = gold?.get(id)
    return value === undefined ? Number.NaN : fraction('known value', value)
  })
  return known.every((value) => Number.isNaN(value)) ? null : known
}

interface Room {
  ballots: Ballots
  /** By rater. */
  priors: readonly ReliabilityPrior[]
  brought: Float64Array
  /** By sample: its value if known, else NaN; null if none is. */
  gold: Float64Array | null
}

/** By rater, after a pass. */
interface Pass {
  /** None was before it. */
  first: boolean
  reliability: Float64Array
  known: Uint8Array
}

interface Read extends Pass {
  compared: Comparisons
  cells: Cells
  units: readonly Unit[]
  tastes: Tastes
  /** By vote. */
  unitOf: Int32Array
  /** By vote: how many votes share its cell; 1 for one that is in none. */
  sharing: Float64Array
}

function read(room: Room, before: Pass): Read {
  const { ballots, brought, gold } = room
  const goldHere = Uint8Array.from({ length: ballots.samples.size }, (_, j) =>
    gold !== null && !Number.isNaN(gold[j]!) ? 1 : 0,
  )
  const marks = marksOf(ballots.sources, before.known)
  const compared = comparisonsOf(ballots, { reliability: before.reliability, brought }, goldHere, marks)
  const known = Uint8Array.from(ballots.raters, (_, i) =>
    isKnown(compared.counts[i]! + brought[i]!, before.reliability[i]!) ? 1 : 0,
  )
  const earned = compared.counts.map((n, i) => n + brought[i]!)
  // Before anything is known of reliabilities, nobody of a source that is a mark stands for themself.
  const people = joined(marks, before.first ? new Uint8Array(known.length) : known)
  const trust = trustOf(earned, people)
  const make = (unitOf: Int32Array): Pick<Read, 'cells' | 'units' | 'sharing'> & { bounds: Bounds } => {
    const { cells, sharing } = cellsOf(ballots, compared, unitOf)
    const units = unitsOf({ ballots, unitOf, trust, known, earned, priors: room.priors })
    return {
      ...{ cells, sharing, units },
      bounds: {
        known: Uint8Array.from(cells.unit, (i) => (units[i]!.known ? 1 : 0)),
        established: compared.established,
      },
    }
  }
  const whole = Int32Array.from(ballots.raterOf, (rater) => people[rater]!)
  const first = make(whole)
  const common = commonTaste(first.cells, first.units, gold, first.bounds)
  const cut = stretches(ballots, whole, first.cells, common)
  // Where nobody has changed, what is known already stands.
  const changed = maxOf([...cut], -1) >= new Set(whole).size
  const unitOf = changed ? cut : whole
  const { cells, sharing, units, bounds } = changed ? make(unitOf) : first
  const tastes = tastesOf(cells, units, gold, bounds, changed ? undefined : common)
  const reliability = Float64Array.from(room.priors, ({ value }) => value)
  // The latest vote's is the rater's.
  unitOf.forEach((unit, vote) => {
    reliability[ballots.raterOf[vote]!] = tastes.tastes[tastes.tasteOf[unit]!]!.reliability[unit]!
  })
  return { compared, cells, units, tastes, unitOf, sharing, reliability, known, first: false }
}

/** t by rater, relative to the most trusted; those who count as one earn it together. */
function trustOf(earned: Float64Array, people: Int32Array): Float64Array {
  const together = new Float64Array(earned.length)
  people.forEach((one, rater) => (together[one]! += earned[rater]!))
  const trust = Float64Array.from(people, (one) => together[one]! / (together[one]! + HALF_TRUST))
  const most = maxOf([...trust], 0)
  return trust.map((t) => (most === 0 ? 1 : t / most))
}

/** Comparable votes as cells: one for each unit and answer. */
function cellsOf(
  { votes, on, samples }: Ballots,
  { weights }: Comparisons,
  unitOf: Int32Array,
): { cells: Cells; sharing: Float64Array } {
  const comparable = on.reduce((sum, indices) => sum + indices.length, 0)
  const [unit, answer] = [new Int32Array(comparable), new Int32Array(comparable)]
  const [value, compared] = [new Float64Array(comparable), new Float64Array(comparable)]
  const shared = new Float64Array(comparable)
  const units = maxOf([...unitOf], -1) + 1
  /** By unit: its cell on the answer at hand, if that is not before the answer's first. */
  const latest = new Int32Array(units).fill(-1)
  const cellOf = new Int32Array(votes.length).fill(-1)
  let size = 0
  on.forEach((indices, j) => {
    const from = size
    for (const index of indices) {
      const i = unitOf[index]!
      const cell = latest[i]! >= from ? latest[i]! : size++
      latest[i] = cellOf[index] = cell
      unit[cell] = i
      answer[cell] = j
      value[cell]! += votes[index]!.value
      compared[cell]! += weights[index]!
      shared[cell]!++
    }
  })
  for (let cell = 0; cell < size; cell++) {
    value[cell]! /= shared[cell]!
    compared[cell]! /= shared[cell]!
  }
  return {
    cells: {
      ...{ units, answers: samples.size, unit: unit.slice(0, size), answer: answer.slice(0, size) },
      ...{ value: value.slice(0, size), compared: compared.slice(0, size) },
    },
    sharing: Float64Array.from(cellOf, (cell) => (cell === -1 ? 1 : shared[cell]!)),
  }
}

function unitsOf({
  ballots: { raterOf },
  unitOf,
  trust,
  known,
  earned,
  priors,
}: {
  ballots: Ballots
  unitOf: Int32Array
  trust: Float64Array
  known: Uint8Array
  earned: Float64Array
  priors: readonly ReliabilityPrior[]
}): Unit[] {
  const count = maxOf([...unitOf], -1) + 1
  const votesOf = new Float64Array(priors.length)
  for (const rater of raterOf) votesOf[rater]!++
  const stake = new Float64Array(count)
  const raterIn = new Int32Array(count).fill(-1)
  for (let vote = 0; vote < unitOf.length; vote++) {
    const [unit, rater] = [unitOf[vote]!, raterOf[vote]!]
    raterIn[unit] = rater
    stake[unit]! += stakeOf(known[rater] === 1 ? votesOf[rater]! : earned[rater]!) / votesOf[rater]!
  }
  return Array.from(raterIn, (rater, unit): Unit =>
    rater === -1
      ? { trust: 0, known: false, stake: 0, prior: RELIABILITY_PRIOR }
      : {
          trust: trust[rater]!,
          known: known[rater] === 1,
          stake: Math.min(MOST_STAKE, stake[unit]!),
          prior: priors[rater]!,
        },
  )
}

/** By vote: its author's number, or that of the stretch of their votes that it is in; numbers without gaps. */
function stretches(
  { sampleOf }: Ballots,
  unitOf: Int32Array,
  cells: Cells,
  { others, informed, level }: Taste,
): Int32Array {
  const series = Array.from({ length: cells.units }, (): { cell: number; sample: number }[] => [])
  cells.unit.forEach((unit, cell) => series[unit]!.push({ cell, sample: cells.answer[cell]! }))
  const votesOf = Array.from({ length: cells.units }, (): number[] => [])
  unitOf.forEach((unit, vote) => votesOf[unit]!.push(vote))
  const out = Int32Array.from(unitOf)
  let next = 0
  votesOf.forEach((votes, unit) => {
    const cellAt = new Map(series[unit]!.map(({ cell, sample }) => [sample, cell]))
    // The votes that are compared, each answer once, in their order.
    const order = votes.flatMap((vote) => {
      const cell = cellAt.get(sampleOf[vote]!)
      if (cell === undefined) return []
      cellAt.delete(sampleOf[vote]!)
      return [{ vote, cell }]
    })
    const cuts = changesOf(
      order.map(({ cell }) => others[cell]!),
      order.map(({ cell }) => cells.value[cell]! - level),
      order.map(({ cell }) => informed[cell]!),
    ).map((at) => order[at]!.vote)
    for (const vote of votes) out[vote] = next + cuts.filter((cut) => cut <= vote).length
    next += votes.length === 0 ? 0 : cuts.length + 1
  })
  return out
}

const scaleOf = ({ level, slope, offset }: Taste, unit: number): Scale => {
  const scale = 1 / slopeTaken(slope[unit]!)
  return { scale, shift: level - scale * (level + offset[unit]!) }
}

function standings({ ballots }: Room, pass: Read, prior: ReliabilityPrior): Standings {
  const { compared, units, tastes, unitOf, sharing } = pass
  const first = tastes.tastes[0]!
  const reads = units.map((of, unit): ReadVote => {
    const taste = tastes.tasteOf[unit]!
    const own = tastes.tastes[taste]!
    return {
      unit,
      taste,
      opposes: tastes.opposes[taste]! || (taste === 0 && own.reliability[unit]! === 0 && own.agreement[unit]! < 0),
      known: of.known,
      trust: of.trust,
      reliability: own.reliability[unit]!,
      majority: first.reliability[unit]!,
      own: scaleOf(own, unit),
      common: scaleOf(first, unit),
    }
  })
  const present = new Set(unitOf)
  const most = maxOf(
    reads.map(({ unit, trust, reliability }) => (present.has(unit) ? trust * quality(reliability) : 0)),
    0,
  )
  const latest = new Map<number, number>()
  ballots.raterOf.forEach((rater, vote) => latest.set(rater, unitOf[vote]!))
  const raters = new Map<string, Standing>()
  for (const [rater, unit] of latest) {
    const { reliability, trust, known, taste, opposes } = reads[unit]!
    const weight = most === 0 ? 0 : (trust * quality(reliability)) / most
    raters.set(ballots.raters[rater]!, {
      ...{ reliability, comparable: compared.counts[rater]!, weight, known, taste, opposes },
    })
  }
  const votes = Array.from(unitOf, (unit, vote) => {
    const readVote = reads[unit]!
    const several = sharing[vote]!
    return several === 1 ? readVote : { ...readVote, trust: readVote.trust / several }
  })
  const stranger = { reliability: prior.value, comparable: 0, weight: 0, known: false, taste: 0, opposes: false }
  return {
    of: (raterId) => raters.get(raterId) ?? stranger,
    raters,
    established(sampleId) {
      const sample = ballots.samples.get(sampleId)
      return sample !== undefined && compared.established[sample] === 1
    },
    ...{ votes, tastes, most: most === 0 ? 1 : most, samples: ballots.samples },
  }
}
