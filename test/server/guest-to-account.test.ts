/** A guest who makes an account, or signs in by wallet for the first time, is that account from then on (rule S5). */
import jwt from 'jsonwebtoken'
import { expect, test } from 'vitest'
import type { HumanFeedback, SignedIn, User } from '../../core/protocol/index.ts'
import { type Account, newAccount, signInMessage } from '../helpers/accounts.ts'
import { addSample, ask, call, connect, guest, useServer, useWorld, vote } from './attune.ts'

const world = useWorld()
const server = useServer(world)

const password = 'a good password'
const register = (token: string | undefined, username: string) =>
  call<SignedIn>(server, 'POST', '/api/auth/register', {
    ...(token !== undefined && { token }),
    body: { username, password, email: 'x@example.org' },
  })
const votesOf = async (token: string) =>
  (await ask<{ votes: HumanFeedback[] }>(server, 'GET', '/api/auth/export', { token })).votes.map(({ id }) => id)

async function byWallet(account: Account, token?: string) {
  const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce')
  const message = signInMessage({ address: account.address, nonce })
  return call<SignedIn>(server, 'POST', '/api/auth/wallet/verify', {
    body: { message, signature: await account.signMessage(message) },
    ...(token !== undefined && { token }),
  })
}

test('S5: a guest who registers keeps its user id and its votes, and gets an account’s name and rights', async () => {
  const before = await guest(server, 'Greta')
  const given = vote(await addSample(world.pool))
  await ask(server, 'POST', '/api/feedback', { token: before.token, body: given })
  const { status, body } = await register(before.token, 'Greta Account')
  expect(status).toBe(201)
  expect(body).toMatchObject({
    success: true,
    data: {
      user: {
        userId: before.user.userId,
        username: 'Greta Account',
        guest: false,
        email: 'x@example.org',
        permissions: expect.arrayContaining(['vote:free']),
      },
    },
  })
  const after = await ask<SignedIn>(server, 'POST', '/api/auth/login', {
    body: { username: 'Greta Account', password },
  })
  expect(after.user.userId).toBe(before.user.userId)
  expect(await votesOf(after.token)).toEqual([given.id])
  // The name that the guest had is free again: it was theirs, and is no more.
  expect((await guest(server, 'Greta')).user.username).toBe('Greta')
})

test('S5: tokens that the guest had go on as the account’s, with its claims once they are renewed', async () => {
  const before = await guest(server)
  await register(before.token, 'Renewed')
  expect(await ask<User>(server, 'GET', '/api/auth/me', { token: before.token })).toMatchObject({
    userId: before.user.userId,
    username: 'Renewed',
    guest: false,
  })
  const next = await ask<SignedIn>(server, 'POST', '/api/auth/refresh', { body: { refreshToken: before.refreshToken } })
  expect(next.user).toMatchObject({ userId: before.user.userId, username: 'Renewed', guest: false })
  expect(jwt.decode(next.token)).toMatchObject({
    userId: before.user.userId,
    username: 'Renewed',
    permissions: expect.arrayContaining(['vote:free']),
  })
})

test('S5: of two registrations of one guest at once, one is the account and the other is told so', async () => {
  const before = await guest(server)
  const answers = await Promise.all(
    ['Twice One', 'Twice Two', 'Twice Three'].map((name) => register(before.token, name)),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409])
  expect((await world.pool.query('select 1 from users where username like $1', ['Twice%'])).rowCount).toBe(1)
  const won = answers.find(({ status }) => status === 201)
  expect(won?.body).toMatchObject({ data: { user: { userId: before.user.userId } } })
})

test('S5: votes that are under way while their guest registers are the account’s, and the open socket has its rights', async () => {
  const before = await guest(server)
  const samples = await Promise.all(Array.from({ length: 12 }, () => addSample(world.pool)))
  const client = await connect(server, before.token)
  const votes = samples.map((id) => vote(id))
  const [registered, ...acks] = await Promise.all([
    register(before.token, 'In Flight'),
    ...votes.map((v) => client.send('submit-feedback', v)),
  ])
  expect(registered.status).toBe(201)
  expect(acks.every((ack) => ack.ok)).toBe(true)
  const free = { ...vote(undefined), inputText: 'a question', modelResponse: 'a text of my own' }
  await expect.poll(() => client.send('submit-feedback', free)).toMatchObject({ ok: true })
  client.close()
  const after = await ask<SignedIn>(server, 'POST', '/api/auth/login', { body: { username: 'In Flight', password } })
  expect((await votesOf(after.token)).sort()).toEqual([...votes.map(({ id }) => id), free.id].sort())
})

test('S5: a guest’s failed registration changes nothing of the guest', async () => {
  await register(undefined, 'Taken')
  const before = await guest(server, 'Gustav')
  expect((await register(before.token, 'Taken')).status).toBe(409)
  expect(await ask<User>(server, 'GET', '/api/auth/me', { token: before.token })).toEqual(before.user)
})

test('S5: a wallet’s first sign-in by a guest makes the guest its account', async () => {
  const account = newAccount()
  const before = await guest(server)
  const given = vote(await addSample(world.pool))
  await ask(server, 'POST', '/api/feedback', { token: before.token, body: given })
  const { body } = await byWallet(account, before.token)
  expect(body).toMatchObject({
    success: true,
    data: { user: { userId: before.user.userId, guest: false, walletAddress: account.address.toLowerCase() } },
  })
  const again = await byWallet(account)
  expect(again.body).toMatchObject({
    success: true,
    data: { user: { userId: before.user.userId, guest: false, permissions: expect.arrayContaining(['vote:free']) } },
  })
})

test('S5: a guest who signs in by the wallet of an account is signed in there, and its votes stay the guest’s', async () => {
  const account = newAccount()
  const first = await byWallet(account)
  if (!first.body.success) throw new Error(first.body.message)
  const before = await guest(server)
  const given = vote(await addSample(world.pool))
  await ask(server, 'POST', '/api/feedback', { token: before.token, body: given })
  expect((await byWallet(account, before.token)).body).toMatchObject({
    success: true,
    data: { user: { userId: first.body.data.user.userId } },
  })
  expect(await votesOf(before.token)).toEqual([given.id])
  expect(await ask<User>(server, 'GET', '/api/auth/me', { token: before.token })).toMatchObject({ guest: true })
})

test('S5: a guest who signs in to an account by password changes neither', async () => {
  await register(undefined, 'Separate')
  const before = await guest(server)
  const given = vote(await addSample(world.pool))
  await ask(server, 'POST', '/api/feedback', { token: before.token, body: given })
  const signedIn = await ask<SignedIn>(server, 'POST', '/api/auth/login', {
    token: before.token,
    body: { username: 'Separate', password },
  })
  expect(signedIn.user.userId).not.toBe(before.user.userId)
  expect(await votesOf(before.token)).toEqual([given.id])
  expect(await votesOf(signedIn.token)).toEqual([])
})
