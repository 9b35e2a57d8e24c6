import { spawn, type ChildProcess } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadConfig } from '../../core/config.ts'
import { freePort } from '../../scripts/start/services.ts'
import { connect, environmentOf, guest, useServer, useWorld } from './attune.ts'

const world = useWorld()
const server = useServer(world)

/** Starts server/main.ts as its own process. */
function start(environment: Record<string, string | undefined>) {
  const env = Object.fromEntries(
    Object.entries({ ...environmentOf(world), ...environment }).filter(([, value]) => value !== undefined),
  )
  return spawn(process.execPath, ['--import', 'tsx', 'server/main.ts'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
const exitOf = (child: ChildProcess) => new Promise<number | null>((resolve) => child.once('exit', resolve))

/** How a start ends that must fail: its exit code and what it said. */
async function failure(
  environment: Record<string, string | undefined>,
): Promise<{ code: number | null; said: string }> {
  const child = start(environment)
  const [code, said] = await Promise.all([exitOf(child), text(child.stderr)])
  return { code, said }
}

test('S1: a missing secret stops the start with its name', async () => {
  expect(await failure({ DATA_KEY: undefined, NODE_ENV: 'production' })).toEqual({
    code: 1,
    said: "The server can't start: DATA_KEY is missing\n",
  })
  for (const name of ['JWT_SECRET', 'DATA_KEY', 'DATABASE_URL', 'REDIS_URL']) {
    expect(() =>
      loadConfig({ ...environmentOf(world), NODE_ENV: 'production', [name]: undefined }, ['JWT_SECRET', 'DATA_KEY']),
    ).toThrow(`${name} is missing`)
  }
  expect(() => loadConfig({ ...environmentOf(world), JWT_SECRET: 'short', PORT: '70000' }, ['JWT_SECRET'])).toThrow(
    /JWT_SECRET is wrong.*PORT is wrong/,
  )
  // A trainer signs nothing: it starts without.
  expect(loadConfig({ ...environmentOf(world), JWT_SECRET: undefined }).port).toBe(0)
})

test('a start that cannot succeed says so in one line', async () => {
  const taken = createServer().listen(0)
  const { port } = taken.address() as AddressInfo
  expect(await failure({ PORT: String(port) })).toEqual({
    code: 1,
    said: `The server can't start: port ${port} is taken: stop what uses it, or set PORT\n`,
  })
  taken.close()
  const nowhere = await freePort()
  const { code, said } = await failure({ DATABASE_URL: `postgres://nobody:secret@127.0.0.1:${nowhere}/attune` })
  expect([code, said]).toEqual([
    1,
    `The server can't start: the database at 127.0.0.1:${nowhere} cannot be used: connect ECONNREFUSED 127.0.0.1:${nowhere}\n`,
  ])
})

async function serving(port: number): Promise<void> {
  for (let patience = 600; patience > 0; patience--) {
    const up = await fetch(`http://127.0.0.1:${port}/health`).then(
      (answer) => answer.ok,
      () => false,
    )
    if (up) return
    await sleep(50)
  }
  throw new Error('the server did not come up')
}

test('SIGTERM ends a server in order, its sockets included', async () => {
  const port = await freePort()
  const child = start({ PORT: String(port) })
  await serving(port)
  const other = { ...server, url: `http://127.0.0.1:${port}` }
  const client = await connect(other, (await guest(other)).token, { reconnection: false })
  await client.send('join-session', 'demo')
  const gone = new Promise((resolve) => client.socket.once('disconnect', resolve))
  const exit = exitOf(child)
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  await gone
})

test('presence forgets the people of a server that was killed', async () => {
  const port = await freePort()
  const child = start({ PORT: String(port) })
  await serving(port)
  const other = { ...server, url: `http://127.0.0.1:${port}` }
  const here = await connect(server, (await guest(server)).token)
  const there = await connect(other, (await guest(other)).token, { reconnection: false })
  await Promise.all([here.send('join-session', 'demo'), there.send('join-session', 'demo')])
  await here.wait('presence', (payload) => payload.raters === 2)
  const exit = exitOf(child)
  child.kill('SIGKILL')
  await exit
  const before = here.received.length
  for (let patience = 300; patience > 0; patience--) {
    const last = here.received.slice(before).findLast((one) => one.event === 'presence')
    if (last?.event === 'presence' && last.payload.raters === 1) break
    await sleep(100)
  }
  expect(here.received.slice(before).findLast((one) => one.event === 'presence')).toMatchObject({
    payload: { raters: 1 },
  })
  here.close()
  there.close()
})
