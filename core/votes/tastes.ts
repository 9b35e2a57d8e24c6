/** A room's tastes: a small mixture of factor models (factor.ts), found from votes alone. Pure. */
import { leadingDirection, MEMBER, type Direction } from './alike.ts'
import { cellsByAnswer, clamp, fitTaste, smoothed, type Bounds, type Cells, type Taste, type Unit } from './factor.ts'

/** A run has at most this many tastes, and one more that opposes the largest. */
export const MOST_TASTES = 3
/** A taste is shared by at least this many people … */
export const TASTE_PEOPLE = 3
/** … whose pairs agree by this many standard deviations of chance. */
const TASTE_EVIDENCE = 4.5
/** Who follows a taste at least this well, by evidence alone, is of it; who does by less may have another. */
const FOLLOWS = 0.3
const CONTENT = 0.45
/** Comparisons from which on it may be doubted that somebody is of the largest taste. */
const LEAST_COMPARED = 6
/** A taste that goes with the largest at this or below only opposes it. */
export const OPPOSES = -0.4
/** A taste that goes with the largest above this is the same. */
const SAME = 0.8
/** What parts people within a taste is believed from this on, in standard deviations of chance. */
const DIVIDED_EVIDENCE = 6
/** What no evidence weighs when a unit's taste is decided, in comparisons. */
const DOUBT = 8
/** Times that everybody may change to the taste that they follow best. */
const REFINEMENTS = 2

export interface Tastes {
  /** The largest first. */
  readonly tastes: readonly Taste[]
  /** By unit: the index of its taste; who follows none, and who is new, is of the first. */
  readonly tasteOf: Int32Array
  /** By taste: the stakes of its members, their correlation with the first in [-1, 1], and whether they only oppose it. */
  readonly people: readonly number[]
  readonly alike: readonly number[]
  readonly opposes: readonly boolean[]
}

interface Room {
  cells: Cells
  byAnswer: readonly Int32Array[]
  units: readonly Unit[]
  gold: Float64Array | null
  bounds: Bounds
}

/**
 * The tastes of a room:
 *
 * 1. The first is fitted to everybody, beginning with those on the larger side of how the room differs most
 *    (alike.ts); where values are known (gold), with those who agree with them.
 * 2. Among those who don't follow it, further ones are looked for in the same way, one after the other. A taste needs
 *    three people whose pairs agree by four deviations of chance.
 * 3. Everybody goes to the taste that they follow best, and all are fitted again.
 *
 * The one with most people comes first, unless gold says which: no number of people outweighs it. People count by what
 * they have at stake (reliability.ts).
 * Votes can't tell an enemy from an honest opposite, so a taste that only opposes the first is named.
 *
 * @param fitted the {@link commonTaste} of the same room, if it is known
 */
export function tastesOf(
  cells: Cells,
  units: readonly Unit[],
  gold: Float64Array | null,
  bounds: Bounds,
  fitted?: Taste,
): Tastes {
  const room: Room = { cells, byAnswer: cellsByAnswer(cells), units, gold, bounds }
  let found = firstTastes(room, fitted ?? common(room))
  // One taste alone is fitted already.
  for (let round = 0; round < REFINEMENTS && found.fits.length > 1; round++)
    found = refitted(room, largestFirst(room, best(room, found)))
  return summary(room, found)
}

/** How well a unit follows a taste by evidence alone, in [-1, 1]. */
const follows = ({ agreement, evidence }: Taste, i: number): number =>
  (evidence[i]! * agreement[i]!) / (evidence[i]! + DOUBT)

/** Tastes so far, and by unit the index of its own. */
interface Found {
  fits: readonly Taste[]
  of: Int32Array
}

/** The taste of everybody together: what {@link tastesOf} begins with. */
export function commonTaste(cells: Cells, units: readonly Unit[], gold: Float64Array | null, bounds: Bounds): Taste {
  return common({ cells, byAnswer: cellsByAnswer(cells), units, gold, bounds })
}

function common(room: Room): Taste {
  const { cells, byAnswer, units } = room
  const all = new Uint8Array(units.length).fill(1)
  return fitGroup(room, all, startOf(room, leadingDirection(cells, byAnswer, units, all)), true)
}

