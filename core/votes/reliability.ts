/** Whom a room listens to: every rater's standing, from the room's votes and what is known besides. Pure. */
import { maxOf } from '../statistics.ts'
import { ballotsOf, comparisonsOf, isKnown, type Ballots, type Comparisons, type RatedSample } from './comparisons.ts'
import { capStrangers } from './crowd.ts'
import { clamp, quality, slopeTaken, smoothed, type Bound, type Cells, type Taste, type Unit } from './factor.ts'
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

export const IDENTITY: Scale = { scale: 1, shift: 0 }
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
  /** The answers by the tastes' indices. */
  readonly samples: readonly string[]
  /** What the most trusted weighs before weights are made relative; 1 where nobody has earned anything. */
  readonly most: number
}

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
  const people = joined(marks, known)
  const trust = trustOf(room, compared, people)
  const make = (unitOf: Int32Array): Pick<Read, 'cells' | 'units' | 'sharing'> & { bound: Bound } => {
    const { cells, sharing } = cellsOf(ballots, compared, unitOf)
    const units = unitsOf({ ballots, unitOf, trust, known, priors: room.priors })
    return { cells, sharing, units, bound: boundOf(cells, units, compared.established) }
  }
  const whole = Int32Array.from(ballots.raterOf, (rater) => people[rater]!)
  const first = make(whole)
  const common = commonTaste(first.cells, first.units, gold, first.bound)
  const unitOf = stretches(ballots, whole, first.cells, common)
  const { cells, sharing, units, bound } = make(unitOf)
  const tastes = tastesOf(cells, units, gold, bound)
  const reliability = Float64Array.from(room.priors, ({ value }) => value)
  // The latest vote's is the rater's.
  unitOf.forEach((unit, vote) => {
    reliability[ballots.raterOf[vote]!] = tastes.tastes[tastes.tasteOf[unit]!]!.reliability[unit]!
  })
  return { compared, cells, units, tastes, unitOf, sharing, reliability, known }
}

/** t by rater, relative to the most trusted; those who count as one earn it together. */
function trustOf({ brought }: Room, { counts }: Comparisons, people: Int32Array): Float64Array {
  const earned = new Float64Array(counts.length)
  people.forEach((one, rater) => (earned[one]! += counts[rater]! + brought[rater]!))
  const trust = Float64Array.from(people, (one) => earned[one]! / (earned[one]! + HALF_TRUST))
  const most = maxOf([...trust], 0)
  return trust.map((t) => (most === 0 ? 1 : t / most))
}

/** Comparable votes as cells: one for each unit and answer. */
function cellsOf(
  { votes, on, samples }: Ballots,
  { weights }: Comparisons,
  unitOf: Int32Array,
): { cells: Cells; sharing: Float64Array } {
  const rows: { unit: number; answer: number; votes: number[] }[] = []
  const sharing = new Float64Array(votes.length).fill(1)
  for (const [answer, indices] of on.entries()) {
    const cell = new Map<number, number[]>()
    for (const index of indices) {
      const shared = cell.get(unitOf[index]!)
      if (shared) shared.push(index)
      else cell.set(unitOf[index]!, [index])
    }
    for (const [unit, shared] of cell) {
      rows.push({ unit, answer, votes: shared })
      for (const index of shared) sharing[index] = shared.length
    }
  }
  const average = (indices: readonly number[], of: (index: number) => number): number =>
    indices.reduce((sum, index) => sum + of(index), 0) / indices.length
  const cells = {
    units: maxOf([...unitOf], -1) + 1,
    answers: samples.size,
    unit: Int32Array.from(rows, (row) => row.unit),
    answer: Int32Array.from(rows, (row) => row.answer),
    value: Float64Array.from(rows, (row) => average(row.votes, (index) => votes[index]!.value)),
    compared: Float64Array.from(rows, (row) => average(row.votes, (index) => weights[index]!)),
  }
  return { cells, sharing }
}

function unitsOf({
  ballots: { raterOf },
  unitOf,
  trust,
  known,
  priors,
}: {
  ballots: Ballots
  unitOf: Int32Array
  trust: Float64Array
  known: Uint8Array
  priors: readonly ReliabilityPrior[]
}): Unit[] {
  const votesOf = new Float64Array(priors.length)
  raterOf.forEach((rater) => votesOf[rater]!++)
  const found: Unit[] = Array.from({ length: maxOf([...unitOf], -1) + 1 }, () => ({
    ...{ trust: 0, known: false, people: 0, prior: RELIABILITY_PRIOR },
  }))
  unitOf.forEach((unit, vote) => {
    const rater = raterOf[vote]!
    const { people } = found[unit]!
    found[unit] = {
      trust: trust[rater]!,
      known: known[rater] === 1,
      people: Math.min(1, people + 1 / votesOf[rater]!),
      prior: priors[rater]!,
    }
  })
  return found
}

/** Cuts strangers' weights on each answer, as its crowd value does. */
function boundOf({ unit }: Cells, units: readonly Unit[], established: Uint8Array): Bound {
  return (weights, on, answer) => {
    const capped = capStrangers(
      Array.from(on, (cell) => ({ weight: weights[cell]!, known: units[unit[cell]!]!.known })),
      established[answer] === 1,
    )
    on.forEach((cell, k) => (weights[cell] = capped[k]!))
  }
}

/** By vote: its author's number, or that of the stretch of their votes that it is in; numbers without gaps. */
function stretches({ sampleOf }: Ballots, unitOf: Int32Array, cells: Cells, { others, informed, level }: Taste): Int32Array {
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
  const { compared, units, tastes, unitOf, sharing, known } = pass
  const first = tastes.tastes[0]!
  const votes = Array.from(unitOf, (unit, vote): ReadVote => {
    const taste = tastes.tasteOf[unit]!
    const own = tastes.tastes[taste]!
    return {
      ...{ unit, taste, known: known[ballots.raterOf[vote]!] === 1 },
      opposes: tastes.opposes[taste]! || (taste === 0 && own.reliability[unit]! === 0 && own.agreement[unit]! < 0),
      trust: units[unit]!.trust / sharing[vote]!,
      reliability: own.reliability[unit]!,
      majority: first.reliability[unit]!,
      own: scaleOf(own, unit),
      common: scaleOf(first, unit),
    }
  })
  const most = maxOf(
    votes.map(({ trust, reliability }, vote) => trust * sharing[vote]! * quality(reliability)),
    0,
  )
  const raters = new Map<string, Standing>()
  votes.forEach((vote, index) => {
    const rater = ballots.raterOf[index]!
    raters.set(ballots.raters[rater]!, {
      reliability: vote.reliability,
      comparable: compared.counts[rater]!,
      weight: most === 0 ? 0 : (vote.trust * sharing[index]! * quality(vote.reliability)) / most,
      ...{ known: vote.known, taste: vote.taste, opposes: vote.opposes },
    })
  })
  const stranger = { reliability: prior.value, comparable: 0, weight: 0, known: false, taste: 0, opposes: false }
  return {
    of: (raterId) => raters.get(raterId) ?? stranger,
    raters,
    established(sampleId) {
      const sample = ballots.samples.get(sampleId)
      return sample !== undefined && compared.established[sample] === 1
    },
    ...{ votes, tastes, most: most === 0 ? 1 : most, samples: [...ballots.samples.keys()] },
  }
}
