import { z } from 'zod'
import { route } from './route.ts'
import { issueNonce } from '../auth/wallet.ts'
import { EVERYWHERE } from '../room.ts'
import { publish } from '../core.ts'
import { Credentials, HumanFeedback, Receipt, SetRole, User } from '../protocol.ts'
import { Appeal } from '../protocol-rewards.ts'

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
    handle: ({ core, body, address }) => core.accounts.guest(body.displayName, address),
  }),
  route('post', '/api/auth/register', {
    access: 'public',
    summary: 'Make an account',
    body: Credentials.register,
    answer: SignedIn,
    status: 201,
    cost: 10,
    handle: ({ core, body, address }) => core.accounts.register(body.username, body.password, body.email, address),
  }),
  route('post', '/api/auth/login', {
    access: 'public',
    summary: 'Sign in by name and password',
    body: Credentials.login,
    answer: SignedIn,
    cost: 10,
    handle: ({ core, body }) => core.accounts.login(body.username, body.password),
  }),
  route('post', '/api/auth/refresh', {
    access: 'public',
    summary: 'Get a new access token; the refresh token is good once',
    body: Credentials.refresh,
    answer: SignedIn,
    handle: ({ core, body }) => core.accounts.refresh(body.refreshToken),
  }),
  route('post', '/api/auth/logout', {
    access: 'public',
    summary: 'End a login: its refresh token is good no more',
    body: Credentials.refresh,
    answer: Nothing,
    async handle({ core, body }) {
      await core.accounts.logout(body.refreshToken)
      return {}
    },
  }),
  route('post', '/api/auth/wallet/nonce', {
    access: 'public',
    summary: 'A nonce for Sign-In with Ethereum',
    answer: z.object({ nonce: z.string(), expiresAt: z.iso.datetime() }),
    handle: ({ core }) => issueNonce(core.pool),
  }),
  route('post', '/api/auth/wallet/verify', {
    access: 'public',
    summary: 'Sign in by a signed message; with a token sent along, link the wallet to that account',
    body: Credentials.walletVerify,
    answer: SignedIn,
    cost: 5,
    handle: ({ core, caller, body, address }) => core.accounts.wallet(body.message, body.signature, caller, address),
  }),
  route('get', '/api/auth/me', {
    access: 'own',
    summary: 'Who I am, and what I may do',
    answer: User,
    handle: ({ core, caller }) => core.accounts.me(caller.userId),
  }),
  route('post', '/api/auth/role', {
    access: 'administer',
    summary: 'Give somebody a role: contributor, trainer (a researcher), validator or admin',
    body: SetRole,
    answer: User.pick({ userId: true, username: true, role: true }),
    handle: ({ core, caller, body }) => core.accounts.setRole(caller, body.username, body.role),
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
      exclusions: z.array(z.object({ sessionId: z.string(), reason: z.string(), at: z.iso.datetime(), readmittedAt: z.iso.datetime().nullable() })),
    }),
    cost: 20,
    handle: ({ core, caller }) => core.accounts.exportAll(caller.userId),
  }),
  route('delete', '/api/auth/me', {
    access: 'own',
    summary: 'Erase me: name, address and words go, no later step uses my votes',
    answer: Nothing,
    async handle({ core, caller }) {
      await core.accounts.erase(caller.userId)
      publish(core, EVERYWHERE, { event: 'erased', payload: { userId: caller.userId } })
      return {}
    },
  }),
]