function firstTastes(room: Room, common: Taste): Found {
  const { cells, byAnswer, units } = room
  const { fits, of } = divided(room, common)
  const first = fits[0]!
  const free = Uint8Array.from(units, (_, i) =>
    of[i] === 0 && first.evidence[i]! >= LEAST_COMPARED && follows(first, i) < CONTENT ? 1 : 0,
  )
  let independent = fits.length
  for (let search = 0; search <= MOST_TASTES; search++) {
    const direction = leadingDirection(cells, byAnswer, units, free)
    const side = Uint8Array.from(direction.side, (x, i) => (free[i] === 1 && x >= MEMBER ? 1 : 0))
    if (count(side) < TASTE_PEOPLE || direction.z < TASTE_EVIDENCE) break
    const fit = fitGroup(room, side, startOf(room, direction), false)
    const joins = Uint8Array.from(units, (_, i) =>
      free[i] === 1 && follows(fit, i) >= FOLLOWS && follows(fit, i) > follows(first, i) ? 1 : 0,
    )
    for (let i = 0; i < units.length; i++) if (side[i] === 1 || joins[i] === 1) free[i] = 0
    if (count(joins) < TASTE_PEOPLE) continue
    if (relation(fit, first, joins) > OPPOSES) independent++
    if (independent > MOST_TASTES) break
    joins.forEach((joined, i) => joined === 1 && (of[i] = fits.length))
    fits.push(fit)
  }
  return { fits, of }
}

/**
 * A common taste, divided in two where people's votes part from it together: a large group that agrees with the others on most
 * answers and not on some follows a mixture of both well enough. What divides them is in what the common taste leaves
 * unexplained.
 */
function divided(room: Room, common: Taste): { fits: Taste[]; of: Int32Array } {
  const { cells, byAnswer, units, gold } = room
  const whole = { fits: [common], of: new Int32Array(units.length) }
  if (gold !== null) return whole
  const left = cells.value.map((value, cell) => {
    const i = cells.unit[cell]!
    return value - common.level - common.offset[i]! - common.slope[i]! * common.others[cell]!
  })
  const among = Uint8Array.from(common.evidence, (k) => (k >= LEAST_COMPARED ? 1 : 0))
  const { side, z } = leadingDirection({ ...cells, value: left }, byAnswer, units, among)
  const [those, others] = [1, -1].map((sign) => Uint8Array.from(side, (x) => (sign * x >= MEMBER ? 1 : 0)))
  if (z < DIVIDED_EVIDENCE || count(those!) < TASTE_PEOPLE || count(others!) < TASTE_PEOPLE) return whole
  const rest = others!.map((other) => 1 - other)
  const fits = [rest, others!].map((group, k) => fitGroup(room, group, common.reliability, k === 0))
  if (relation(fits[1]!, fits[0]!, others!) > SAME) return whole
  return { fits, of: Int32Array.from(others!) }
}

const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0)

/** Comparisons that a start counts for, at most. */
const MOST_START = 40
/** What an answer of known value counts for in it, in comparisons. */
const GOLD_START = 4

/** Reliabilities to begin with, as far as known values, or else the pairs' evidence, go. */
function startOf({ units, gold, cells }: Room, { side, evidence }: Direction): Float64Array {
  const known = gold === null ? null : agreementWithGold(cells, gold)
  return Float64Array.from(units, ({ prior }, i) =>
    known === null
      ? smoothed(side[i]!, Math.min(MOST_START, evidence[i]!), prior)
      : smoothed(known.agreement[i]!, GOLD_START * known.evidence[i]!, { ...prior, value: prior.value / 2 }),
  )
}

