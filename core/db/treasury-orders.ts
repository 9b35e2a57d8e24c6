import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { Db } from './pool.ts'
import type { TreasuryOrder } from '../protocol/rewards.ts'

/** A call that the treasury is to make. */
export interface TreasuryCall {
  what: TreasuryOrder['what']
  /** In lower case. */
  contract: Address
  data: Hex
  /** Wei. */
  value: bigint
}

/** The state of a call. */
export interface OrderJob extends TreasuryCall {
  id: string
  /** Null until it was signed for the first time. */
  nonce: number | null
  /** Each replaced the previous one. */
  txHashes: Hex[]
  /** Since it was last signed, or since it was received. */
  ageMs: number
}

/** Calls are made in the order in which they are given. */
export async function insertOrder(
  db: Db,
  where: { chainId: number; sessionId: string; orderedBy: string },
  id: string,
  { what, contract, data, value }: TreasuryCall,
): Promise<void> {
  await db.query(
    'insert into treasury_orders (id, chain_id, session_id, ordered_by, what, contract, data, value) values ($1, $2, $3, $4, $5, $6, $7, $8)',
    [id, where.chainId, where.sessionId, where.orderedBy, what, contract, data, String(value)],
  )
}

/** The oldest unsettled one. */
export async function nextOrder(db: Db, chainId: number): Promise<OrderJob | null> {
  const { rows } = await db.query<Omit<OrderJob, 'value'> & { value: string }>(
    `select id, what, contract, data, value, nonce, tx_hashes as "txHashes", (extract(epoch from clock_timestamp() - updated_at) * 1000)::float8 as "ageMs"
     from treasury_orders where chain_id = $1 and state in ('waiting', 'sent') order by seq limit 1`,
    [chainId],
  )
  return rows[0] === undefined ? null : { ...rows[0], value: BigInt(rows[0].value) }
}

/** It was signed, and is about to be sent. */
export async function markSigned(db: Db, id: string, nonce: number, txHash: Hex): Promise<void> {
  await db.query(
    `update treasury_orders set state = 'sent', nonce = $2, tx_hashes = tx_hashes || $3::text, problem = null, updated_at = clock_timestamp()
     where id = $1 and (nonce is null or nonce = $2)`,
    [id, nonce, txHash],
  )
}

export async function markOrder(
  db: Db,
  id: string,
  { state, problem }: { state?: 'done' | 'failed'; problem?: string },
): Promise<void> {
  await db.query('update treasury_orders set state = coalesce($2, state), problem = $3 where id = $1', [
    id,
    state ?? null,
    problem ?? null,
  ])
}

/** The latest orders for a session, newest first. */
export async function ordersOf(db: Db, chainId: number, sessionId: string, limit: number): Promise<TreasuryOrder[]> {
  const { rows } = await db.query<Omit<TreasuryOrder, 'timestamp'> & { at: Date }>(
    `select id, what, state, tx_hashes[array_upper(tx_hashes, 1)] as "txHash", problem, created_at as at
     from treasury_orders where chain_id = $1 and session_id = $2 order by seq desc limit $3`,
    [chainId, sessionId, limit],
  )
  return rows.map(({ at, ...order }) => ({ ...order, timestamp: at.toISOString() }))
}
