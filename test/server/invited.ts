/** A world whose owner decides who may enter a session, for tests of that. */
import { randomUUID } from 'node:crypto'
import type { Audience, CreateInvite, NewInvite, SignedIn } from '../../core/protocol/index.ts'
import { newAccount, signInMessage } from '../helpers/accounts.ts'
import { admin, ask, call, connect, guest, type Client, type TestServer } from './attune.ts'

/** Many people come from one machine here; what is not about limits says where it comes from itself. */
export const crowded = { GUESTS_PER_HOUR: '100000', TRUST_PROXY: '1' }

let addresses = 0
/** A request's headers that say that it comes from somewhere else than all before: it is limited by itself. */
export const elsewhere = () => ({
  'x-forwarded-for': `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses++ & 255}`,
})

export const account = (server: TestServer): Promise<SignedIn> =>
  ask(server, 'POST', '/api/auth/register', {
    body: { username: `A ${randomUUID().slice(0, 8)}`, password: 'long enough' },
    headers: elsewhere(),
  })

/** Somebody of a role that only an administrator gives. */
export async function withRole(server: TestServer, role: 'trainer' | 'validator' | 'admin'): Promise<SignedIn> {
  const [boss, who] = [await admin(server), await account(server)]
  await ask(server, 'POST', '/api/auth/role', { token: boss.token, body: { userId: who.user.userId, role } })
  return who
}

/** An account with a wallet and without a password. */
export async function walletOwner(server: TestServer): Promise<SignedIn> {
  const wallet = newAccount()
  const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce', { headers: elsewhere() })
  const message = signInMessage({ address: wallet.address, nonce })
  return ask(server, 'POST', '/api/auth/wallet/verify', {
    body: { message, signature: await wallet.signMessage(message) },
    headers: elsewhere(),
  })
}

export async function startRun(server: TestServer, owner: SignedIn, audience: Audience): Promise<string> {
  const { sessionId } = await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
    token: owner.token,
    body: { modelId: 'demo', configuration: { live: { audience } } },
    headers: elsewhere(),
  })
  return sessionId
}

export const inviteTo = (
  server: TestServer,
  owner: SignedIn,
  sessionId: string,
  more: Partial<CreateInvite> = {},
): Promise<NewInvite> =>
  ask(server, 'POST', `/api/training/${sessionId}/invites`, {
    token: owner.token,
    body: { role: 'rater', cap: 100, expiresInHours: 1, ...more },
    headers: elsewhere(),
  })

export const accept = (server: TestServer, who: SignedIn, token: string) =>
  call<{ sessionId: string }>(server, 'POST', '/api/invites/accept', {
    token: who.token,
    body: { token },
    headers: elsewhere(),
  })

/** A guest who has come by a link. */
export async function invitee(server: TestServer, link: NewInvite): Promise<SignedIn> {
  const who = await guest(server)
  const { status } = await accept(server, who, link.token)
  if (status !== 200) throw new Error(`the invitation was answered by ${status}`)
  return who
}

export const setAudience = (
  server: TestServer,
  owner: SignedIn,
  sessionId: string,
  audience: Audience,
  reason?: string,
) =>
  ask(server, 'POST', `/api/training/${sessionId}/audience`, {
    token: owner.token,
    body: { audience, ...(reason !== undefined && { reason }) },
    headers: elsewhere(),
  })

/** A socket that does not come back by itself, and when it was put out. */
export async function visit(server: TestServer, who: SignedIn): Promise<Client & { gone: Promise<void> }> {
  const client = await connect(server, who.token, { reconnection: false })
  return { ...client, gone: new Promise((resolve) => void client.socket.once('disconnect', () => resolve())) }
}
