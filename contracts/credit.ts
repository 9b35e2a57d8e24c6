import { LedgerError } from './errors.ts'
import type { ContributionRecord } from './leaf.ts'

/**
 * What a contribution earns, in whole credits; one credit is one point of its
 * contributor's cumulative reward. Integers throughout, rounded down, so that
 * anyone recomputes the same.
 *
 * | kind | credits |
 * |---|---|
 * | feedback | 100 for a vote that a training step used, 50 for one that none used (it still trains the reward model) |
 * | feedback, correcting a vote | what the vote's record lacks of 100, by an upheld appeal: the payload's `credit` |
 * | training, compute | 100 an hour at full quality: milliHours · qualityBps / 100,000 |
 * | validation, data | 100 a piece at full quality: qualityBps / 100 |
 *
 * milliHours is work in thousandths of an hour, qualityBps quality in 1/10,000;
 * both are whole numbers of the record's payload. A vote's credit does not
 * depend on what it says, nor on how the crowd voted: agreeing earns nothing,
 * so there is nothing to gain by guessing at the crowd.
 *
 * Throws `bad-record` where a needed measure is absent or out of range.
 */
export function creditOf(record: Pick<ContributionRecord, 'kind' | 'usedInStep' | 'payload'>): bigint {
  const { kind, usedInStep, payload } = record
  switch (kind) {
    case 'feedback':
      if ('corrects' in payload) return whole(payload['credit'], VOTE_USED)
      return usedInStep === null ? VOTE_UNUSED : VOTE_USED
    case 'training':
    case 'compute':
      return (whole(payload['milliHours'], MAX_MILLI_HOURS) * whole(payload['qualityBps'], BPS)) / PER_HOUR
    case 'validation':
    case 'data':
      return whole(payload['qualityBps'], BPS) / PER_PIECE
  }
}

/** Of a vote that a training step used. */
export const VOTE_USED = 100n
const VOTE_UNUSED = 50n
const BPS = 10_000n
/** A year of a thousand machines: more in one record is a mistake of units. */
const MAX_MILLI_HOURS = 8_760_000_000n
const PER_HOUR = 100_000n
const PER_PIECE = 100n

function whole(measure: unknown, most: bigint): bigint {
  if (typeof measure === 'number' && Number.isSafeInteger(measure) && measure >= 0 && BigInt(measure) <= most) {
    return BigInt(measure)
  }
  throw new LedgerError('bad-record', `a measure must be a whole number from 0 to ${most}, not ${String(measure)}`)
}
