import { isDuplicate, type Db } from './pool.ts'
import { AttuneError } from '../errors.ts'
import type { Role } from '../protocol.ts'

export interface UserRow {
  id: string
  username: string
  /** Sealed (server/auth/seal.ts). */
  email: Buffer | null
  passwordHash: string | null
  role: Role
  guest: boolean
  /** 0x and 40 lower-case hex digits. */
  wallet: string | null
}

const columns = 'id, username, email, password_hash as "passwordHash", role, guest, wallet'

/** @throws AttuneError conflict where the name or the wallet is taken */
export async function insertUser(db: Db, user: Omit<UserRow, 'id'>): Promise<UserRow> {
  try {
    const { rows } = await db.query<UserRow>(
      `insert into users (username, email, password_hash, role, guest, wallet) values ($1, $2, $3, $4, $5, $6) returning ${columns}`,
      [user.username, user.email, user.passwordHash, user.role, user.guest, user.wallet],
    )
    return rows[0]
  } catch (error) {
    if (isDuplicate(error, 'users_username_key')) throw new AttuneError('conflict', 'this name is taken', { path: 'username' })
    if (isDuplicate(error, 'users_wallet_key')) throw new AttuneError('conflict', 'this wallet belongs to another account')
    throw error
  }
}

export const findUser = (db: Db, id: string) => findBy(db, 'id', id)
export const findUserByName = (db: Db, username: string) => findBy(db, 'username', username)
export const findUserByWallet = (db: Db, wallet: string) => findBy(db, 'wallet', wallet)

/** Erased people are nobody. */
async function findBy(db: Db, column: 'id' | 'username' | 'wallet', value: string): Promise<UserRow | null> {
  const { rows } = await db.query<UserRow>(`select ${columns} from users where ${column} = $1 and erased_at is null`, [value])
  return rows[0] ?? null
}

/** Whose a payout is while they have linked no wallet: the number that stands for them in manifests. */
export async function payeeOf(db: Db, userId: string): Promise<`0x${string}`> {
  const { rows } = await db.query<{ payee: Buffer }>('select payee from users where id = $1', [userId])
  return `0x${rows[0].payee.toString('hex')}`
}

export async function updateRole(db: Db, userId: string, role: Role): Promise<void> {
  await db.query('update users set role = $2 where id = $1', [userId, role])
}

/** @throws AttuneError conflict where the wallet belongs to another account */
export async function linkWallet(db: Db, userId: string, wallet: string): Promise<void> {
  try {
    await db.query('update users set wallet = $2 where id = $1', [userId, wallet])
  } catch (error) {
    if (isDuplicate(error, 'users_wallet_key')) throw new AttuneError('conflict', 'this wallet belongs to another account')
    throw error
  }
}

/** Removes what says who somebody is; the row stays as the key of their votes (rule S4). */
export async function eraseUser(db: Db, userId: string): Promise<void> {
  await db.query(
    `update users set username = 'erased ' || id, email = null, password_hash = null, wallet = null, erased_at = now() where id = $1`,
    [userId],
  )
  await db.query('delete from refresh_tokens where user_id = $1', [userId])
  await db.query('delete from vote_begun where user_id = $1', [userId])
}
