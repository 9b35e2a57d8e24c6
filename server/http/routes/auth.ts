import { z } from 'zod'
import { route } from './route.ts'
import { EVERYWHERE } from '../../../core/events/log.ts'
import { publish, type Deps } from '../../deps.ts'
import { Credentials, HumanFeedback, InviteRole, Receipt, SetRole, User, Appeal } from '../../../core/protocol/index.ts'

const SignedIn = z.object({ token: z.string(), refreshToken: z.string(), user: User })
const Nothing = z.object({})

export const authRoutes = [
  route('post', '/api/auth/guest', {
    access: 'public',
    summary: 'Come in as a guest, with one click',
    body: Credentials.guest,
    answer: SignedIn,
    status: 201,
    cost: 2,
    handle: ({ deps, body, address }) => deps.accounts.guest(body.displayName, address),
  }),
  route('post', '/api/auth/register', {
    access: 'public',
    summary: 'Make an account; with a guest’s token sent along, the guest becomes it',
    body: Credentials.register,
    answer: SignedIn,
    status: 201,
    cost: 10,
    async handle({ deps, caller, body, address }) {
      const signedIn = await deps.accounts.register(body, caller, address)
      if (caller?.userId === signedIn.user.userId) tellServers(deps, caller.userId)
      return signedIn
    },
  }),
  route('post', '/api/auth/login', {
    access: 'public',
    summary: 'Sign in by name and password',
    body: Credentials.login,
    answer: SignedIn,
    cost: 10,
    handle: ({ deps, body, address }) => deps.accounts.login(body.username, body.password, address),
  }),
  route('post', '/api/auth/refresh', {
    access: 'public',
    summary: 'Get a new access token; the refresh token is good once',
    body: Credentials.refresh,
    answer: SignedIn,
    handle: ({ deps, body }) => deps.accounts.refresh(body.refreshToken, ({ userId }) => tellServers(deps, userId)),
  }),
  route('post', '/api/auth/logout', {
    access: 'public',
    summary: 'End a login: its tokens are good no more, and its sockets end',
    body: Credentials.refresh,
    answer: Nothing,
    async handle({ deps, body }) {
      const ended = await deps.accounts.logout(body.refreshToken)
      if (ended !== null) tellServers(deps, ended.userId)
      return {}
    },
  }),
  route('post', '/api/auth/wallet/nonce', {
    access: 'public',
    summary: 'A nonce for Sign-In with Ethereum',
    answer: z.object({ nonce: z.string(), expiresAt: z.iso.datetime() }),
    handle: ({ deps }) => deps.accounts.walletNonce(),
  }),
  route('post', '/api/auth/wallet/verify', {
    access: 'public',
    summary:
      'Sign in by a signed message; with a token sent along, link the wallet to that account, which a guest becomes',
    body: Credentials.walletVerify,
    answer: SignedIn,
    cost: 5,
    async handle({ deps, caller, body, address, host }) {
      const signedIn = await deps.accounts.wallet(body, caller, { address, host })
      tellServers(deps, signedIn.user.userId)
      return signedIn
    },
  }),
  route('get', '/api/auth/me', {
    access: 'own',
    summary: 'Who I am, and what I may do',
    answer: User,
    handle: ({ deps, caller }) => deps.accounts.me(caller.userId),
  }),
  route('post', '/api/auth/role', {
    access: 'administer',
    summary: 'Give somebody a role: contributor, trainer (a researcher), validator or admin',
    body: SetRole,
    answer: User.pick({ userId: true, username: true, role: true }),
    async handle({ deps, caller, body }) {
      const given = await deps.accounts.setRole(caller, body, body.role)
      tellServers(deps, given.userId)
      return given
    },
  }),
  route('get', '/api/auth/export', {
    access: 'own',
    summary: 'Everything that is stored about me',
    answer: z.object({
      user: User,
      votes: z.array(HumanFeedback),
      receipts: z.array(Receipt),
      questions: z.array(z.object({ id: z.uuid(), sessionId: z.string(), prompt: z.string(), response: z.string() })),
      appeals: z.array(Appeal),
      exclusions: z.array(
        z.object({
          sessionId: z.string(),
          reason: z.string(),
          at: z.iso.datetime(),
          readmittedAt: z.iso.datetime().nullable(),
        }),
      ),
      invites: z.array(z.object({ sessionId: z.string(), role: InviteRole, acceptedAt: z.iso.datetime() })),
    }),
    cost: 20,
    handle: ({ deps, caller }) => deps.accounts.exportAll(caller.userId),
  }),
  route('delete', '/api/auth/me', {
    access: 'own',
    summary: 'Erase me: name, address and words go, no later step uses my votes',
    answer: Nothing,
    async handle({ deps, caller }) {
      await deps.accounts.erase(caller.userId)
      publish(deps, EVERYWHERE, { event: 'erased', payload: { userId: caller.userId } })
      return {}
    },
  }),
]

/** Every server rechecks this person's sockets: whether they are still signed in, and what they may do. */
const tellServers = (deps: Deps, userId: string): void =>
  publish(deps, EVERYWHERE, { event: 'identity', payload: { userId } })
