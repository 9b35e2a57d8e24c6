import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as tcp, type AddressInfo, type Socket as TcpSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server } from 'socket.io'
import { io as openSocket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createLogins } from '../../server/auth/logins.ts'
import { createSeal } from '../../server/auth/seal.ts'
import { insertUser } from '../../core/db/users.ts'
import { limits, type SignedIn } from '../../core/protocol/index.ts'
import { closeUnread, endIfSilent } from '../../server/sockets/idle.ts'
import {
  admin,
  call,
  connect,
  environmentOf,
  guest,
  openWorld,
  type Client,
  type TestServer,
  type World,
} from './attune.ts'

const PER_ADDRESS = 6

const PER_PERSON = 3

let world: World

/** Takes few sockets, and few connections. */
let small: TestServer

let models: string

let ann: SignedIn

let ben: SignedIn

let cleo: SignedIn

const clients: Client[] = []

const lines: TcpSocket[] = []

beforeAll(async () => {
  world = await openWorld()
  models = mkdtempSync(join(tmpdir(), 'attune-limits-'))
  small = await world.server({
    MODELS_PATH: models,
    MAX_SOCKETS_PER_ADDRESS: String(PER_ADDRESS),
    MAX_SOCKETS_PER_PERSON: String(PER_PERSON),
    MAX_CONNECTIONS: '60',
  })
  ann = await guest(small, 'Ann')
  ben = await guest(small, 'Ben')
  cleo = await guest(small, 'Cleo')
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const line of lines.splice(0)) line.destroy()
  await sleep(100)
})

afterAll(async () => {
  await world.close()
  rmSync(models, { recursive: true, force: true })
})

const come = async (who: Pick<SignedIn, 'token'>, server = small, options = {}): Promise<Client> => {
  const client = await connect(server, who.token, options)
  clients.push(client)
  return client
}

interface Refused extends Error {
  data?: { code: string; message: string; retryAfter: number }
}

const refusal = (who: SignedIn, server = small) =>
  come(who, server).then(
    () => {
      throw new Error('it was let in')
    },
    (error: Refused) => error,
  )

/** A raw connection that sends `text` and nothing else. `ended`: how it was when the server had closed it. */
const line = async (
  port: number,
  text: string,
  from = '127.0.0.1',
): Promise<{ socket: TcpSocket; heard: () => string; ended: Promise<void> }> => {
  const socket = tcp({ port, host: '127.0.0.1', localAddress: from })
  lines.push(socket)
  let heard = ''
  socket.on('data', (bytes) => (heard += String(bytes)))
  socket.on('error', () => undefined) // a reset is an end, too
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', resolve)
  })
  if (text !== '') socket.write(text)
  return { socket, heard: () => heard, ended }
}

// ---------------------------------------------------------------- sockets

test('one person has so many sockets: the next is refused with words, code and patience, others are let in', async () => {
  for (let i = 0; i < PER_PERSON; i++) await come(ann)
  const { message, data } = await refusal(ann)
  expect(data).toEqual({ code: 'too-frequent', message, retryAfter: limits.refusedSeconds })
  expect(message).toContain(`${PER_PERSON} times already`)
  await come(ben)
  clients[0]!.close()
  await sleep(100)
  await come(ann)
})

test('many sockets of one person that come at once are no more than those that come one by one', async () => {
  const came = await Promise.allSettled(Array.from({ length: 3 * PER_PERSON }, () => come(ann)))
  expect(came.filter(({ status }) => status === 'fulfilled')).toHaveLength(Math.min(PER_PERSON, PER_ADDRESS))
})

