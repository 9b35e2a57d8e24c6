import type { Db } from './pool.ts'

/** Refresh tokens and wallet nonces: what is good for one use, before it expires. */

export async function saveRefreshToken(db: Db, hash: Buffer, userId: string, expiresAt: Date): Promise<void> {
  await db.query('insert into refresh_tokens (token_hash, user_id, expires_at) values ($1, $2, $3)', [hash, userId, expiresAt])
  await db.query('delete from refresh_tokens where user_id = $1 and expires_at < now()', [userId])
}

/** Uses a refresh token up: whose it was, or null where it is unknown or expired. */
export async function takeRefreshToken(db: Db, hash: Buffer): Promise<string | null> {
  const { rows } = await db.query<{ user_id: string; valid: boolean }>(
    'delete from refresh_tokens where token_hash = $1 returning user_id, expires_at > now() as valid',
    [hash],
  )
  return rows[0]?.valid === true ? rows[0].user_id : null
}

export async function saveNonce(db: Db, nonce: string, expiresAt: Date): Promise<void> {
  await db.query('insert into wallet_nonces (nonce, expires_at) values ($1, $2)', [nonce, expiresAt])
  await db.query('delete from wallet_nonces where expires_at < now()')
}

/** Uses a nonce up; false where it is unknown or expired. */
export async function takeNonce(db: Db, nonce: string): Promise<boolean> {
  const { rows } = await db.query<{ valid: boolean }>(
    'delete from wallet_nonces where nonce = $1 returning expires_at > now() as valid',
    [nonce],
  )
  return rows[0]?.valid === true
}
