/** Guessing passwords costs more with each guess, and keeps neither the owner out nor the server busy. */
import { lookup } from 'node:dns/promises'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { beforeEach, describe, expect, test } from 'vitest'
import { checkPassword, hashPassword } from '../../server/auth/password.ts'
import { loadConfig } from '../../core/config.ts'
import { openServer } from '../../server/server.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { ask, call, environmentOf, guest, request, useWorld, type TestServer } from './attune.ts'

const password = 'a good password'
const world = useWorld()
let logged: string[]
let servers: TestServer[] = []

/** A server behind a proxy that says where requests come from, and what it logs. */
async function open(environment: Record<string, string> = {}): Promise<TestServer> {
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      logged.push(line.toString())
      done()
    },
  })
  const config = loadConfig({ ...environmentOf(world), TRUST_PROXY: '1', ...environment }, ['JWT_SECRET', 'DATA_KEY'])
  const opened = await openServer(config, pino({ level: 'info' }, stream))
  servers.push({ ...opened, url: `http://127.0.0.1:${opened.port}` })
  return servers[servers.length - 1]!
}
beforeEach(async () => {
  logged = []
  return async () => {
    await Promise.all(servers.map((server) => server.close()))
    servers = []
  }
})

let addresses = 0
/** Each test's people are at addresses of their own. */
const somewhere = () => `203.0.${Math.floor(++addresses / 250)}.${addresses % 250}`
const login = (server: TestServer, username: string, given: string, address: string) =>
  call<SignedIn>(server, 'POST', '/api/auth/login', {
    body: { username, password: given },
    headers: { 'x-forwarded-for': address },
  })
const register = (server: TestServer, username: string, address = somewhere()) =>
  ask<SignedIn>(server, 'POST', '/api/auth/register', {
    body: { username, password },
    headers: { 'x-forwarded-for': address },
  })
const count = (statuses: number[], status: number) => statuses.filter((one) => one === status).length

/** Tries until it has to wait for so many seconds. */
async function lockedFor(seconds: number, attempt: (i: number) => ReturnType<typeof login>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const { status, headers } = await attempt(i)
    if (status !== 429) continue
    if (Number(headers.get('retry-after')) >= seconds) return
    // Slower than the limit on requests of any kind.
    await sleep(200)
  }
  throw new Error('nothing locks')
}

