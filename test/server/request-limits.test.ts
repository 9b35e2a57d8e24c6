import { request as httpRequest } from 'node:http'
import { type Socket as TcpSocket } from 'node:net'
import { expect, test } from 'vitest'
import { senderOf } from '../../server/limits/sender.ts'
import { createBuckets } from '../../server/limits/rate-limit.ts'
import { lately } from '../../server/http/lately.ts'
import { limits } from '../../core/protocol/index.ts'
import { useWorld } from './attune.ts'

const world = useWorld()

test('/health asks database, Redis and chain once for many who ask', async () => {
  let queries = 0
  const server = await world.server()
  const { pool } = server.deps
  const asked = pool.query.bind(pool)
  const counting = ((...sent: Parameters<typeof asked>) => {
    if (String(sent[0]) === 'select 1') queries++
    return asked(...sent)
  }) as typeof pool.query
  pool.query = counting
  try {
    const began = Date.now()
    const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(`${server.url}/health`)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(queries).toBeLessThanOrEqual(1 + Math.ceil((Date.now() - began) / limits.healthMs))
  } finally {
    pool.query = asked
  }
})

test('what is asked lately is asked once, and a failure is not kept', async () => {
  let now = 0
  let asked = 0
  const ask = lately(
    async () => {
      if (++asked === 2) throw new Error('away')
      return asked
    },
    100,
    () => now,
  )
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1])
  now = 99
  expect(await ask()).toBe(1)
  now = 100
  await expect(ask()).rejects.toThrow('away')
  expect(await ask()).toBe(3)
})

test('P4: the page and /health are throttled by address', async () => {
  const server = await world.server({ TRUST_PROXY: '1' })
  const get = (path: string, from: string) =>
    new Promise<{ status: number | undefined; retryAfter: string | undefined }>((resolve, reject) => {
      httpRequest(`${server.url}${path}`, { headers: { 'x-forwarded-for': from }, agent: false }, (response) => {
        response.resume()
        response.once('end', () =>
          resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'] }),
        )
      })
        .on('error', reject)
        .end()
    })
  for (const [path, burst] of [
    ['/health', limits.healthBurst],
    ['/', limits.pageBurst],
  ] as const) {
    const answers: Awaited<ReturnType<typeof get>>[] = []
    const refused = () => answers.find(({ status }) => status === 429)
    while (answers.length < 4 * burst && !refused()) {
      answers.push(...(await Promise.all(Array.from({ length: 100 }, (_, i) => get(path, `2001:db8:1:2::${i + 1}`)))))
    }
    expect(answers.filter(({ status }) => status !== 429).length).toBeGreaterThanOrEqual(burst)
    expect(Number(refused()?.retryAfter)).toBeGreaterThan(0)
    expect((await get(path, '2001:db8:1:3::1')).status).not.toBe(429)
  }
})

test('a socket’s sender is an IPv4 address or an IPv6 /64, past as many proxies as are trusted', () => {
  const from = (trusted: number, remoteAddress: string, forwarded?: string) =>
    senderOf(
      {
        socket: { remoteAddress } as TcpSocket,
        headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
      },
      trusted,
    )
  expect(from(0, '2001:db8:0:7::1')).toBe(from(0, '2001:0DB8:0000:0007:ffff:1:2:3'))
  expect(from(0, '2001:db8:0:7::1')).not.toBe(from(0, '2001:db8:0:8::1'))
  const hop = '::ffff:10.0.0.1'
  expect([
    from(0, hop, '1.1.1.1'),
    from(1, hop, '1.1.1.1'),
    from(1, hop, '9.9.9.9, 1.1.1.1'),
    from(2, hop, '9.9.9.9, 1.1.1.1'),
    from(1, hop),
  ]).toEqual(['10.0.0.1', '1.1.1.1', '1.1.1.1', '9.9.9.9', '10.0.0.1'])
})

test('however many addresses ask, so many are remembered and no more; who keeps asking is not forgotten', () => {
  const buckets = createBuckets(2, 0.001, 100)
  buckets.take('busy', 0)
  buckets.take('busy', 0)
  for (let i = 0; i < 10_000; i++) {
    buckets.take(`stranger ${i}`, i)
    if (i % 50 === 0) expect(buckets.take('busy', i)).toBeGreaterThan(0)
  }
  expect(buckets.size()).toBe(100)
})
