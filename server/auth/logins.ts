import { randomUUID } from 'node:crypto'
import {
  hashToken,
  newRefreshToken,
  nextRefreshToken,
  REFRESH_GRACE_MS,
  refreshMs,
  signAccessToken,
  verifyAccessToken,
} from './tokens.ts'
import type { Seal } from './seal.ts'
import { transaction, type Db, type Pool } from '../../core/db/pool.ts'
import {
  endLoginOf,
  forgetUsedTokens,
  saveRefreshToken,
  usedRefreshToken,
  useRefreshToken,
  type Login,
} from '../../core/db/refresh-tokens.ts'
import { findManySignedIn, findSignedIn, findUser, type UserRow } from '../../core/db/users.ts'
import { AttuneError } from '../../core/errors.ts'
import { permissionsOf, type Caller } from '../../core/permissions.ts'
import type { SignedIn, User } from '../../core/protocol/index.ts'

/** Days for which a used refresh token is remembered. */
const USED_DAYS = 7

/** Somebody who is signed in: their rights, their login, and when their token expires. */
export interface Presence {
  caller: Caller
  login: string | null
  /** Milliseconds since 1970. */
  expiresAt: number
}

export type Logins = ReturnType<typeof createLogins>

/** Logins: each begins with a pair of tokens, is renewed by its refresh token, and ends everywhere at once. */
export function createLogins({ pool, seal, jwtSecret }: { pool: Pool; seal: Seal; jwtSecret: string }) {
  const toUser = (row: UserRow): User => ({
    userId: row.id,
    username: row.username,
    email: row.email === null ? null : seal.open(row.email),
    role: row.role,
    guest: row.guest,
    permissions: [...permissionsOf(row.role, row.guest)],
    walletAddress: row.wallet,
  })
  const save = (db: Db, row: UserRow, login: string, refreshToken: string) =>
    saveRefreshToken(db, {
      hash: hashToken(refreshToken),
      userId: row.id,
      login,
      expiresAt: new Date(Date.now() + refreshMs(row.guest)),
    })
  const answer = (row: UserRow, login: string, refreshToken: string): SignedIn => {
    const user = toUser(row)
    return { token: signAccessToken(user, login, jwtSecret), refreshToken, user }
  }

  /**
   * The login that a refresh token renews, with its user and its next token. Within the grace
   * period everybody gets the same next one. A guest may have lost the response in a long outage
   * and has no other way back, so theirs is valid until the next one is used.
   */
  async function renew(
    db: Db,
    refreshToken: string,
  ): Promise<{ row: UserRow | null; login: string; next: string } | { misused: Login } | null> {
    const hash = hashToken(refreshToken)
    const next = nextRefreshToken(refreshToken, jwtSecret)
    const first = await useRefreshToken(db, hash)
    if (first !== null) {
      const row = await findUser(db, first.userId)
      if (row !== null) await save(db, row, first.login, next)
      await forgetUsedTokens(db, first.login, USED_DAYS)
      return { row, login: first.login, next }
    }
    const used = await usedRefreshToken(db, hash, hashToken(next))
    if (used === null) return null
    const row = await findUser(db, used.userId)
    if (used.age <= REFRESH_GRACE_MS || (row?.guest === true && !used.followed)) return { row, login: used.login, next }
    await endLoginOf(db, hash)
    return { misused: used }
  }

  return {
    toUser,

    /** Begins a login. */
    async begin(row: UserRow): Promise<SignedIn> {
      const login = randomUUID()
      const refreshToken = newRefreshToken()
      await save(pool, row, login, refreshToken)
      return answer(row, login, refreshToken)
    },

    /**
     * A refresh token is valid once, and a little longer for whoever lost the response, which holds
     * the next one. One that comes back later was stolen, or its successor was, so the login ends.
     *
     * @throws AttuneError unauthenticated, after notifying `misused`
     */
    async refresh(refreshToken: string, misused: (login: Login) => void): Promise<SignedIn> {
      const renewed = await transaction(pool, (client) => renew(client, refreshToken))
      if (renewed !== null && 'misused' in renewed) misused(renewed.misused)
      if (renewed === null || 'misused' in renewed || renewed.row === null) {
        throw new AttuneError('unauthenticated', 'the refresh token is unknown, used or expired: sign in again')
      }
      return answer(renewed.row, renewed.login, renewed.next)
    },

    /** Ends the login that this refresh token belongs to; null if there is none any more. */
    end: (refreshToken: string): Promise<Login | null> => endLoginOf(pool, hashToken(refreshToken)),

    /** Whose token it is, with their current rights. @throws AttuneError unauthenticated */
    async identify(token: string): Promise<Presence> {
      const { userId, login, expiresAt } = verifyAccessToken(token, jwtSecret)
      const row = await findSignedIn(pool, userId, login)
      if (row === null) throw new AttuneError('unauthenticated', 'this sign-in has ended: sign in again')
      return { caller: callerOf(row), login, expiresAt }
    },

    /** The current state of these people; null for those no longer signed in. */
    async again(logins: readonly { userId: string; login: string | null }[]): Promise<(Caller | null)[]> {
      const rows = logins.length === 0 ? [] : await findManySignedIn(pool, logins)
      return rows.map((row) => row && callerOf(row))
    },
  }
}

const callerOf = ({ id: userId, username, role, guest, wallet: walletAddress }: UserRow): Caller => ({
  userId,
  username,
  role,
  guest,
  walletAddress,
  permissions: permissionsOf(role, guest),
})
