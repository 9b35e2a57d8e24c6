import type { Db } from './pool.ts'

/** Logins, each a family of refresh tokens. */

export interface NewToken {
  hash: Buffer
  userId: string
  login: string
  expiresAt: Date
}

export async function saveRefreshToken(db: Db, { hash, userId, login, expiresAt }: NewToken): Promise<void> {
  await db.query(
    'insert into refresh_tokens (token_hash, user_id, family, expires_at) values ($1, $2, $3, $4) on conflict (token_hash) do nothing',
    [hash, userId, login, expiresAt],
  )
  await db.query('delete from refresh_tokens where user_id = $1 and expires_at < now()', [userId])
}

/** A login, as looked up by its token. */
export interface Login {
  userId: string
  login: string
}

/**
 * Uses a refresh token, once: null if it was used before, is unknown or has expired. Concurrent callers wait and see
 * the result.
 */
export async function useRefreshToken(db: Db, hash: Buffer): Promise<Login | null> {
  const { rows } = await db.query<Login>(
    `update refresh_tokens set rotated_at = clock_timestamp() where token_hash = $1 and rotated_at is null and expires_at > now()
     returning user_id as "userId", family as login`,
    [hash],
  )
  return rows[0] ?? null
}

export interface UsedToken extends Login {
  /** Milliseconds since it was used. */
  age: number
  /** Whether the token that followed it (`next`) has been used, too. */
  followed: boolean
}

/** A refresh token that was used and has not expired, with the state of its successor `next`; null if there is none. */
export async function usedRefreshToken(db: Db, hash: Buffer, next: Buffer): Promise<UsedToken | null> {
  const { rows } = await db.query<UsedToken>(
    `select t.user_id as "userId", t.family as login, n.rotated_at is not null as followed,
            extract(epoch from clock_timestamp() - t.rotated_at)::float8 * 1000 as age
     from refresh_tokens t join refresh_tokens n on n.token_hash = $2 and n.family = t.family
     where t.token_hash = $1 and t.rotated_at is not null and t.expires_at > now()`,
    [hash, next],
  )
  return rows[0] ?? null
}

/** Deletes a login's tokens that were used this long ago. From then on they are reported as unknown. */
export async function forgetUsedTokens(db: Db, login: string, days: number): Promise<void> {
  await db.query(`delete from refresh_tokens where family = $1 and rotated_at < now() - $2 * interval '1 day'`, [
    login,
    days,
  ])
}

/** Ends the login that a refresh token, used or not, belongs to; null if there is none. */
export async function endLoginOf(db: Db, hash: Buffer): Promise<Login | null> {
  const { rows } = await db.query<Login>(
    `delete from refresh_tokens where family = (select family from refresh_tokens where token_hash = $1) returning user_id as "userId", family as login`,
    [hash],
  )
  return rows[0] ?? null
}

/** Ends every login of a person. */
export async function endLoginsOf(db: Db, userId: string): Promise<void> {
  await db.query('delete from refresh_tokens where user_id = $1', [userId])
}