test('one address has so many sockets, whoever they are: the next is refused with words, another address is let in', async () => {
  for (const who of [ann, ben, ann, ben, cleo, cleo]) await come(who)
  const { data } = await refusal(cleo)
  expect(data).toMatchObject({
    code: 'too-frequent',
    message: expect.stringContaining('MAX_SOCKETS_PER_ADDRESS'),
    retryAfter: limits.refusedSeconds,
  })
  const behind = await come(cleo, small, {
    transportOptions: { websocket: { localAddress: '127.0.0.2' } },
    localAddress: '127.0.0.2',
  })
  expect(await behind.send('join-session', 'demo')).toMatchObject({ ok: true })
})

test('sockets that never say who they are end after a while, count for their address, and come to no more than its limit', async () => {
  const anonymous = Array.from(
    { length: 150 },
    () => new WebSocket(`ws://127.0.0.1:${small.port}/socket.io/?EIO=4&transport=websocket`),
  )
  const open = await Promise.all(
    anonymous.map(
      (ws) =>
        new Promise<boolean>((resolve) => {
          ws.on('error', () => undefined)
          ws.once('message', () => resolve(true)) // Engine.IO's handshake
          ws.once('close', () => resolve(false))
        }),
    ),
  )
  expect(open.filter(Boolean).length).toBeLessThan(PER_ADDRESS + 60)
  expect(open.filter(Boolean).length).toBeGreaterThanOrEqual(PER_ADDRESS)
  expect((await refusal(ann)).message).not.toBe('')
  // They are ended by the server.
  await Promise.all(
    anonymous
      .filter((ws) => ws.readyState !== WebSocket.CLOSED)
      .map((ws) => new Promise((resolve) => ws.once('close', resolve))),
  )
  await come(ann)
})

test('P4: events are limited by person, too: many sockets send no more than two', async () => {
  const mine = [await come(ann), await come(ann), await come(ann)]
  const began = Date.now()
  const answers = (
    await Promise.all(
      mine.map((client) =>
        Promise.all(Array.from({ length: limits.socketBurst }, () => client.send('unsubscribe-metrics', 'demo'))),
      ),
    )
  ).flat()
  const most = limits.personBurst + Math.ceil((limits.personPerSecond * (Date.now() - began)) / 1_000)
  expect(answers.filter((answer) => answer.ok).length).toBeLessThanOrEqual(most)
  expect(answers.find((answer) => !answer.ok)).toMatchObject({ ok: false, code: 'too-frequent' })
  expect(await (await come(ben)).send('unsubscribe-metrics', 'demo')).toMatchObject({ ok: true })
})

test('by default a classroom behind one address gets in, everybody at once and each with their own socket', async () => {
  const server = await world.server()
  const { JWT_SECRET: jwtSecret, DATA_KEY: key } = environmentOf(world)
  const logins = createLogins({ pool: world.pool, seal: createSeal(key), jwtSecret })
  const pupils: SignedIn[] = []
  for (let i = 1; i <= 120; i++) {
    pupils.push(
      await logins.begin(
        await insertUser(world.pool, {
          username: `pupil ${i}`,
          email: null,
          passwordHash: null,
          wallet: null,
          guest: true,
          role: 'contributor',
        }),
      ),
    )
  }
  const room = await Promise.all(pupils.map((pupil) => come(pupil, server)))
  const answers = await Promise.all(room.map((client) => client.send('join-session', 'demo')))
  expect(answers.filter((answer) => answer.ok)).toHaveLength(pupils.length)
}, 120_000)

