import { VOTE_USED } from '../contracts/credit.ts'
import type { Core } from './core.ts'
import { bountiesAt, unrecordedVotes, type BountyRow } from './db/bounties.ts'
import type { Bounty } from './protocol.ts'

/** What a session's votes earn, as it was last seen on the chain; none where nothing is paid here. */
export async function bountiesOf(core: Core, sessionId: string): Promise<Bounty[]> {
  if (core.chain?.bounties == null) return []
  const rows = await bountiesAt(core.pool, core.chain.bounties, sessionId)
  if (rows.length === 0) return []
  const waiting = VOTE_USED * BigInt(await unrecordedVotes(core.pool, sessionId))
  return rows.map((row) => toBounty(row, waiting))
}

/** @param waiting credits, at most, of the votes that no epoch holds yet: they come first */
export function toBounty(row: BountyRow, waiting: bigint): Bounty {
  const { id, sessionId, sponsor, token, symbol, decimals, funded, pot, perCredit, closedAt } = row
  const free = pot - waiting * perCredit
  return {
    id, sessionId, sponsor, token, symbol, decimals,
    funded: String(funded),
    left: String(pot),
    perCredit: String(perCredit),
    state: closedAt !== null ? 'closed' : perCredit === 0n ? 'unpriced' : free < VOTE_USED * perCredit ? 'empty' : 'paying',
    closedAt: closedAt?.toISOString() ?? null,
  }
}
