import type { Db } from './pool.ts'

/** Records that a nonce was used; false if it had been. Expired ones need no record. */
export async function spendNonce(db: Db, nonce: string, expiresAt: Date): Promise<boolean> {
  await db.query('delete from wallet_nonces where expires_at < now()')
  const { rowCount } = await db.query(
    'insert into wallet_nonces (nonce, expires_at) values ($1, $2) on conflict (nonce) do nothing',
    [nonce, expiresAt],
  )
  return rowCount === 1
}
