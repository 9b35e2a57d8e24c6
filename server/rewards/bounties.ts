import type { Hex } from '../../contracts/ledger/hex.ts'
import { VOTE_USED } from '../../contracts/ledger/epoch/credit.ts'
import { paying } from './claims.ts'
import type { Deps } from '../deps.ts'
import { bountiesAt, type BountyRow } from '../../core/db/bounties.ts'
import { lastRecorded } from '../../core/db/epochs.ts'
import { unrecordedVotes } from '../../core/db/feedback.ts'
import { AttuneError } from '../../core/errors.ts'
import type { Bounty, Refund } from '../../core/protocol/index.ts'
import { bookOf } from './reward-books.ts'

/** What a session's votes earn, as it was last seen on the chain; none if nothing is paid here. */
export async function bountiesOf(deps: Deps, sessionId: string): Promise<Bounty[]> {
  const { chain, pool } = deps
  if (chain?.bounties == null) return []
  const rows = await bountiesAt(pool, chain.bounties, sessionId)
  if (rows.length === 0) return []
  const newest = await lastRecorded(pool, chain.chainId, chain.ledger)
  const book = newest === null ? null : await bookOf(pool, chain, newest)
  const waiting = VOTE_USED * BigInt(await unrecordedVotes(pool, sessionId))
  return rows.map((row) => toBounty(row, book?.allocationOf(row.id)?.allocated ?? 0n, waiting))
}

/**
 * @param earned what everybody has earned from it up to the newest epoch
 * @param waiting most credits of the votes that no epoch holds yet: they come first
 */
export function toBounty(row: BountyRow, earned: bigint, waiting: bigint): Bounty {
  const { id, sessionId, sponsor, token, symbol, decimals, funded, pot, perCredit, closedAt } = row
  // What was paid out was earned, even if the epoch that records it is not read yet.
  const left = funded - (funded - pot > earned ? funded - pot : earned)
  const free = left - waiting * perCredit
  return {
    id,
    sessionId,
    sponsor,
    token,
    symbol,
    decimals,
    funded: String(funded),
    left: String(left > 0n ? left : 0n),
    perCredit: String(perCredit),
    state:
      closedAt !== null ? 'closed' : perCredit === 0n ? 'unpriced' : free < VOTE_USED * perCredit ? 'empty' : 'paying',
    closedAt: closedAt?.toISOString() ?? null,
  }
}

/**
 * The arguments of the distributor's `refund`, by the last final epoch; without a proof for a
 * bounty newer than every epoch.
 *
 * @throws AttuneError not-found, conflict if no final epoch names the bounty yet, unavailable
 */
export async function refundOf(deps: Deps, sessionId: string, id: string): Promise<Refund> {
  const { chain, bounties } = paying(deps)
  const known = await bountiesAt(deps.pool, bounties, sessionId)
  if (!known.some((bounty) => bounty.id === id)) throw new AttuneError('not-found', 'this session has no such bounty')
  const book = await bookOf(deps.pool, chain, await chain.epochs.lastFinal())
  const allocation = book?.allocationOf(id as Hex) ?? null
  if (allocation !== null) return { ...allocation, allocated: String(allocation.allocated) }
  const [newest, since] = await Promise.all([chain.epochs.newest(), bounties.since(id as Hex)])
  if (since !== null && (newest.submittedAt ?? 0) < since)
    return { bounty: id, epochId: newest.epochId, allocated: '0', proof: [] }
  throw new AttuneError(
    'conflict',
    'no final epoch says yet what was earned from this bounty: try again after the next one',
  )
}
