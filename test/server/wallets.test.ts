/** Wallet sign-in is for the site that people are at: PUBLIC_URL, or what their request asked for. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../core/config.ts'
import { hostOf } from '../../server/auth/address.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { newAccount, signInMessage } from '../helpers/accounts.ts'
import { ask, call, environmentOf, request, useWorld, type TestServer } from './attune.ts'

const world = useWorld()

const account = newAccount()
async function signIn(
  server: TestServer,
  domain: string,
  headers: Record<string, string> = {},
  change: (message: string) => string = (message) => message,
) {
  const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce', { headers, body: {} })
  const message = change(signInMessage({ address: account.address, nonce, domain, uri: `https://${domain}` }))
  const body = { message, signature: await account.signMessage(message) }
  return { body, answer: await call<SignedIn>(server, 'POST', '/api/auth/wallet/verify', { headers, body }) }
}
const statusOf = async (...of: Parameters<typeof signIn>) => (await signIn(...of)).answer.status

test('PUBLIC_URL is the site that wallet messages are for, whatever a request says; a message for another site is refused', async () => {
  const server = await world.server({ PUBLIC_URL: 'https://attune.example.org/' })
  const here = server.url.slice('http://'.length)
  expect(await statusOf(server, 'attune.example.org')).toBe(200)
  expect(await statusOf(server, 'attune.example.org', { host: 'evil.test' })).toBe(200)
  for (const domain of ['evil.test', 'attune.example.org.evil.test', 'attune.example.org:8443', here]) {
    for (const headers of [{}, { host: domain }, { 'x-forwarded-host': domain }] as Record<string, string>[])
      expect([domain, await statusOf(server, domain, headers)]).toEqual([domain, 401])
  }
})

test('without PUBLIC_URL it is the host that was asked for, localhost as well as a domain', async () => {
  const server = await world.server()
  for (const domain of [
    'attune.example.org',
    'localhost:3001',
    '192.168.1.5:3001',
    'ATTUNE.example.org',
    server.url.slice('http://'.length),
  ]) {
    expect([domain, await statusOf(server, domain, { host: domain })]).toEqual([domain, 200])
    expect([domain, await statusOf(server, 'evil.test', { host: domain })]).toEqual([domain, 401])
  }
  expect(await statusOf(server, 'localhost', { host: 'localhost:80' })).toBe(200)
})

test('a forwarded host is believed of trusted proxies, and of nobody else', async () => {
  const forwarded = { host: 'server.internal:3001', 'x-forwarded-host': 'attune.example.org' }
  const untrusting = await world.server()
  expect(await statusOf(untrusting, 'attune.example.org', forwarded)).toBe(401)
  expect(await statusOf(untrusting, 'server.internal:3001', forwarded)).toBe(200)
  const behindOne = await world.server({ TRUST_PROXY: '1' })
  expect(await statusOf(behindOne, 'attune.example.org', forwarded)).toBe(200)
  expect(await statusOf(behindOne, 'server.internal:3001', forwarded)).toBe(401)
  expect(
    await statusOf(behindOne, 'evil.test', {
      host: 'server.internal:3001',
      'x-forwarded-host': 'evil.test, attune.example.org',
    }),
  ).toBe(401)
})

test('the host of a request', () => {
  expect(hostOf('A.test:443', undefined, 0)).toBe('a.test')
  expect(hostOf('a.test', 'b.test', 0)).toBe('a.test')
  expect(hostOf('a.test', 'b.test', 1)).toBe('b.test')
  expect(hostOf('a.test', 'b.test, c.test', 1)).toBe('c.test')
  expect(hostOf('a.test', 'b.test, c.test', 2)).toBe('b.test')
  expect(hostOf('a.test', ' ', 1)).toBe('a.test')
  expect(hostOf(undefined, undefined, 1)).toBe('')
})

test('PUBLIC_URL is an address without a path, and its page may call the API', async () => {
  const environment = environmentOf(world)
  for (const PUBLIC_URL of [
    'attune.example.org',
    'ftp://attune.example.org',
    'https://attune.example.org/app',
    'https://attune.example.org/?x',
  ]) {
    expect(() => loadConfig({ ...environment, PUBLIC_URL })).toThrow('PUBLIC_URL is wrong')
  }
  expect(loadConfig({ ...environment, PUBLIC_URL: 'https://Attune.example.org:443/' }).publicUrl).toBe(
    'https://attune.example.org',
  )
  const server = await world.server({ PUBLIC_URL: 'https://attune.example.org' })
  const allowed = (origin: string) => request(server, 'GET', '/api/models', { headers: { origin } })
  await allowed('https://attune.example.org').expect('access-control-allow-origin', 'https://attune.example.org')
  expect((await allowed('https://evil.test')).headers).not.toHaveProperty('access-control-allow-origin')
})

test('a nonce is ours, good once, also on another server and at the same moment', async () => {
  const [server, other] = [await world.server(), await world.server()]
  const { body } = await signIn(server, 'attune.test:3001')
  await request(other, 'POST', '/api/auth/wallet/verify', { body }).expect(401)
  const { nonce } = await ask<{ nonce: string }>(server, 'POST', '/api/auth/wallet/nonce')
  const message = signInMessage({ address: account.address, nonce })
  const given = { message, signature: await account.signMessage(message) }
  const answers = await Promise.all(
    [server, other, server, other].map((one) => request(one, 'POST', '/api/auth/wallet/verify', { body: given })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401])
  const forged = (made: (nonce: string) => string) =>
    statusOf(server, 'attune.test:3001', {}, (text) => text.replace(/(?<=Nonce: )\w+/, made))
  expect(await forged(() => '0123456789abcdef')).toBe(401)
  expect(await forged((own) => `f${own.slice(1)}`)).toBe(401)
  expect(await forged((own) => own.slice(0, -1) + (own.endsWith('0') ? '1' : '0'))).toBe(401)
})

test('asking for nonces leaves nothing behind', async () => {
  const server = await world.server()
  const rows = async () =>
    (await world.pool.query<{ n: number }>('select count(*)::int as n from wallet_nonces')).rows[0]!.n
  const before = await rows()
  await Promise.all(Array.from({ length: 50 }, () => request(server, 'POST', '/api/auth/wallet/nonce', { body: {} })))
  expect(await rows()).toBe(before)
})
