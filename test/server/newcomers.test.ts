/** New accounts are counted by where they come from. */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { networkOf, openNewcomers } from '../../server/limits/newcomers.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { newAccount, signInMessage } from '../helpers/accounts.ts'
import { ask, call, useServer, useWorld, type TestServer } from './attune.ts'

const world = useWorld()
/** Three newcomers an hour from one address, which the nearest proxy names. */
const east = useServer(world, { GUESTS_PER_HOUR: '3', TRUST_PROXY: '1' })
const west = useServer(world, { GUESTS_PER_HOUR: '3', TRUST_PROXY: '1' })
/** Believes no proxy. */
const bare = useServer(world, { GUESTS_PER_HOUR: '3' })

/** An address that nobody else in this file has. */
let next = 0
const somewhere = () => `198.51.100.${++next}`
const from = (address: string) => ({ 'x-forwarded-for': address })
const comeAsGuest = (server: TestServer, address: string) =>
  call<SignedIn>(server, 'POST', '/api/auth/guest', { body: {}, headers: from(address) })
const register = (server: TestServer, address: string, username = `name ${randomUUID()}`.slice(0, 40)) =>
  call<SignedIn>(server, 'POST', '/api/auth/register', {
    body: { username, password: 'long enough' },
    headers: from(address),
  })

async function byWallet(server: TestServer, address: string, account = newAccount()) {
  const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce', { headers: from(address) })
  const message = signInMessage({ address: account.address, nonce })
  return call<SignedIn>(server, 'POST', '/api/auth/wallet/verify', {
    body: { message, signature: await account.signMessage(message) },
    headers: from(address),
  })
}

test('guests, registrations and new wallets from one address are counted together, over all servers; the next gets 429, when to come back, and a sentence', async () => {
  const address = somewhere()
  const wallet = newAccount()
  expect((await comeAsGuest(east, address)).status).toBe(201)
  expect((await register(west, address)).status).toBe(201)
  expect((await byWallet(east, address, wallet)).status).toBe(200)
  for (const refused of [
    await comeAsGuest(west, address),
    await register(east, address),
    await byWallet(west, address),
  ]) {
    expect(refused.status).toBe(429)
    const seconds = Number(refused.headers.get('retry-after'))
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThanOrEqual(3_600)
    expect(refused.body).toMatchObject({
      success: false,
      error: 'too-frequent',
      retryAfter: seconds,
      message: expect.stringMatching(/sign in to an account that you have, or try again in/),
    })
  }
  // Who has been here comes back as often as they like, and other addresses are none the worse.
  expect((await byWallet(east, address, wallet)).status).toBe(200)
  expect((await comeAsGuest(west, somewhere())).status).toBe(201)
})

test('what makes no account is not counted', async () => {
  const address = somewhere()
  const name = `taken ${randomUUID()}`.slice(0, 30)
  expect((await register(east, address, name)).status).toBe(201)
  for (let i = 0; i < 5; i++) expect((await register(east, address, name)).status).toBe(409)
  expect((await comeAsGuest(east, address)).status).toBe(201)
  expect((await comeAsGuest(east, address)).status).toBe(201)
  expect((await comeAsGuest(east, address)).status).toBe(429)
})

test('an address is what a trusted proxy says, and nothing that the caller says', async () => {
  for (let i = 0; i < 3; i++) expect((await comeAsGuest(bare, somewhere())).status).toBe(201)
  expect((await comeAsGuest(bare, somewhere())).status).toBe(429)
})

test('an IPv6 party is counted by its /64, and an IPv4 one the same however it is written', async () => {
  const net = `2001:db8:${(++next).toString(16)}:1`
  for (let i = 0; i < 3; i++) expect((await comeAsGuest(east, `${net}:${i}:2:3:4`)).status).toBe(201)
  expect((await comeAsGuest(east, `${net}::ffff`)).status).toBe(429)
  expect((await comeAsGuest(east, `2001:db8:${next.toString(16)}:2::1`)).status).toBe(201)
  expect(networkOf('::ffff:192.0.2.7')).toBe('192.0.2.7')
  expect(networkOf('fe80::1%eth0')).toBe('fe80::/64')
})

test('while Redis is away each server counts by itself: nobody is kept out, nobody comes by the thousand', async () => {
  const redis = new Redis('redis://127.0.0.1:1', {
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  })
  redis.on('error', () => undefined)
  const newcomers = openNewcomers({ redis, perHour: 2 })
  const made: number[] = []
  const come = (n: number) => newcomers.admit('203.0.113.9', async () => made.push(n))
  await come(1)
  await come(2)
  await expect(come(3)).rejects.toMatchObject({ code: 'too-frequent' })
  expect(made).toEqual([1, 2])
  redis.disconnect()
})

test('sixty people behind one address, a class or two, come in by default', async () => {
  const server = await world.server({ TRUST_PROXY: '1' })
  const address = somewhere()
  for (let i = 0; i < 60; i++) expect((await comeAsGuest(server, address)).status).toBe(201)
})
