import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { JsonRpcProvider } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { openProvider } from '../../contracts/ledger/client/rpc.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { identify, isRunning, type ProcessIdentity } from '../../scripts/start/identity.ts'
import { lockFolder } from '../../scripts/start/lock.ts'
import { loadSecrets } from '../../scripts/start/secrets.ts'
import { freePort, openChain, openPostgres, openRedis, portFor } from '../../scripts/start/services.ts'
import { supervise } from '../../scripts/start/supervise.ts'
import { controlOf } from '../helpers/chain.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(root, '.attune', 'cache')
const password = 'secret'
let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attune-services-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const query = async (url: string, sql: string) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(sql)
  await client.end()
  return rows
}

describe('Postgres', () => {
  test('keeps what was committed through a kill -9, and starts again over the stale postmaster.pid', async () => {
    const port = await freePort()
    const first = await openPostgres({ dir, port, password, durable: true })
    await query(first.url, 'create table t as select 7 as n')
    first.child.kill('SIGKILL')
    await first.child.exited
    const stale = join(dir, 'postgres', 'postmaster.pid')
    expect(existsSync(stale)).toBe(true)
    // The worst of it: by now the pid is somebody else's who is alive.
    writeFileSync(stale, readFileSync(stale, 'utf8').replace(/^\d+/, String(process.pid)))

    const second = await openPostgres({ dir, port, password, durable: true })
    expect(await query(second.url, 'select n from t')).toEqual([{ n: 7 }])
    expect(await query(second.url, 'show fsync')).toEqual([{ fsync: 'on' }])
    await second.close()
  })

  test('says what is wrong when the stored password is not the one', async () => {
    await expect(openPostgres({ dir, port: await freePort(), password: 'another', durable: true })).rejects.toThrow(
      /refuses the stored password/,
    )
  })
})

test('Redis, killed, is started again on its port and clients find it there', async () => {
  const port = await freePort()
  const open = async () => (await openRedis({ dir, port, password, cache })).child
  const troubles: string[] = []
  const redis = await supervise(open, (message) => troubles.push(message))
  const client = new Redis(`redis://:${password}@127.0.0.1:${port}/0`)
  client.on('error', () => undefined) // while it is away
  await client.set('a', '1')
  const before = redis.pid()
  redis.kill('SIGKILL')
  while (redis.pid() === before || redis.pid() === undefined) await sleep(20)
  expect(await client.ping()).toBe('PONG')
  expect(await client.get('a')).toBeNull() // it only carries
  expect(troubles).toEqual(['Redis stopped (SIGKILL); starting it again'])
  client.disconnect()
  await redis.stop()
})

test('a supervised process that is restarted begins again as often as it is asked, and has not died', async () => {
  const port = await freePort()
  const open = async () => (await openRedis({ dir, port, password, cache })).child
  const troubles: string[] = []
  const redis = await supervise(open, (message) => troubles.push(message))
  const begun = new Set([redis.pid()])
  while (begun.size < 4) {
    await redis.restart()
    while (redis.pid() === undefined || begun.has(redis.pid())) await sleep(20)
    begun.add(redis.pid())
  }
  expect([redis.deaths(), troubles]).toEqual([0, []])
  await redis.stop()
  expect(redis.pid()).toBeUndefined()
})

