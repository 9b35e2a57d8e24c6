import { LedgerError } from '../errors.ts'
import type { ContributionRecord } from './leaf.ts'
import type { NoCredit } from './reasons.ts'

/**
 * What a contribution earns, in whole credits; one credit is one point of its
 * contributor's cumulative reward. Integers throughout, rounded down, so that
 * anyone recomputes the same.
 *
 * | kind | credits |
 * |---|---|
 * | feedback | 100 for a vote that changed weights; else 0, for the first reason in `whyNothing` |
 * | feedback, correcting a vote | after an upheld appeal, 100 less the vote's credit: the payload's `credit`. 0 for a vote on a text or on a closed answer |
 * | training, compute | 100 an hour at full quality: milliHours · qualityBps / 100,000 |
 * | validation, data | 100 a piece at full quality: qualityBps / 100 |
 *
 * milliHours is work in thousandths of an hour, qualityBps quality in 1/10,000;
 * both are whole numbers of the record's payload. A vote's credit does not
 * depend on its content, nor on how the crowd voted, with one exception: pay follows use, so a vote that weighs nothing
 * earns nothing (rule C6). That is one of a rater who doesn't look (reliability below 0.15, core/votes/weights.ts), or
 * whose taste only opposes the room's largest; another taste weighs something, and is paid.
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
      return corrects(record) ? whole(payload['credit'], VOTE_USED) : VOTE_USED
    case 'training':
    case 'compute':
      return (whole(payload['milliHours'], MAX_MILLI_HOURS) * whole(payload['qualityBps'], BPS)) / PER_HOUR
    case 'validation':
    case 'data':
      return whole(payload['qualityBps'], BPS) / PER_PIECE
  }
}

/**
 * Why a vote, or its correction, earns nothing by its own record, the first reason that holds; null where it earns, and
 * for any other kind. Throws `bad-record`.
 */
export function whyNothing(record: Measured): OfRecord | null {
  if (record.kind !== 'feedback') return null
  return (Object.keys(holds) as OfRecord[]).find((reason) => holds[reason](record)) ?? null
}

type OfRecord = Exclude<NoCredit, 'pace'>

/** When each reason holds, in this order. An upheld appeal is past all but the first two. */
const holds: Readonly<Record<OfRecord, (record: Measured) => boolean>> = {
  text: ({ payload }) => !flag(payload, 'produced'),
  closed: ({ payload }) => flag(payload, 'late'),
  unused: (record) => !corrects(record) && record.usedInStep === null,
  'no-weight': (record) =>
    !corrects(record) && (share(record.payload, 'weight') === 0 || share(record.payload, 'reliability') === 0),
  'no-change': (record) => !corrects(record) && !flag(record.payload, 'updated'),
}

const corrects = ({ payload }: Measured): boolean => 'corrects' in payload

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