test('S2: a socket that signs in and says nothing is ended, one that speaks is not', async () => {
  const http = createServer()
  const io = new Server(http)
  io.on('connection', (socket) => endIfSilent(socket, 300))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const open = () =>
    openSocket(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  const [speaks, silent] = [open(), open()]
  await Promise.all([speaks, silent].map((socket) => new Promise<void>((resolve) => socket.once('connect', resolve))))
  speaks.emit('anything')
  expect(await new Promise((resolve) => silent.once('disconnect', resolve))).toBe('io server disconnect')
  await sleep(300)
  expect(speaks.connected).toBe(true)
  speaks.disconnect()
  await io.close()
})

test('a socket that does not read is closed once too much waits for it', async () => {
  const http = createServer()
  const io = new Server(http)
  const stop = closeUnread(io, 50, 50)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const reading = openSocket(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  })
  const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`)
  await new Promise((resolve) => ws.once('message', resolve))
  ws.send('40')
  await Promise.all([
    new Promise((resolve) => ws.once('message', resolve)),
    new Promise<void>((resolve) => reading.once('connect', resolve)),
  ])
  ws.pause()
  const gone = new Promise<string>(
    (resolve) =>
      io.once('connection', () => undefined) &&
      [...io.sockets.sockets.values()].forEach((socket) => socket.once('disconnect', resolve)),
  )
  const pour = setInterval(() => {
    for (let i = 0; i < 20; i++) io.emit('news', 'x'.repeat(100_000))
  }, 20)
  await gone
  clearInterval(pour)
  expect(reading.connected).toBe(true)
  reading.disconnect()
  ws.terminate()
  stop()
  await io.close()
})

// ---------------------------------------------------------------- connections

test('idle connections of one address are closed at once beyond its share, and others still get in', async () => {
  const idle = await Promise.all(Array.from({ length: 100 }, () => line(small.port, '')))
  await sleep(300)
  const open = idle.filter(({ socket }) => !socket.destroyed)
  expect(open.length).toBeLessThanOrEqual(4 * PER_ADDRESS)
  const { heard, ended } = await line(
    small.port,
    'GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    '127.0.0.3',
  )
  await ended
  expect(heard()).toMatch(/^HTTP\/1.1 200/)
})

test('a connection that sends no request, half a header or half a body is closed; an upload that gets on is not', async () => {
  const boss = await admin(small)
  const registered = await call<{ id: string }>(small, 'POST', '/api/models', {
    token: boss.token,
    body: { name: 'slow', type: 'nlp', architecture: 'gpt2' },
  })
  const modelId = registered.body.success ? registered.body.data.id : ''
  const body =
    '--b\r\ncontent-disposition: form-data; name="f"; filename="config.json"\r\ncontent-type: application/json\r\n\r\n{"vocab_size": '
  const upload = await line(
    small.port,
    [
      `POST /api/weights/models/${modelId}/upload HTTP/1.1`,
      'host: x',
      `authorization: Bearer ${boss.token}`,
      'content-type: multipart/form-data; boundary=b',
      'content-length: 10000000',
      '',
      body,
    ].join('\r\n'),
    '127.0.0.4',
  )
  let uploadEnded = false
  void upload.ended.then(() => (uploadEnded = true))
  const feeding = setInterval(() => upload.socket.write(' '.repeat(1_000)), 1_000)
  const stuck = await Promise.all([
    line(small.port, ''),
    line(small.port, 'GET /health HTTP/1.1\r\nhost: x\r\nx-y: '),
    line(
      small.port,
      'POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"username":',
    ),
    line(small.port, 'POST /health HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx'),
    line(small.port, 'POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx'),
    line(
      small.port,
      `POST /api/weights/models/${modelId}/upload HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 1000\r\n\r\n--b`,
    ),
  ])
  const trickle = setInterval(() => stuck[2].socket.write('x'), 1_000)
  await Promise.all(stuck.map(({ ended }) => ended))
  expect(stuck[2].heard()).toMatch(/^HTTP\/1.1 408/)
  await sleep(limits.uploadMs - limits.bodyMs)
  expect(uploadEnded).toBe(false)
  clearInterval(feeding)
  clearInterval(trickle)
  // Cut off, it leaves nothing behind.
  const incoming = () => readdirSync(join(models, '.incoming'))
  expect(incoming()).toHaveLength(1)
  upload.socket.destroy()
  for (let patience = 250; patience > 0 && incoming().length > 0; patience--) await sleep(20)
  expect(incoming()).toEqual([])
}, 120_000)
