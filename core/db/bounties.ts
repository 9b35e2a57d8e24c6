import type { Db } from './pool.ts'
import type { BountyState, FundedBounty, TokenFacts } from '../../contracts/ledger/client/bounties.ts'

/** A distributor on its chain. */
export interface Place {
  chainId: number
  /** In lower case. */
  distributor: string
}

/** A bounty in its last known state at the distributor. */
export interface BountyRow extends Omit<FundedBounty, 'session'>, BountyState, TokenFacts {
  sessionId: string
}

/** Stores a bounty's state at the distributor. */
export async function saveBounty(db: Db, { chainId, distributor }: Place, bounty: BountyRow): Promise<void> {
  await db.query(
    `insert into bounties (chain_id, distributor, id, session_id, sponsor, token, symbol, decimals, funded, pot, per_credit, closed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     on conflict (chain_id, distributor, id) do update
     set funded = excluded.funded, pot = excluded.pot, per_credit = excluded.per_credit, closed_at = excluded.closed_at`,
    [
      chainId,
      distributor,
      bounty.id,
      bounty.sessionId,
      bounty.sponsor,
      bounty.token,
      bounty.symbol,
      bounty.decimals,
      String(bounty.funded),
      String(bounty.pot),
      String(bounty.perCredit),
      bounty.closedAt,
    ],
  )
}

/** Deletes one that is no longer on the chain. */
export async function dropBounty(db: Db, { chainId, distributor }: Place, id: string): Promise<void> {
  await db.query('delete from bounties where chain_id = $1 and distributor = $2 and id = $3', [
    chainId,
    distributor,
    id,
  ])
}

/** The bounties of a distributor, of one session if given, the fullest first. */
export async function bountiesAt(db: Db, { chainId, distributor }: Place, sessionId?: string): Promise<BountyRow[]> {
  const { rows } = await db.query<Row>(
    `select id, session_id as "sessionId", sponsor, token, symbol, decimals, funded, pot, per_credit as "perCredit", closed_at as "closedAt"
     from bounties where chain_id = $1 and distributor = $2 and ($3::text is null or session_id = $3) order by pot desc, id`,
    [chainId, distributor, sessionId ?? null],
  )
  return rows.map((row) => ({
    ...row,
    funded: BigInt(row.funded),
    pot: BigInt(row.pot),
    perCredit: BigInt(row.perCredit),
  }))
}

type Row = Omit<BountyRow, 'funded' | 'pot' | 'perCredit'> & Record<'funded' | 'pot' | 'perCredit', string>
