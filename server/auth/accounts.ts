import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { plainHost } from './address.ts'
import { createLockout } from './lockout.ts'
import { createLogins } from './logins.ts'
import { nameOf, skeletonOf } from '../../core/names.ts'
import { checkPassword, hashPassword } from './password.ts'
import type { Seal } from './seal.ts'
import { issueNonce, verifySiwe } from './wallet.ts'
import { appealsOf, eraseAppeals } from '../../core/db/appeals.ts'
import { forgetDecisions } from '../../core/db/decisions.ts'
import { exclusionsOfUser, forgetExclusions } from '../../core/db/exclusions.ts'
import { eraseVotes, listVotes } from '../../core/db/feedback.ts'
import { acceptancesOf, forgetInvites } from '../../core/db/invites.ts'
import { transaction, type Db, type Pool } from '../../core/db/pool.ts'
import { receiptsOfUser } from '../../core/db/receipts.ts'
import { endLoginsOf } from '../../core/db/refresh-tokens.ts'
import { isRetired, retireName } from '../../core/db/retired-names.ts'
import { asksOf, forgetAsks } from '../../core/db/samples.ts'
import { forgetAddresses, knowsAddress, rememberAddress } from '../../core/db/sign-in-addresses.ts'
import {
  administrators,
  eraseUser,
  findUser,
  findUserByName,
  findUserByTypedName,
  findUserByWallet,
  insertUser,
  isTaken,
  linkWallet,
  promoteGuest,
  updateRole,
  type UserRow,
} from '../../core/db/users.ts'
import { eraseBegun } from '../../core/db/vote-begun.ts'
import { AttuneError, toAttuneError } from '../../core/errors.ts'
import { networkOf, type Newcomers } from '../limits/newcomers.ts'
import type { Caller } from '../../core/permissions.ts'
import type { Role, SignedIn, User } from '../../core/protocol/index.ts'

export type Accounts = ReturnType<typeof createAccounts>

export interface AccountsDeps {
  pool: Pool
  redis: Redis
  log: Logger
  seal: Seal
  jwtSecret: string
  /** Where the page is, for wallet messages: PUBLIC_URL's host, or null: the host of the request. */
  publicHost: string | null
  /** Further hosts (with port) that wallet messages may be for. */
  otherHosts: readonly string[]
  newcomers: Newcomers
}