describe('the chain', () => {
  /** A node that runs until the work is done. */
  async function at<T>(url: string, work: (provider: JsonRpcProvider) => Promise<T>): Promise<T> {
    const provider = openProvider(url, 31_337)
    try {
      return await work(provider)
    } finally {
      provider.destroy()
    }
  }
  const head = (url: string) => at(url, async (provider) => BigInt(await provider.getBlockNumber()))

  test('has its blocks after a restart, after a kill -9, and after a kill in mid-write', async () => {
    const port = await freePort()
    const mine = (url: string, blocks: number) => at(url, (provider) => controlOf(provider).mine({ blocks }))

    const first = await openChain({ dir, port })
    await mine(first.url, 3)
    await first.close()
    const second = await openChain({ dir, port })
    expect(await head(second.url)).toBe(3n)
    await mine(second.url, 2)
    const kept = join(dir, 'chain', 'state.kept.json')
    while (!existsSync(kept) || !readFileSync(kept, 'utf8').includes('"number":"0x5"')) await sleep(100)
    second.child.kill('SIGKILL')
    await second.child.exited
    writeFileSync(join(dir, 'chain', 'state.json'), '{"block":')
    const third = await openChain({ dir, port })
    expect(await head(third.url)).toBe(5n)
    await third.close()
  })

  test('answers programs and wallets of this machine, and no web page: not by CORS, not by WebSocket, not under another name', async () => {
    const port = await freePort()
    const chain = await openChain({ dir: join(dir, 'gated'), port })
    const ask = (headers: Record<string, string>, method = 'POST') =>
      new Promise<{ status: number | undefined; allowed: string | undefined; text: string }>((resolve, reject) => {
        const request = httpRequest(
          { host: '127.0.0.1', port, method, headers: { 'content-type': 'application/json', ...headers } },
          (response) => {
            let text = ''
            response.on('data', (bytes) => (text += String(bytes)))
            response.once('end', () =>
              resolve({ status: response.statusCode, allowed: response.headers['access-control-allow-origin'], text }),
            )
          },
        ).on('error', reject)
        request.end(method === 'POST' ? '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}' : undefined)
      })
    const page = 'http://page.example'
    expect(await ask({})).toMatchObject({ status: 200, text: expect.stringContaining('0x7a69') })
    expect(await ask({ origin: 'chrome-extension://abc' })).toMatchObject({
      status: 200,
      text: expect.stringContaining('0x7a69'),
    })
    for (const headers of [
      { origin: page },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${port}` },
      { host: 'page.example' },
      { origin: page, 'content-type': 'text/plain' },
    ] as Record<string, string>[]) {
      const answer = await ask(headers)
      expect(answer).toMatchObject({ status: 403, allowed: undefined })
      expect(answer.text).not.toContain('0x7a69')
    }
    expect(await ask({ origin: page, 'access-control-request-method': 'POST' }, 'OPTIONS')).toMatchObject({
      status: 403,
      allowed: undefined,
    })
    const ws = new WebSocket(`ws://127.0.0.1:${port}`, { origin: page })
    expect(
      await new Promise((resolve) => {
        ws.once('open', () => resolve('open'))
        ws.once('error', () => resolve('refused'))
      }),
    ).toBe('refused')
    await chain.close()
  })

  test('that nobody uses makes one empty block some time after the last transaction, so that what waits for a time is over, and no more', async () => {
    const chain = await openChain({ dir: join(dir, 'quiet'), port: await freePort(), quietSeconds: 1 })
    await at(chain.url, async (provider) => {
      const [from, to] = (await provider.send('eth_accounts', [])) as Address[]
      await provider.send('eth_sendTransaction', [{ from, to, value: '0x1' }])
    })
    while ((await head(chain.url)) < 2n) await sleep(100)
    await sleep(2_500)
    expect(await head(chain.url)).toBe(2n)
    await chain.close()
  })
})

test('the children of a process that is killed with -9 are gone within seconds', async () => {
  const script = join(dir, 'parent.mts')
  writeFileSync(
    script,
    `import { freePort, openChain, openPostgres, openRedis } from '${root}scripts/start/services.ts'
     const dir = ${JSON.stringify(join(dir, 'parent'))}
     const all = await Promise.all([
       openPostgres({ dir, port: await freePort(), password: 'p', durable: false }),
       openRedis({ dir, port: await freePort(), password: 'p', cache: ${JSON.stringify(cache)} }),
       openChain({ dir, port: await freePort() }),
     ])
     console.log(JSON.stringify(all.map((service) => service.child.pid)))
     setInterval(() => {}, 1000)`,
  )
  const parent = spawn(process.execPath, ['--import', 'tsx', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: root,
  })
  const line = await new Promise<string>((resolve, reject) => {
    parent.stdout.once('data', (data: Buffer) => resolve(data.toString()))
    parent.once('exit', () => reject(new Error('it ended before its services ran')))
  })
  const children = (JSON.parse(line) as number[]).map((pid) => identify(pid))
  expect(children).not.toContain(null)
  parent.kill('SIGKILL')
  const giveUpAt = Date.now() + 15_000
  const left = () => children.filter((child): child is ProcessIdentity => child !== null && isRunning(child))
  while (left().length > 0 && Date.now() < giveUpAt) await sleep(50)
  expect(left()).toEqual([])
})

test('a data folder serves one start at a time; a holder that is gone holds nothing', () => {
  const unlock = lockFolder(dir)
  expect(() => lockFolder(dir)).toThrow(/already runs/)
  unlock()
  writeFileSync(join(dir, 'run', 'start.json'), JSON.stringify({ pid: process.pid, started: 'another time' }))
  lockFolder(dir)()
})

test('a port is remembered, and given up only when it is taken', async () => {
  const port = await portFor(dir, 'thing')
  expect(await portFor(dir, 'thing')).toBe(port)
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve))
  expect(await portFor(dir, 'thing')).not.toBe(port)
  await new Promise((resolve) => taken.close(resolve))
})

test('secrets are made once, readable by their owner alone; the environment wins', () => {
  const made = loadSecrets(dir, {})
  expect(loadSecrets(dir, {})).toEqual(made)
  expect(statSync(join(dir, 'secrets.json')).mode & 0o777).toBe(0o600)
  expect(loadSecrets(dir, { JWT_SECRET: 'x'.repeat(40) })).toEqual({ ...made, JWT_SECRET: 'x'.repeat(40) })
})
