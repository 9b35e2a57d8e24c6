import { randomBytes } from 'node:crypto'
import { checkPassword, hashPassword } from './password.ts'
import type { Seal } from './seal.ts'
import { hashToken, newRefreshToken, REFRESH_MS, signAccessToken, verifyAccessToken } from './tokens.ts'
import { verifySiwe } from './wallet.ts'
import { appealsOf, eraseAppeals } from '../db/appeals.ts'
import { exclusionsOfUser, forgetExclusions } from '../db/exclusions.ts'
import { asksOf, forgetAsks } from '../db/samples.ts'
import { eraseVotes, listVotes } from '../db/feedback.ts'
import { transaction, type Pool } from '../db/pool.ts'
import { receiptsOfUser } from '../db/receipts.ts'
import { saveRefreshToken, takeRefreshToken } from '../db/tokens.ts'
import { eraseUser, findUser, findUserByName, findUserByWallet, insertUser, linkWallet, updateRole, type UserRow } from '../db/users.ts'
import { AttuneError } from '../errors.ts'
import type { Newcomers } from '../newcomers.ts'
import { permissionsOf, type Caller } from '../permissions.ts'
import type { Role, SignedIn, User } from '../protocol.ts'

export type Accounts = ReturnType<typeof createAccounts>

export interface AccountsDeps {
  pool: Pool
  seal: Seal
  jwtSecret: string
  /** Hosts (with port) that wallet messages may be for. */
  siweDomains: readonly string[]
  newcomers: Newcomers
}

/** Who people are: how they come, come back, and leave. */
export function createAccounts({ pool, seal, jwtSecret, siweDomains, newcomers }: AccountsDeps) {
  const toUser = (row: UserRow): User => ({
    userId: row.id,
    username: row.username,
    email: row.email === null ? null : seal.open(row.email),
    role: row.role,
    guest: row.guest,
    permissions: [...permissionsOf(row.role, row.guest)],
    walletAddress: row.wallet,
  })

  const signIn = async (row: UserRow): Promise<SignedIn> => {
    const refresh = newRefreshToken()
    await saveRefreshToken(pool, refresh.hash, row.id, new Date(Date.now() + REFRESH_MS))
    const user = toUser(row)
    return { token: signAccessToken(user, jwtSecret), refreshToken: refresh.token, user }
  }

  return {
    /** A new guest. A name that is taken gets a number behind it: being asked for another one is no one click. */
    async guest(displayName: string | undefined, address: string): Promise<SignedIn> {
      const name = (displayName ?? 'Guest').slice(0, 55)
      return newcomers.admit(address, async () => {
        for (let attempt = 0; ; attempt++) {
          const suffix = attempt === 0 && displayName !== undefined ? '' : ` ${randomBytes(4).readUInt32BE() % 10 ** Math.min(4 + attempt, 8)}`
          try {
            return await signIn(await insertUser(pool, { ...noCredentials, username: name + suffix, role: 'contributor', guest: true }))
          } catch (error) {
            if (!(error instanceof AttuneError && error.code === 'conflict') || attempt === 5) throw error
          }
        }
      })
    },

    async register(username: string, password: string, email: string | undefined, address: string): Promise<SignedIn> {
      return newcomers.admit(address, async () => {
        const passwordHash = await hashPassword(password)
        const sealed = email === undefined ? null : seal.seal(email)
        return signIn(await insertUser(pool, { ...noCredentials, username, passwordHash, email: sealed, role: 'contributor' }))
      })
    },

    async login(username: string, password: string): Promise<SignedIn> {
      const row = await findUserByName(pool, username)
      if (!(await checkPassword(password, row?.passwordHash ?? null)) || row === null) {
        throw new AttuneError('unauthenticated', 'the name or the password is wrong')
      }
      return signIn(row)
    },

    /** A refresh token is good once: the answer holds the next one. */
    async refresh(refreshToken: string): Promise<SignedIn> {
      const userId = await takeRefreshToken(pool, hashToken(refreshToken))
      const row = userId === null ? null : await findUser(pool, userId)
      if (row === null) throw new AttuneError('unauthenticated', 'the refresh token is unknown, used or expired: sign in again')
      return signIn(row)
    },

    async logout(refreshToken: string): Promise<void> {
      await takeRefreshToken(pool, hashToken(refreshToken))
    },

    /** Signs in by wallet: into the caller's account, linking the wallet, or the wallet's own, which the first time makes. */
    async wallet(message: string, signature: string, caller: Caller | null, address: string): Promise<SignedIn> {
      const wallet = await verifySiwe(pool, message, signature, siweDomains)
      if (caller !== null) await linkWallet(pool, caller.userId, wallet)
      const row =
        (await findUserByWallet(pool, wallet)) ??
        (await newcomers.admit(address, () => insertUser(pool, { ...noCredentials, username: `${wallet.slice(0, 6)}…${wallet.slice(-6)}`, wallet, role: 'contributor' })))
      return signIn(row)
    },

    /** Whose token it is, with the rights that they have now. @throws AttuneError unauthenticated */
    async authenticate(token: string): Promise<Caller> {
      const row = await findUser(pool, verifyAccessToken(token, jwtSecret))
      if (row === null) throw new AttuneError('unauthenticated', 'this account is gone')
      const { id: userId, username, role, guest, wallet: walletAddress } = row
      return { userId, username, role, guest, walletAddress, permissions: permissionsOf(role, guest) }
    },

    /** @throws AttuneError not-found, forbidden for the caller's own: an installation keeps an admin */
    async setRole(caller: Caller, username: string, role: Role): Promise<Pick<User, 'userId' | 'username' | 'role'>> {
      const row = await findUserByName(pool, username)
      if (row === null) throw new AttuneError('not-found', `nobody here is called ${username}`, { path: 'username' })
      if (row.guest) throw new AttuneError('conflict', `${username} is a guest: a role needs an account`, { path: 'username' })
      if (row.id === caller.userId) throw new AttuneError('forbidden', 'nobody changes their own role: another admin has to')
      await updateRole(pool, row.id, role)
      return { userId: row.id, username, role }
    },

    async me(userId: string): Promise<User> {
      const row = await findUser(pool, userId)
      if (row === null) throw new AttuneError('not-found', 'this account is gone')
      return toUser(row)
    },

    /** Everything that is stored about somebody (rule S4). */
    async exportAll(userId: string) {
      const [user, votes, receipts, questions, appeals, exclusions] = await Promise.all([
        this.me(userId),
        listVotes(pool, { userId, limit: EXPORT_LIMIT }),
        receiptsOfUser(pool, userId, EXPORT_LIMIT),
        asksOf(pool, userId),
        appealsOf(pool, userId, EXPORT_LIMIT),
        exclusionsOfUser(pool, userId),
      ])
      return { user, votes, receipts, questions, appeals, exclusions }
    },

    /** Erases somebody: their name, address and words go, their votes are withdrawn and no later step uses them (rules S4, T3). */
    async erase(userId: string): Promise<void> {
      await transaction(pool, async (client) => {
        await eraseVotes(client, userId)
        await forgetAsks(client, userId)
        await eraseAppeals(client, userId)
        await forgetExclusions(client, userId)
        await eraseUser(client, userId)
      })
    },
  }
}

const noCredentials = { email: null, passwordHash: null, wallet: null, guest: false }
const EXPORT_LIMIT = 1_000_000
