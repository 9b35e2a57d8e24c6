/**
 * One taste, by a factor model of votes with one factor: rater i gives answer j
 *
 *     v_ij = m + a_i (t_j - m) + b_i + ε_ij,   t_j ~ N(m, τ²),   ε_ij ~ N(0, σ²)
 *
 * t_j is what the answer is worth by this taste, a_i the rater's slope (1: uses the scale as the others do; below 0:
 * the opposite), b_i their offset (leniency). Pure; the numbers of raters and answers come in as indices.
 */
import { strangersMost } from './crowd.ts'

/** Votes as a sparse table. What several accounts that count as one gave an answer is one cell, their mean. */
export interface Cells {
  readonly units: number
  readonly answers: number
  /** By cell. */
  readonly unit: Int32Array
  readonly answer: Int32Array
  /** v in [0, 1]. */
  readonly value: Float64Array
  /** Its weight as a comparison, in [0, 1]. */
  readonly compared: Float64Array
}

/** What a fit knows of a unit (a rater, a stretch of their votes, or several accounts that count as one). */
export interface Unit {
  /** Its people's earned trust relative to the room's most trusted, in [0, 1]. */
  trust: number
  known: boolean
  /** Comparable votes that speak for it when tastes are sized up. */
  stake: number
  /** ρ without any data, in [0, 1], and what that weighs, in comparable votes. */
  prior: { value: number; votes: number }
}

export interface Taste {
  /** m, τ² and σ²: of values, the units of v and v². */
  readonly level: number
  readonly spread: number
  readonly noise: number
  /** By answer: E(t_j - m), and the posterior's precision, at least 1/τ². */
  readonly worth: Float64Array
  readonly precision: Float64Array
  /** By unit: a_i and b_i, shrunk to 1 and 0. */
  readonly slope: Float64Array
  readonly offset: Float64Array
  /** By unit: C_i in [-1, 1], how its votes go with what the others think; k_i, the comparisons behind it. */
  readonly agreement: Float64Array
  readonly evidence: Float64Array
  /** By unit: ρ_i in [0, 1]. */
  readonly reliability: Float64Array
  /** By cell: what the others think, as E(t_j - m) without its unit, and what the comparison counts for, in [0, 1]. */
  readonly others: Float64Array
  readonly informed: Float64Array
}

/** τ and σ are at least this, in the unit of a value. */
const LEAST_DEVIATION = 0.05
/** What slope 1 weighs, in comparisons … */
const SLOPE_VOTES = 6
/** … and offset 0. */
const OFFSET_VOTES = 4
/** A slope is taken out of a vote within these bounds: what a flatter one says is mostly noise. */
const SLOPES = { least: 0.5, most: 2 } as const
/** ρ from which a vote says as much as any: nobody gains by agreeing too well, as copiers do. */
const FULL_RELIABILITY = 0.8
/** Iterations after which a fit has converged; more change only the third digit. */
const ROUNDS = 6
/** A value that the researcher has set is this much more precise than τ. */
const GOLD_PRECISION = 1e4

/** ρ² / (1 - ρ²): variance by the taste over that of noise. */
const signal = (rho: number): number => (rho * rho) / Math.max(1e-9, 1 - rho * rho)

/**
 * What a vote of reliability ρ says, relative to one of {@link FULL_RELIABILITY}, in [0, 1]: its signal, which is the
 * precision it has as a measurement of its answer. 0.32 at 0.6, 0.06 at 0.3, 0.006 at 0.1.
 */
export const quality = (rho: number): number => Math.min(1, signal(rho) / signal(FULL_RELIABILITY))

/** `clamp01((m ρ_0 + k C) / (m + k))`. Worked example: C 0.8 from 12 comparisons gives (8·0.6 + 12·0.8) / 20 = 0.72. */
export const smoothed = (agreement: number, evidence: number, prior: { value: number; votes: number }): number =>
  clamp((prior.votes * prior.value + evidence * agreement) / (prior.votes + evidence), 0, 1)

export const clamp = (x: number, least: number, most: number): number => Math.min(most, Math.max(least, x))

export const slopeTaken = (slope: number): number => clamp(slope, SLOPES.least, SLOPES.most)

/** What strangers' weights on an answer are bounded by: capStrangers (crowd.ts) for cells. */
export interface Bounds {
  /** By cell: 1 where its people are known. */
  readonly known: Uint8Array
  /** By answer: 1 where it was voted on in an established room. */
  readonly established: Uint8Array
}

/** Cuts strangers' weights on an answer, whose cells are given by number, in place. */
function cap(weights: Float64Array, cells: Int32Array, { known, established }: Bounds, answer: number): void {
  let [trusted, strange, people] = [0, 0, 0]
  for (const cell of cells) {
    if (known[cell] === 1) {
      trusted += weights[cell]!
      people++
    } else strange += weights[cell]!
  }
  const most = strangersMost(trusted, people, established[answer] === 1)
  if (strange <= most) return
  for (const cell of cells) if (known[cell] === 0) weights[cell]! *= most / strange
}

