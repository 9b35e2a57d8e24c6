// From a contribution's record to its leaf in an epoch's tree. Pure; the same
// encoding is specified in FORMAT.md, for verification without this code.

import { ZeroHash } from 'ethers'
import { type Json, canonicalJson } from './canonical.ts'
import { LedgerError } from '../errors.ts'
import type { Address, Hex } from '../hex.ts'
import { leafHash, saltedHash, textHash, wordsHash } from './hash.ts'
import type { Standing } from './standing.ts'

/** Index = the seed system's number for the kind, `uint8` on chain. */
export const CONTRIBUTION_KINDS = ['training', 'feedback', 'validation', 'compute', 'data'] as const
export type ContributionKind = (typeof CONTRIBUTION_KINDS)[number]

/** A globally unique ledger: with the epoch, a leaf's domain separator. */
export type LedgerId = { chainId: number; ledger: Address }

/** One contribution as stored in the log. Only hashes of it are published. */
export type ContributionRecord = {
  /** The feedback's or the contribution's UUID. */
  recordId: string
  /** The contributor's user UUID. */
  contributorId: string
  /**
   * The contributor's number while they have linked no account: 32 random bytes, the same in all of their
   * records.
   */
  payee: Hex
  /** The account that the earnings go to; null while none is linked. */
  walletAddress: Address | null
  sessionId: string
  kind: ContributionKind
  /** The committed content besides the ids: sample hash, rating, receipt. */
  payload: { readonly [key: string]: Json }
  /** The training step that used it, or null. */
  usedInStep: number | null
  /** When it was done, seconds since 1970; for a correction, the time of its vote. */
  at: number
  /** The time that its session allots to an answer, seconds. */
  secondsPerAnswer: number
  /** Comparable votes of its contributor in its session so far. */
  comparable: number
  /** 32 random bytes of this record alone; stored with it, never derived. */
  salt: Hex
}

/** A leaf's fields as they travel (JSON-safe): integers in decimal, hashes in lower-case hex. */
export type LeafFields = {
  chainId: string
  ledger: string
  epochId: string
  /** The record's place in its epoch, from 0, in feedback order. */
  index: string
  /** keccak-256 of the session's id. */
  session: Hex
  /** Salted commitment to the contributor. */
  contributor: Hex
  /** Index in CONTRIBUTION_KINDS. */
  kind: number
  /** Credits, whole. */
  credit: string
  /** Salted hash of the record. */
  recordHash: Hex
}

/** The leaf of a contribution: OpenZeppelin's standard double hash, `keccak(keccak(abi.encode(fields)))`. */
export function contributionLeaf(fields: LeafFields): Hex {
  const { chainId, ledger, epochId, index, session, contributor, kind, credit, recordHash } = fields
  const place = [BigInt(chainId), ledger as Address, BigInt(epochId), BigInt(index)]
  return leafHash([...place, session, contributor, kind, BigInt(credit), recordHash])
}

/** The pseudo-bounty of points: never funded, so nothing is paid from it. */
export const POINTS = ZeroHash as Hex

/** The leaf of an account's cumulative earnings from a bounty, in an epoch's rewards tree. */
export function rewardLeaf(id: LedgerId, epochId: number, bounty: Hex, account: Address, amount: bigint): Hex {
  return leafHash([id.chainId, id.ledger, epochId, bounty, account, amount])
}

/** The leaf of everybody's cumulative earnings from a bounty: what its sponsor cannot be refunded. */
export function allocationLeaf(id: LedgerId, epochId: number, bounty: Hex, allocated: bigint): Hex {
  return leafHash([id.chainId, id.ledger, epochId, bounty, allocated])
}

const EARNING_TAG = textHash('attune:earning')
const BALANCE_TAG = textHash('attune:balance')
const MOVE_TAG = textHash('attune:move')
const STANDING_TAG = textHash('attune:standing')
const PACE_TAG = textHash('attune:pace')

/** The leaf of a holder's credits in one session and epoch, in the contributions tree. */
export function earningLeaf(id: LedgerId, epochId: number, session: Hex, holder: Hex, credits: bigint): Hex {
  return leafHash([id.chainId, id.ledger, epochId, EARNING_TAG, session, holder, credits])
}

/** The leaf of a balance that cannot be claimed, in the contributions tree: points, and payees' balances. */
export function balanceLeaf(id: LedgerId, epochId: number, pot: Hex, holder: Hex, before: bigint, amount: bigint): Hex {
  return leafHash([id.chainId, id.ledger, epochId, BALANCE_TAG, pot, holder, before, amount])
}

/** The leaf of a payee's move to an account, in the contributions tree. */
export function moveLeaf(id: LedgerId, epochId: number, payee: Hex, account: Address): Hex {
  return leafHash([id.chainId, id.ledger, epochId, MOVE_TAG, payee, account])
}

/** The leaf of a person's standing in a session, in the contributions tree. */
export function standingLeaf(id: LedgerId, epochId: number, line: Standing): Hex {
  const { session, person, seconds, answers, comparable, counted, before, held } = line
  const numbers = [seconds, answers, comparable, counted, before, held]
  return leafHash([id.chainId, id.ledger, epochId, STANDING_TAG, session, person, ...numbers])
}

/** The leaf of a person's pace, in the contributions tree. Minutes as their line has them. */
export function paceLeaf(id: LedgerId, epochId: number, person: Hex, before: string, worked: string): Hex {
  return leafHash([id.chainId, id.ledger, epochId, PACE_TAG, person, textHash(before), textHash(worked)])
}

/** The fields of a record's leaf. Throws `bad-record` on a malformed salt or record. */
export function leafFields(
  id: LedgerId,
  epochId: number,
  index: number,
  record: ContributionRecord,
  credit: bigint,
): LeafFields {
  return {
    chainId: String(id.chainId),
    ledger: id.ledger.toLowerCase(),
    epochId: String(epochId),
    index: String(index),
    session: sessionKey(record.sessionId),
    contributor: contributorCommitment(record.contributorId, record.salt),
    kind: CONTRIBUTION_KINDS.indexOf(record.kind),
    credit: String(credit),
    recordHash: recordHash(record),
  }
}

/** A bounty's id, as `bountyOf` of its distributor gives it. */
export function bountyId(chainId: number, distributor: Address, session: Hex, sponsor: Address, token: Address): Hex {
  return wordsHash([chainId, distributor, session, sponsor, token])
}

/** How a session is named on chain: keccak-256 of its id. */
export function sessionKey(sessionId: string): Hex {
  return textHash(sessionId)
}

/**
 * `keccak(salt ‖ "attune:contributor:" ‖ contributorId)`. The salt is the
 * record's own, so that two records of one person cannot be linked.
 */
export function contributorCommitment(contributorId: string, salt: Hex): Hex {
  return saltedHash(checkedSalt(salt), `attune:contributor:${contributorId}`)
}

/** `keccak(salt ‖ canonical JSON of the opening)`. */
export function recordHash(record: ContributionRecord): Hex {
  return saltedHash(checkedSalt(record.salt), canonicalJson(recordOpening(record)))
}

/** The preimage of a record hash: what its contributor may see, and may disclose. */
export function recordOpening(record: ContributionRecord): { readonly [key: string]: Json } {
  const { kind, payload, recordId, sessionId, usedInStep } = record
  return { kind, payload, recordId, sessionId, usedInStep }
}

function checkedSalt(salt: Hex): Hex {
  if (!/^0x[0-9a-f]{64}$/.test(salt)) throw new LedgerError('bad-record', 'a salt is 32 bytes in lower-case hex')
  return salt
}