/** Accounts: how people sign up, sign in, and leave. */
export function createAccounts({ pool, redis, log, seal, jwtSecret, publicHost, otherHosts, newcomers }: AccountsDeps) {
  const logins = createLogins({ pool, seal, jwtSecret })
  const lockout = createLockout(redis)
  const digestOfName = (name: string) => seal.digest('name', skeletonOf(name))
  const digestOfAddress = (address: string) => seal.digest('address', networkOf(address))

  /**
   * Inserts a row whose name nobody has, or had before they were erased: that is checked afterwards, so that a
   * concurrent erasure is seen.
   */
  const withName = (name: string, make: (db: Db) => Promise<UserRow>): Promise<UserRow> =>
    transaction(pool, async (client) => {
      const row = await make(client)
      if (await isRetired(client, digestOfName(name)))
        throw new AttuneError('conflict', 'this name was somebody’s who is gone: choose another one', {
          path: 'username',
        })
      return row
    })

  /**
   * For a wallet's first sign-in: the guest's own account, or a new one, named after the wallet if there is no better
   * name.
   */
  async function walletAccount(wallet: string, guest: Caller | null, address: string): Promise<UserRow> {
    if (guest === null) return newcomers.admit(address, () => namedAccount(wallet, null))
    return namedAccount(wallet, guest)
  }
  async function namedAccount(wallet: string, guest: Caller | null): Promise<UserRow> {
    const own = guest !== null && !/^Guest \d+$/.test(guest.username)
    for (const name of [
      ...(own ? [null] : []),
      `${wallet.slice(0, 6)}…${wallet.slice(-6)}`,
      wallet,
      `${wallet} ${randomBytes(3).toString('hex')}`,
    ]) {
      try {
        if (guest === null)
          return await withName(name ?? '', (db) =>
            insertUser(db, { ...noCredentials, username: name ?? wallet, wallet, role: 'contributor' }),
          )
        const row = await promoteGuest(pool, guest.userId, { wallet, ...(name !== null && { username: name }) })
        if (row !== null) return row
        throw alreadyAccount()
      } catch (error) {
        if (!(error instanceof AttuneError && error.path === 'username')) throw error
      }
    }
    throw new AttuneError(
      'conflict',
      'no name could be found for this wallet: make an account first, and connect the wallet to it',
    )
  }

  return {
    /**
     * A new guest. A name that is taken gets a number appended: asking for another one would cost more than one click.
     */
    async guest(displayName: string | undefined, address: string): Promise<SignedIn> {
      const name = [...nameOf(displayName ?? 'Guest', 'displayName')].slice(0, 55).join('')
      return newcomers.admit(address, async () => {
        for (let attempt = 0; ; attempt++) {
          const suffix =
            attempt === 0 && displayName !== undefined
              ? ''
              : ` ${randomBytes(4).readUInt32BE() % 10 ** Math.min(4 + attempt, 8)}`
          const username = name + suffix
          try {
            return await logins.begin(
              await withName(username, (db) =>
                insertUser(db, { ...noCredentials, username, role: 'contributor', guest: true }),
              ),
            )
          } catch (error) {
            if (!(error instanceof AttuneError && error.code === 'conflict') || attempt === 5) throw error
          }
        }
      })
    },

    /** Creates an account. A guest is upgraded to it, with all that they have done (rule S5). */
    async register(
      given: { username: string; password: string; email?: string | undefined },
      caller: Caller | null,
      address: string,
    ): Promise<SignedIn> {
      const username = nameOf(given.username, 'username')
      const guest = caller?.guest === true ? caller : null
      // Before the expensive hashing; the database makes the final decision.
      if (await isTaken(pool, username, guest?.userId ?? null))
        throw new AttuneError('conflict', 'this name is taken, or looks like one that is', { path: 'username' })
      const email = given.email === undefined ? null : seal.seal(given.email)
      const make = async (): Promise<UserRow> => {
        const passwordHash = await hashPassword(given.password)
        return withName(username, async (db) => {
          if (guest === null)
            return insertUser(db, { ...noCredentials, username, passwordHash, email, role: 'contributor' })
          const promoted = await promoteGuest(db, guest.userId, {
            username,
            passwordHash,
            ...(email !== null && { email }),
          })
          if (promoted === null) throw alreadyAccount()
          return promoted
        })
      }
      // A guest who becomes an account does not count as new.
      const row = await (guest === null ? newcomers.admit(address, make) : make())
      await rememberAddress(pool, row.id, digestOfAddress(address))
      return logins.begin(row)
    },

    /** @throws AttuneError unauthenticated; too-frequent with the seconds to wait, longer with each wrong password */
    async login(username: string, password: string, at: string): Promise<SignedIn> {
      const row = await findUserByTypedName(pool, username)
      const address = digestOfAddress(at)
      const name = digestOfName(username)
      const known = await knowsAddress(pool, row?.id ?? null, address)
      const attempt = {
        pair: Buffer.concat([name, address]).toString('base64url'),
        address: address.toString('base64url'),
        ...(!known && { name: name.toString('base64url') }),
      }
      try {
        const right = await lockout.try(attempt, () => checkPassword(password, row?.passwordHash ?? null))
        if (!right || row === null) {
          throw new AttuneError('unauthenticated', 'the name or the password is wrong')
        }
      } catch (error) {
        const { code, retryAfter } = toAttuneError(error)
        const who = row === null ? { nameHash: name.toString('hex').slice(0, 16) } : { userId: row.id }
        log.warn(
          {
            event: 'sign-in-failed',
            reason: code,
            ...who,
            addressHash: address.toString('hex').slice(0, 16),
            ...(retryAfter !== undefined && { retryAfter }),
          },
          'a sign-in failed',
        )
        throw error
      }
      await rememberAddress(pool, row.id, address)
      return logins.begin(row)
    },

    refresh: logins.refresh,
    logout: logins.end,
    identify: logins.identify,
    again: logins.again,

    /** Whose token it is, with their current rights. @throws AttuneError unauthenticated */
    authenticate: async (token: string): Promise<Caller> => (await logins.identify(token)).caller,

    walletNonce: () => issueNonce(jwtSecret),

    /**
     * Signs in by wallet: into its account, if any. Otherwise it is linked to the caller's
     * account; a guest becomes its account; and without a caller it gets a new one.
     */
    async wallet(
      { message, signature }: { message: string; signature: string },
      caller: Caller | null,
      from: { address: string; host: string },
    ): Promise<SignedIn> {
      const domains = [publicHost ?? plainHost(from.host), ...otherHosts]
      const wallet = await verifySiwe(pool, message, signature, { domains, secret: jwtSecret })
      if (caller !== null && !caller.guest) await linkWallet(pool, caller.userId, wallet)
      const row = (await findUserByWallet(pool, wallet)) ?? (await walletAccount(wallet, caller, from.address))
      await rememberAddress(pool, row.id, digestOfAddress(from.address))
      return logins.begin(row)
    },

    /**
     * Gives a role to one account, named by its id or by its exact name: one that only looks like it is another's.
     *
     * @throws AttuneError not-found; conflict for a guest, and for the last administrator (rule S6); forbidden for the
     *   caller's own
     */
    async setRole(
      caller: Caller,
      to: { userId?: string | undefined; username?: string | undefined },
      role: Role,
    ): Promise<Pick<User, 'userId' | 'username' | 'role'>> {
      const row =
        to.userId !== undefined ? await findUser(pool, to.userId) : await findUserByName(pool, to.username ?? '')
      const path = to.userId !== undefined ? 'userId' : 'username'
      if (row === null)
        throw new AttuneError('not-found', `nobody here is called ${to.userId ?? to.username}`, { path })
      if (row.guest) throw new AttuneError('conflict', `${row.username} is a guest: a role needs an account`, { path })
      if (row.id === caller.userId) {
        const only = (await administrators(pool)).length === 1
        throw new AttuneError(
          'forbidden',
          `nobody changes their own role: another administrator has to${only ? ', and you are the only one' : ''}`,
        )
      }
      await updateRole(pool, row.id, role)
      return { userId: row.id, username: row.username, role }
    },

    async me(userId: string): Promise<User> {
      const row = await findUser(pool, userId)
      if (row === null) throw new AttuneError('not-found', 'this account is gone')
      return logins.toUser(row)
    },

    /** Everything that is stored about somebody (rule S4). */
    async exportAll(userId: string) {
      const [user, votes, receipts, questions, appeals, exclusions, invites] = await Promise.all([
        this.me(userId),
        listVotes(pool, { userId, limit: EXPORT_LIMIT }),
        receiptsOfUser(pool, userId, EXPORT_LIMIT),
        asksOf(pool, userId),
        appealsOf(pool, userId, EXPORT_LIMIT),
        exclusionsOfUser(pool, userId),
        acceptancesOf(pool, userId),
      ])
      return { user, votes, receipts, questions, appeals, exclusions, invites }
    },

    /**
     * Erases a person: their name, address and words go, their votes are withdrawn and no later
     * step uses them (rules S4, T3). Nobody takes their name afterwards.
     *
     * @throws AttuneError conflict for the last administrator (rule S6)
     */
    async erase(userId: string): Promise<void> {
      await transaction(pool, async (client) => {
        const row = await findUser(client, userId)
        if (row === null) return
        await eraseVotes(client, userId)
        await forgetAsks(client, userId)
        await eraseAppeals(client, userId)
        await forgetExclusions(client, userId)
        await forgetInvites(client, userId)
        await eraseUser(client, userId)
        await forgetDecisions(client, userId)
        await endLoginsOf(client, userId)
        await forgetAddresses(client, userId)
        await eraseBegun(client, userId)
        await retireName(client, digestOfName(row.username))
      })
    },
  }
}

const alreadyAccount = () => new AttuneError('conflict', 'this guest has just become an account: sign in to it')
const noCredentials = { email: null, passwordHash: null, wallet: null, guest: false }
const EXPORT_LIMIT = 1_000_000