describe('wrong passwords', () => {
  test('are refused with 429 and growing waits, one after the other or all at once', async () => {
    const server = await open()
    await register(server, 'Guessed')
    for (const at of [1, 20]) {
      const address = somewhere()
      const answers: Awaited<ReturnType<typeof login>>[] = []
      for (let i = 0; i < 20; i += at)
        answers.push(
          ...(await Promise.all(Array.from({ length: at }, () => login(server, 'Guessed', 'wrong', address)))),
        )
      const statuses = answers.map(({ status }) => status)
      expect(count(statuses, 401)).toBeGreaterThanOrEqual(5)
      expect(count(statuses, 429)).toBeGreaterThanOrEqual(8)
      expect(count(statuses, 401) + count(statuses, 429)).toBe(20)
      const refused = answers.find(({ status }) => status === 429)
      expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(refused?.body).toMatchObject({
        error: 'too-frequent',
        message: expect.stringMatching(/^too many wrong passwords: try again in /),
        retryAfter: expect.any(Number),
      })
    }
  })

  test('the waits double, and never pass their limit', async () => {
    const server = await open()
    const address = somewhere()
    const waits: number[] = []
    for (let i = 0; i < 25; i++) {
      const { headers, status } = await login(server, 'Nobody at all', 'wrong', address)
      if (status !== 429) continue
      waits.push(Number(headers.get('retry-after')))
      // As if the wait were over.
      const keys = await server.deps.redis.keys('attune:lockout:*:lock:*')
      if (keys.length > 0) await server.deps.redis.del(...keys)
    }
    expect(waits.slice(0, 4)).toEqual([1, 2, 4, 8])
    expect(Math.max(...waits)).toBeLessThanOrEqual(900)
    expect(waits.at(-1)).toBeGreaterThan(60)
  })

  test('of many accounts from one address lock the address, not the accounts', async () => {
    const server = await open()
    await register(server, 'Sprayed')
    const address = somewhere()
    await lockedFor(4, (i) => login(server, `another ${i}`, 'wrong', address))
    expect((await login(server, 'Sprayed', password, address)).status).toBe(429)
    expect((await login(server, 'Sprayed', password, somewhere())).status).toBe(200)
  })

  test('from many addresses lock the account for strangers; its owner comes in from where they have been, and stays signed in', async () => {
    const server = await open()
    const home = somewhere()
    const owner = await register(server, 'Owner', home)
    await lockedFor(4, (i) => login(server, i % 2 ? 'Owner' : 'OWNER', 'wrong', somewhere()))
    const refused = await login(server, 'Owner', password, somewhere())
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect((await login(server, 'Owner', password, home)).status).toBe(200)
    await request(server, 'POST', '/api/auth/refresh', { body: { refreshToken: owner.refreshToken } }).expect(200)
    await request(server, 'GET', '/api/auth/me', { token: owner.token }).expect(200)
  })

  test('a right password takes back what its own mistypings counted', async () => {
    const server = await open()
    await register(server, 'Mistyper')
    const address = somewhere()
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 4; i++) expect((await login(server, 'Mistyper', 'wrong', address)).status).toBe(401)
      expect((await login(server, 'Mistyper', password, address)).status).toBe(200)
    }
  })

  test('signing in often with the right password is no guessing', async () => {
    const server = await open()
    await register(server, 'Frequent')
    const address = somewhere()
    const signIn = async (): Promise<void> => {
      for (;;) {
        const { status, headers, body } = await login(server, 'Frequent', password, address)
        if (body.success) return
        // The limit on requests of any kind, which a fast machine reaches; nothing was a guess.
        expect([status, body.message]).toEqual([429, expect.not.stringMatching(/password/)])
        await sleep(1_000 * Number(headers.get('retry-after')))
      }
    }
    for (let i = 0; i < 32; i++) await signIn()
    await Promise.all(Array.from({ length: 12 }, signIn))
  })

  test('are counted by all servers together', async () => {
    const [one, two] = [await open(), await open()]
    const address = somewhere()
    await lockedFor(4, () => login(one, 'Shared', 'wrong', address))
    expect((await login(two, 'Shared', 'wrong', address)).status).toBe(429)
  })

  test('are counted while Redis is away', async () => {
    const server = await open({ REDIS_URL: 'redis://127.0.0.1:1' })
    const address = somewhere()
    for (let i = 0; i < 5; i++) expect((await login(server, 'Alone', 'wrong', address)).status).toBe(401)
    await lockedFor(2, () => login(server, 'Alone', 'wrong', address))
  })

  test('each leaves a line in the log that names nobody, and tells an account from a name that nobody has', async () => {
    const server = await open()
    const address = somewhere()
    const { user } = await register(server, 'Logged Lena')
    for (let i = 0; i < 5; i++) await login(server, 'Logged Lena', 'wrong secret', address)
    await lockedFor(1, () => login(server, 'Logged Lena', 'wrong secret', address))
    await login(server, 'Unknown Uwe', 'wrong secret', somewhere())
    const lines = logged
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'sign-in-failed')
    expect(lines.length).toBeGreaterThanOrEqual(7)
    expect(lines.slice(0, 5)).toEqual(
      Array(5).fill(
        expect.objectContaining({
          userId: user.userId,
          reason: 'unauthenticated',
          addressHash: expect.stringMatching(/^[0-9a-f]{16}$/),
        }),
      ),
    )
    expect(lines.at(-2)).toMatchObject({ userId: user.userId, reason: 'too-frequent', retryAfter: expect.any(Number) })
    expect(lines.at(-1)).toMatchObject({ nameHash: expect.stringMatching(/^[0-9a-f]{16}$/), reason: 'unauthenticated' })
    for (const secret of ['Lena', 'Uwe', 'wrong secret', address]) expect(logged.join('')).not.toContain(secret)
  })

  test('an unknown name is refused like a known one', async () => {
    const server = await open()
    await register(server, 'Known')
    for (const username of ['Known', 'Unknown']) {
      const address = somewhere()
      for (let i = 0; i < 5; i++)
        expect(await login(server, username, 'wrong', address)).toMatchObject({
          status: 401,
          body: { message: 'the name or the password is wrong' },
        })
      await lockedFor(2, () => login(server, username, 'wrong', address))
    }
  })
})

describe('many at once', () => {
  test('a hundred sign-ins at once leave the database, files and names served, and end in an answer', async () => {
    const server = await open()
    await Promise.all(['Crowd A', 'Crowd B'].map((name) => register(server, name)))
    let running = true
    const logins = Promise.all(
      Array.from({ length: 100 }, (_, i) => login(server, i % 2 ? 'Crowd A' : 'Crowd B', password, somewhere())),
    ).finally(() => (running = false))
    const others: number[] = []
    while (running) {
      const { token } = await guest(server)
      others.push(
        (await call(server, 'GET', '/api/auth/me', { token })).status,
        (await call(server, 'GET', '/api/models', { token })).status,
      )
      await lookup('localhost')
      await sleep(100) // no more than one address may ask, on however fast a machine
    }
    const statuses = (await logins).map(({ status }) => status)
    expect(new Set(others)).toEqual(new Set([200]))
    expect(count(statuses, 200) + count(statuses, 429)).toBe(100)
    expect(count(statuses, 200)).toBeGreaterThan(60)
    const refused = (await logins).find(({ status }) => status === 429)
    if (refused !== undefined) expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('passwords that wait are bounded: one too many is told to come back', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => hashPassword(password)))
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []))
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(50)
    expect(refused[0]).toMatchObject({ code: 'too-frequent', retryAfter: expect.any(Number) })
    const made = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))[0]!
    expect([
      await checkPassword(password, made),
      await checkPassword('another', made),
      await checkPassword(password, null),
    ]).toEqual([true, false, false])
  })
})