/**
 * Fits a taste by coordinate updates, from what each unit weighs at first:
 *
 * 1. Cell (i, j) weighs `x_ij = s_i u_i quality(ρ_i)`: s_i the unit's share in the taste, u_i its trust, ρ_i its reliability.
 *    `bounds` then cut strangers' sum on each answer.
 * 2. m is the weighted mean; with z = (v - m - b_i) / a_i, the vote without slope and offset, τ² is the mean product of two
 *    people's z on an answer (noise is independent, so it cancels), σ² what is left of z's variance.
 * 3. Each answer's posterior: precision P_j = 1/τ² + Σ x_ij/σ², mean Σ x_ij z_ij / (σ² P_j).
 * 4. Each unit's votes are compared with the posterior of its answers without itself, g_ij of variance 1/P_ij, by
 *    regression. Since E(t|others) = g, the slope has no attenuation, however few the others are. A comparison counts
 *    for c_ij (comparisons.ts) times the share of t's variance that the others explain. With k_i their sum,
 *
 *        C_i = a_i √(E t² / E v²) in [-1, 1],   ρ_i = clamp01((n_0 ρ_0 + k_i C_i) / (n_0 + k_i))
 *
 *    C is the correlation of votes with the taste: 1 for who always gives it, up to scale and offset, 0 in expectation
 *    for who votes without looking or always the same, negative for who opposes it.
 *
 * Leaving a unit's own votes out of what it is compared with keeps a loud minority, or a lone precise rater, from
 * confirming itself, as they would in maximum likelihood. Sources: Lord & Novick 1968 (congeneric tests); Raykar et
 * al., "Learning from Crowds", 2010.
 *
 * @param shares s by unit, in [0, 1]
 * @param start ρ by unit to begin with
 * @param gold by answer: a value in [0, 1] that is known, else NaN
 */
export function fitTaste(
  cells: Cells,
  units: readonly Unit[],
  {
    shares,
    start,
    gold,
    bounds,
  }: { shares: Float64Array; start: Float64Array; gold: Float64Array | null; bounds: Bounds },
  byAnswer: readonly Int32Array[] = cellsByAnswer(cells),
  rounds = ROUNDS,
): Taste {
  const { unit, answer, value, compared } = cells
  const slope = new Float64Array(cells.units).fill(1)
  const offset = new Float64Array(cells.units)
  const agreement = new Float64Array(cells.units)
  const evidence = new Float64Array(cells.units)
  const reliability = Float64Array.from(start)
  const weights = new Float64Array(unit.length)
  const z = new Float64Array(unit.length)
  const worth = new Float64Array(cells.answers)
  const precision = new Float64Array(cells.answers)
  const others = new Float64Array(unit.length)
  const informed = new Float64Array(unit.length)
  let [level, spread, noise] = [0.5, 0.08, 0.04]

  for (let round = 0; round < rounds; round++) {
    for (let cell = 0; cell < unit.length; cell++) {
      const i = unit[cell]!
      weights[cell] = shares[i]! * units[i]!.trust * quality(reliability[i]!)
    }
    byAnswer.forEach((on, j) => cap(weights, on, bounds, j))
    level = levelOf(cells, weights, gold)
    for (let cell = 0; cell < unit.length; cell++) {
      const i = unit[cell]!
      z[cell] = (value[cell]! - level - offset[i]!) / slopeTaken(slope[i]!)
    }
    ;({ spread, noise } = variancesOf(byAnswer, weights, z))
    byAnswer.forEach((on, j) => {
      const known = gold === null ? Number.NaN : gold[j]!
      const exact = Number.isNaN(known) ? 0 : GOLD_PRECISION / spread
      let [total, sum] = [1 / spread + exact, exact === 0 ? 0 : exact * (known - level)]
      for (const cell of on) {
        total += weights[cell]! / noise
        sum += (weights[cell]! / noise) * z[cell]!
      }
      precision[j] = total
      worth[j] = sum / total
    })
    compare(
      { unit, answer, value, compared },
      { level, spread, noise, worth, precision, weights, z },
      {
        ...{ slope, offset, agreement, evidence, others, informed },
      },
    )
    centre({ slope, offset }, units, { shares, reliability, evidence })
    for (let i = 0; i < cells.units; i++) reliability[i] = smoothed(agreement[i]!, evidence[i]!, units[i]!.prior)
  }
  return { level, spread, noise, worth, precision, slope, offset, agreement, evidence, reliability, others, informed }
}

export function cellsByAnswer({ answer, answers }: Cells): Int32Array[] {
  const on = Array.from({ length: answers }, (): number[] => [])
  answer.forEach((j, cell) => on[j]!.push(cell))
  return on.map((list) => Int32Array.from(list))
}

/** m: the weighted mean of votes; of all of them alike where none weighs, ½ where there are none. */
function levelOf({ value, answer }: Cells, weights: Float64Array, gold: Float64Array | null): number {
  let [sum, total, all] = [0, 0, 0]
  for (let cell = 0; cell < value.length; cell++) {
    // A known answer pulls the level by its own value, not by what is said about it.
    const known = gold === null ? Number.NaN : gold[answer[cell]!]!
    sum += weights[cell]! * (Number.isNaN(known) ? value[cell]! : known)
    total += weights[cell]!
    all += value[cell]!
  }
  if (total > 1e-12) return sum / total
  return value.length === 0 ? 0.5 : all / value.length
}

