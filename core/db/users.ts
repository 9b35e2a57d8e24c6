import { isDuplicate, isRefusedBy, type Db } from './pool.ts'
import { plainName, skeletonOf } from '../names.ts'
import { AttuneError } from '../errors.ts'
import type { Role } from '../protocol/index.ts'

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

/** @throws AttuneError conflict if the name, one that looks like it, or the wallet is taken */
export async function insertUser(db: Db, user: Omit<UserRow, 'id'>): Promise<UserRow> {
  const { rows } = await db
    .query<UserRow>(
      `insert into users (username, skeleton, email, password_hash, role, guest, wallet) values ($1, $2, $3, $4, $5, $6, $7) returning ${columns}`,
      [user.username, skeletonOf(user.username), user.email, user.passwordHash, user.role, user.guest, user.wallet],
    )
    .catch(refused)
  return rows[0]!
}

/**
 * Turns a guest into an account: what it has done stays its own, because it stays the same row
 * (rule S5). Null if it is no longer a guest: another request was quicker.
 *
 * @throws AttuneError conflict, as for a new account
 */
export async function promoteGuest(
  db: Db,
  id: string,
  to: Partial<Pick<UserRow, 'username' | 'email' | 'passwordHash' | 'wallet'>>,
): Promise<UserRow | null> {
  const { rows } = await db
    .query<UserRow>(
      `update users set guest = false, username = coalesce($2, username), skeleton = coalesce($3, skeleton),
              email = coalesce($4, email), password_hash = coalesce($5, password_hash), wallet = coalesce($6, wallet)
       where id = $1 and guest and erased_at is null returning ${columns}`,
      [
        id,
        to.username,
        to.username === undefined ? null : skeletonOf(to.username),
        to.email,
        to.passwordHash,
        to.wallet,
      ],
    )
    .catch(refused)
  return rows[0] ?? null
}

function refused(error: unknown): never {
  if (isDuplicate(error, 'users_username_key'))
    throw new AttuneError('conflict', 'this name is taken', { path: 'username' })
  if (isDuplicate(error, 'users_skeleton_key'))
    throw new AttuneError('conflict', 'this name is taken, or looks like one that is', { path: 'username' })
  if (isDuplicate(error, 'users_wallet_key'))
    throw new AttuneError('conflict', 'this wallet belongs to another account')
  if (isRefusedBy(error, 'users_keep_an_admin')) {
    throw new AttuneError('conflict', 'this is the only administrator: make somebody else one first (rule S6)', {
      cause: error,
    })
  }
  throw error
}

export const findUser = (db: Db, id: string) => findBy(db, 'id', id)
/** By the exact name: one that only looks like it is somebody else's. */
export const findUserByName = (db: Db, username: string) => findBy(db, 'username', username)
/** By the name as typed: exactly, or as it is normalised at registration. One query, whoever exists. */
export async function findUserByTypedName(db: Db, typed: string): Promise<UserRow | null> {
  const { rows } = await db.query<UserRow>(
    `select ${columns} from users where username = any($1) and erased_at is null order by username = $2 desc limit 1`,
    [[typed, plainName(typed)], typed],
  )
  return rows[0] ?? null
}
export const findUserByWallet = (db: Db, wallet: string) => findBy(db, 'wallet', wallet)

/** Erased people are not found. */
async function findBy(db: Db, column: 'id' | 'username' | 'wallet', value: string): Promise<UserRow | null> {
  const { rows } = await db.query<UserRow>(`select ${columns} from users where ${column} = $1 and erased_at is null`, [
    value,
  ])
  return rows[0] ?? null
}

/**
 * Whether a name, or one that looks like it, is unavailable to anybody new. It may be taken meanwhile: inserting checks
 * it again.
 */
export async function isTaken(db: Db, username: string, exceptId: string | null): Promise<boolean> {
  const { rowCount } = await db.query(
    'select 1 from users where (skeleton = $1 or username = $2) and id is distinct from $3',
    [skeletonOf(username), username, exceptId],
  )
  return (rowCount ?? 0) > 0
}