/** By unit: how its votes go with known values, about the middle of the scale, and how many those are. */
function agreementWithGold({ units, unit, answer, value }: Cells, gold: Float64Array) {
  const [xy, xx, yy] = [new Float64Array(units), new Float64Array(units), new Float64Array(units)]
  const evidence = new Float64Array(units)
  unit.forEach((i, cell) => {
    const known = gold[answer[cell]!]!
    if (Number.isNaN(known)) return
    evidence[i]!++
    xy[i]! += (known - 0.5) * (value[cell]! - 0.5)
    xx[i]! += (known - 0.5) ** 2
    yy[i]! += (value[cell]! - 0.5) ** 2
  })
  const agreement = xy.map((sum, i) => clamp(sum / Math.sqrt(Math.max(1e-9, xx[i]! * yy[i]!)), -1, 1))
  return { agreement, evidence }
}

/** @param anchored whether known values are this taste's */
function fitGroup(room: Room, group: Uint8Array, start: Float64Array, anchored: boolean): Taste {
  const { cells, byAnswer, units, gold, bounds } = room
  const shares = Float64Array.from(group)
  return fitTaste(cells, units, { shares, start, gold: anchored ? gold : null, bounds }, byAnswer)
}

const refitted = (room: Room, { fits, of }: Found): Found => ({
  fits: fits.map((fit, k) =>
    fitGroup(
      room,
      Uint8Array.from(of, (taste) => (taste === k ? 1 : 0)),
      fit.reliability,
      k === 0,
    ),
  ),
  of,
})

/** What staying is worth: who is of a taste goes to another if that is clearly better. */
const LOYALTY = 0.05

/** Everybody in the taste that they follow best; the first for who follows none. Tastes of too few people end. */
function best({ units }: Room, { fits, of: before }: Found): Found {
  const of = Int32Array.from(units, (_, i) => {
    let [found, most] = [0, Math.max(FOLLOWS, follows(fits[0]!, i))]
    for (let k = 1; k < fits.length; k++) {
      const value = follows(fits[k]!, i) + (before[i] === k ? LOYALTY : 0)
      if (value > most) [found, most] = [k, value]
    }
    return found
  })
  const kept = fits.map((_, k) => k).filter((k) => k === 0 || count(membersOf(of, k)) >= TASTE_PEOPLE)
  return { fits: kept.map((k) => fits[k]!), of: of.map((k) => Math.max(0, kept.indexOf(k))) }
}

const membersOf = (of: Int32Array, taste: number): Uint8Array => Uint8Array.from(of, (k) => (k === taste ? 1 : 0))

/** The stakes of those who follow a taste. */
const peopleOf = (units: readonly Unit[], { fits, of }: Found, taste: number): number =>
  units.reduce((sum, { stake }, i) => sum + (of[i] === taste && follows(fits[taste]!, i) >= FOLLOWS ? stake : 0), 0)

/** With the largest taste first, unless gold says which that is; who follows none goes with the first. */
function largestFirst({ units, gold }: Room, found: Found): Found {
  const { fits, of } = found
  if (gold !== null || fits.length === 1) return found
  const people = fits.map((_, k) => peopleOf(units, found, k))
  const order = fits.map((_, k) => k).sort((a, b) => people[b]! - people[a]! || a - b)
  const place = order.map((_, k) => order.indexOf(k))
  return {
    fits: order.map((k) => fits[k]!),
    of: of.map((k, i) => (k === 0 && follows(fits[0]!, i) < FOLLOWS ? 0 : place[k]!)),
  }
}

/** How a taste's members go with the first taste, relative to how they go with their own; a correlation in [-1, 1]. */
function relation(own: Taste, first: Taste, members: Uint8Array): number {
  let [across, within] = [0, 0]
  members.forEach((member, i) => {
    if (member === 0) return
    across += first.evidence[i]! * first.agreement[i]!
    within += first.evidence[i]! * Math.max(0, own.agreement[i]!)
  })
  return within < 1e-9 ? 0 : clamp(across / within, -1, 1)
}

function summary({ units }: Room, found: Found): Tastes {
  const { fits, of } = found
  const alike = fits.map((fit, k) => (k === 0 ? 1 : relation(fit, fits[0]!, membersOf(of, k))))
  return {
    ...{ tastes: fits, tasteOf: of, alike },
    people: fits.map((_, k) => peopleOf(units, found, k)),
    opposes: alike.map((r, k) => k > 0 && r <= OPPOSES),
  }
}