/** τ² and σ² by moments; before two people share an answer, half of the variance each. */
function variancesOf(
  byAnswer: readonly Int32Array[],
  weights: Float64Array,
  z: Float64Array,
): { spread: number; noise: number } {
  let [products, pairs, squares, total] = [0, 0, 0, 0]
  for (const on of byAnswer) {
    let [w, wz, ww, wwzz] = [0, 0, 0, 0]
    for (const cell of on) {
      const weight = weights[cell]!
      const part = weight * z[cell]!
      w += weight
      wz += part
      ww += weight * weight
      wwzz += part * part
      squares += part * z[cell]!
    }
    total += w
    products += wz * wz - wwzz
    pairs += w * w - ww
  }
  const least = LEAST_DEVIATION ** 2
  const variance = Math.max(2 * least, total > 1e-12 ? squares / total : 0.12)
  const spread = clamp(pairs > 1e-9 ? products / pairs : variance / 2, least, variance - least)
  return { spread, noise: variance - spread }
}

interface Fitted {
  level: number
  spread: number
  noise: number
  worth: Float64Array
  precision: Float64Array
  weights: Float64Array
  z: Float64Array
}

/** Step 4, in place: every unit's regression on what the others think. */
function compare(
  { unit, answer, value, compared }: Pick<Cells, 'unit' | 'answer' | 'value' | 'compared'>,
  { level, spread, noise, worth, precision, weights, z }: Fitted,
  out: Pick<Taste, 'slope' | 'offset' | 'agreement' | 'evidence' | 'others' | 'informed'>,
): void {
  const { slope, offset, agreement, evidence, others, informed } = out
  const units = slope.length
  const [k, sy, sx] = [new Float64Array(units), new Float64Array(units), new Float64Array(units)]
  for (let cell = 0; cell < unit.length; cell++) {
    const [i, j] = [unit[cell]!, answer[cell]!]
    const own = weights[cell]! / noise
    const left = Math.max(1 / spread, precision[j]! - own)
    others[cell] = (worth[j]! * precision[j]! - own * z[cell]!) / left
    // The share of t's variance that the others explain.
    informed[cell] = compared[cell]! * (1 - 1 / (left * spread))
    k[i]! += informed[cell]!
    sx[i]! += informed[cell]! * others[cell]!
    sy[i]! += informed[cell]! * (value[cell]! - level)
  }
  const [sxx, sxy, syy, stt] = [0, 0, 0, 0].map(() => new Float64Array(units)) as Sums
  for (let cell = 0; cell < unit.length; cell++) {
    const i = unit[cell]!
    const w = informed[cell]!
    if (w === 0) continue
    // Centred by means that are shrunk to the crowd's level, so that one vote is compared, too.
    const x = others[cell]! - sx[i]! / (k[i]! + OFFSET_VOTES)
    const y = value[cell]! - level - sy[i]! / (k[i]! + OFFSET_VOTES)
    sxx[i]! += w * x * x
    sxy[i]! += w * x * y
    syy[i]! += w * y * y
    stt[i]! += w * (x * x + spread * (1 - w / compared[cell]!))
  }
  for (let i = 0; i < units; i++) {
    evidence[i] = k[i]!
    if (k[i]! < 1e-9) {
      slope[i] = 1
      offset[i] = 0
      agreement[i] = 0
      continue
    }
    slope[i] = (sxy[i]! + SLOPE_VOTES * spread) / (sxx[i]! + SLOPE_VOTES * spread)
    offset[i] = (sy[i]! - slopeTaken(slope[i]!) * sx[i]!) / (k[i]! + OFFSET_VOTES)
    const plain = sxx[i]! < 1e-12 ? 0 : sxy[i]! / sxx[i]!
    agreement[i] = syy[i]! < 1e-9 ? 0 : clamp(plain * Math.sqrt(stt[i]! / syy[i]!), -1, 1)
  }
}

/**
 * Scales slopes and shifts offsets, in place, so that their means over the taste's people are 1 and 0: the scale
 * is what its crowd means by it.
 */
function centre(
  { slope, offset }: Pick<Taste, 'slope' | 'offset'>,
  units: readonly Unit[],
  { shares, reliability, evidence }: { shares: Float64Array; reliability: Float64Array; evidence: Float64Array },
): void {
  let [total, slopes, offsets] = [0, 0, 0]
  for (let i = 0; i < slope.length; i++) {
    const weight = shares[i]! * units[i]!.trust * quality(reliability[i]!) * evidence[i]!
    total += weight
    slopes += weight * slope[i]!
    offsets += weight * offset[i]!
  }
  if (total < 1e-9 || slopes / total < SLOPES.least) return
  for (let i = 0; i < slope.length; i++) {
    slope[i]! /= slopes / total
    offset[i]! -= offsets / total
  }
}

type Sums = [Float64Array, Float64Array, Float64Array, Float64Array]
