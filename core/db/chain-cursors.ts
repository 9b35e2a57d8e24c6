import type { Db } from './pool.ts'

/** Up to which block a contract's events have been read; null before the first. */
export async function cursorOf(db: Db, chainId: number, contract: string): Promise<bigint | null> {
  const { rows } = await db.query<{ block: number }>(
    'select block from chain_cursors where chain_id = $1 and contract = $2',
    [chainId, contract],
  )
  return rows[0] === undefined ? null : BigInt(rows[0].block)
}

export async function setCursor(db: Db, chainId: number, contract: string, block: bigint): Promise<void> {
  await db.query(
    `insert into chain_cursors (chain_id, contract, block) values ($1, $2, $3)
     on conflict (chain_id, contract) do update set block = excluded.block`,
    [chainId, contract, String(block)],
  )
}
