import { LedgerError } from '../errors.ts'
import type { ContributionRecord } from './leaf.ts'

/**
 * What a contribution earns, in whole credits; one credit is one point of its
 * contributor's cumulative reward. Integers throughout, rounded down, so that
 * anyone recomputes the same.
 *
 * | kind | credits |
 * |---|---|
 * | feedback | 100 for a vote that changed weights; else 0, for the first reason in `whyNothing` |
 * | feedback, correcting a vote | the difference of the vote's record to 100, after an upheld appeal: the payload's
 * `credit`. 0 for a vote on a text or on a closed answer, which no appeal can change |
 * | training, compute | 100 an hour at full quality: milliHours · qualityBps / 100,000 |
 * | validation, data | 100 a piece at full quality: qualityBps / 100 |
 *
 * milliHours is work in thousandths of an hour, qualityBps quality in 1/10,000;
 * both are whole numbers of the record's payload. A vote's credit does not
 * depend on its content, nor on how the crowd voted, with one exception: a rater whose votes carry no information
 * (reliability 0) earns nothing.
 *
 * This is by the record alone. Afterwards pace.ts removes credits beyond what a person can
 * do in the time, standing.ts holds those of unqualified authors, and payout.ts bounds what one person is paid.
 *
 * Throws `bad-record` where a needed measure is absent or out of range.
 */
export function creditOf(record: Measured): bigint {
  const { kind, payload } = record
  switch (kind) {
    case 'feedback':
      if (whyNothing(record) !== null) return 0n
      return 'corrects' in payload ? whole(payload['credit'], VOTE_USED) : VOTE_USED
    case 'training':
    case 'compute':
      return (whole(payload['milliHours'], MAX_MILLI_HOURS) * whole(payload['qualityBps'], BPS)) / PER_HOUR
    case 'validation':
    case 'data':
      return whole(payload['qualityBps'], BPS) / PER_PIECE
  }
}

/** Why a vote earned nothing. */
export type NoCredit =
  /** On a text that its session never produced. */
  | 'text'
  /** Cast after voting on its answer had closed. */
  | 'closed'
  /** No step's update used it. */
  | 'unused'
  /** Its weight, or its author's reliability, was 0 in the update. */
  | 'no-weight'
  /** The update left every weight as it was. */
  | 'no-change'
  /** More than a person can rate in the time (pace.ts). */
  | 'pace'

/**
 * Why a vote, or its correction, earns nothing by its own record; null if it earns, and for other kinds. Throws
 * `bad-record`.
 */
export function whyNothing({ kind, payload, usedInStep }: Measured): Exclude<NoCredit, 'pace'> | null {
  if (kind !== 'feedback') return null
  if (!flag(payload, 'produced')) return 'text'
  if (flag(payload, 'late')) return 'closed'
  if ('corrects' in payload) return null
  if (usedInStep === null) return 'unused'
  if (share(payload, 'weight') === 0 || share(payload, 'reliability') === 0) return 'no-weight'
  return flag(payload, 'updated') ? null : 'no-change'
}

/** Of a vote that changed weights. */
export const VOTE_USED = 100n

type Measured = Pick<ContributionRecord, 'kind' | 'usedInStep' | 'payload'>

const BPS = 10_000n
/** A year of a thousand machines: more in one record is a unit error. */
const MAX_MILLI_HOURS = 8_760_000_000n
const PER_HOUR = 100_000n
const PER_PIECE = 100n

function whole(measure: unknown, most: bigint): bigint {
  if (typeof measure === 'number' && Number.isSafeInteger(measure) && measure >= 0 && BigInt(measure) <= most) {
    return BigInt(measure)
  }
  throw new LedgerError('bad-record', `a measure must be a whole number from 0 to ${most}, not ${String(measure)}`)
}

function flag(payload: Measured['payload'], name: string): boolean {
  const value = payload[name]
  if (typeof value !== 'boolean')
    throw new LedgerError('bad-record', `a vote’s record must say whether it is ${name}, not ${String(value)}`)
  return value
}

function share(payload: Measured['payload'], name: string): number {
  const value = payload[name]
  if (typeof value !== 'number' || !(value >= 0 && value <= 1))
    throw new LedgerError('bad-record', `the ${name} of a used vote is from 0 to 1, not ${String(value)}`)
  return value
}