/** Serialises transactions that act for a person, each until it ends. */
export async function lockUser(client: Db, id: string): Promise<void> {
  await client.query('select from users where id = $1 for update', [id])
}

/** The user of a login (null: a token without one), while both exist. */
export async function findSignedIn(db: Db, id: string, login: string | null): Promise<UserRow | null> {
  const [row] = await findManySignedIn(db, [{ userId: id, login }])
  return row ?? null
}

/** For each of these logins its user, or null if it or they are gone. */
export async function findManySignedIn(
  db: Db,
  logins: readonly { userId: string; login: string | null }[],
): Promise<(UserRow | null)[]> {
  const { rows } = await db.query<UserRow & { nth: number }>(
    `select asked.nth, ${columns} from unnest($1::uuid[], $2::uuid[]) with ordinality as asked (user_id, login, nth)
     join users on users.id = asked.user_id and users.erased_at is null
     where asked.login is null or exists (select 1 from refresh_tokens t where t.family = asked.login and t.user_id = users.id)`,
    [logins.map(({ userId }) => userId), logins.map(({ login }) => login)],
  )
  const found = new Map(rows.map(({ nth, ...row }) => [nth, row]))
  return logins.map((_, i) => found.get(i + 1) ?? null)
}

/** The administrators of this installation, the first one first. */
export async function administrators(db: Db): Promise<UserRow[]> {
  const { rows } = await db.query<UserRow>(
    `select ${columns} from users where role = 'admin' and erased_at is null order by created_at, id`,
  )
  return rows
}

/** Whom a payout belongs to while they have linked no wallet: the number that represents them in manifests. */
export async function payeeOf(db: Db, userId: string): Promise<`0x${string}`> {
  const { rows } = await db.query<{ payee: Buffer }>('select payee from users where id = $1', [userId])
  return `0x${rows[0]!.payee.toString('hex')}`
}

/** @throws AttuneError conflict if no administrator would be left (rule S6) */
export async function updateRole(db: Db, userId: string, role: Role): Promise<void> {
  await db.query('update users set role = $2 where id = $1', [userId, role]).catch(refused)
}

/** @throws AttuneError conflict if the wallet belongs to another account */
export async function linkWallet(db: Db, userId: string, wallet: string): Promise<void> {
  await db.query('update users set wallet = $2 where id = $1', [userId, wallet]).catch(refused)
}

/**
 * Removes what identifies a person; the row stays as the key of their votes (rule S4).
 *
 * @throws AttuneError conflict if no administrator would be left (rule S6)
 */
export async function eraseUser(db: Db, userId: string): Promise<void> {
  await db
    .query(
      `update users set username = 'erased ' || id, skeleton = null, email = null, password_hash = null, wallet = null, erased_at = now() where id = $1`,
      [userId],
    )
    .catch(refused)
}

/** Rows that are given their skeletons per batch. */
const SKELETONS = 1_000

/**
 * Gives the names of an older version their skeletons, oldest first. Where two look alike, both
 * keep their names: the older one has the skeleton, the newer one its own with its id appended.
 */
export async function giveSkeletons(db: Db): Promise<void> {
  for (;;) {
    const { rows } = await db.query<{ id: string; username: string }>(
      `select id, username from users where skeleton is null and erased_at is null order by created_at, id limit ${SKELETONS}`,
    )
    if (rows.length === 0) return
    const wanted = rows.map(({ username }) => skeletonOf(username))
    const { rows: had } = await db.query<{ skeleton: string }>('select skeleton from users where skeleton = any($1)', [
      wanted,
    ])
    const taken = new Set(had.map(({ skeleton }) => skeleton))
    const given = rows.map(({ id, username }) => {
      const looks = skeletonOf(username)
      const skeleton = taken.has(looks) ? `${looks} ${id}` : looks
      taken.add(skeleton)
      return skeleton
    })
    await db.query(
      'update users set skeleton = given.skeleton from unnest($1::uuid[], $2::text[]) as given (id, skeleton) where users.id = given.id and users.skeleton is null',
      [rows.map(({ id }) => id), given],
    )
  }
}
