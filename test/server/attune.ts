/** Real servers on ports of their own choice, and small clients of them. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { io, type Socket } from 'socket.io-client'
import supertest from 'supertest'
import { afterAll, beforeAll } from 'vitest'
import { loadConfig } from '../../core/config.ts'
import { openPool, type Pool } from '../../core/db/pool.ts'
import type {
  Ack,
  AckData,
  ClientEventName,
  ClientToServer,
  Envelope,
  Receipt,
  SampleStatus,
  ServerToClient,
  SignedIn,
} from '../../core/protocol/index.ts'
import { seed } from '../../server/seed.ts'
import { openServer, type AttuneServer } from '../../server/server.ts'
import { openServices, type TestServices } from '../helpers/services.ts'

export interface World extends TestServices {
  pool: Pool
  /** Starts one more server on the same database and Redis. */
  server: (environment?: Record<string, string>) => Promise<TestServer>
}
export interface TestServer extends AttuneServer {
  url: string
}

export const adminPassword = 'correct horse battery'

/** A seeded installation without a server. `close` stops the servers that were started, too. */
export async function openWorld(): Promise<World> {
  const services = await openServices()
  const pool = openPool(services.databaseUrl, (error) => console.error(error), 2)
  await seed(pool, { adminPassword, demo: true })
  const servers: TestServer[] = []
  return {
    ...services,
    pool,
    async server(environment = {}) {
      const config = loadConfig({ ...environmentOf(services), ...environment }, ['JWT_SECRET', 'DATA_KEY'])
      const server = await openServer(config, pino({ level: 'silent' }))
      servers.push({ ...server, url: `http://127.0.0.1:${server.port}` })
      return servers[servers.length - 1]!
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()))
      await pool.end()
      await services.close()
    },
  }
}

/** What `open` gives, for all tests of a file: it is there from the first of them on. */
export function useOpened<T extends object>(open: () => Promise<T>): T {
  const opened = {} as T
  beforeAll(async () => {
    Object.assign(opened, await open())
  })
  return opened
}

/** A world for all tests of a file, closed after the last. */
export function useWorld(): World {
  const world = useOpened(openWorld)
  afterAll(() => world.close())
  return world
}

/** A server in a world that the tests of a file use. */
export const useServer = (world: World, environment?: Record<string, string>): TestServer =>
  useOpened(() => world.server(environment))

export const environmentOf = ({ databaseUrl, redisUrl }: { databaseUrl: string; redisUrl: string }) => ({
  NODE_ENV: 'test',
  PORT: '0',
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  JWT_SECRET: 'a secret of these tests alone, long enough',
  DATA_KEY: 'ab'.repeat(32),
  ALLOWED_ORIGINS: 'http://attune.test:3001',
})

// ---------------------------------------------------------------- REST

export interface Answer<T> {
  status: number
  headers: Headers
  body: Envelope<T>
}

export interface Sent {
  token?: string
  /** Sent as JSON, or a string as it is. */
  body?: unknown
  headers?: Record<string, string>
}

/**
 * One REST request, sent when it is awaited. Its answer must be JSON, whatever its status; what else is expected is
 * chained: `.expect(409)`.
 */
export function request(
  server: TestServer,
  method: string,
  path: string,
  { token, body, headers = {} }: Sent = {},
): supertest.Test {
  const test = new supertest.Test(server.url, method, path)
  if (token !== undefined) test.auth(token, { type: 'bearer' })
  if (body !== undefined) test.type('json').send(typeof body === 'string' ? body : JSON.stringify(body))
  return test.set(headers).expect('content-type', /^application\/json/)
}

/** The answer to one REST request, whatever its status. */
export async function call<T>(...sent: Parameters<typeof request>): Promise<Answer<T>> {
  const { status, headers, body } = await request(...sent)
  return { status, headers: new Headers(headers), body: body as Envelope<T> }
}

/** The data of an answer that must be a success. */
export async function ask<T>(...sent: Parameters<typeof request>): Promise<T> {
  const { body } = await call<T>(...sent)
  if (!body.success) throw new Error(`${sent[1]} ${sent[2]}: ${body.error}: ${body.message}`)
  return body.data
}

export const guest = (server: TestServer, displayName?: string) =>
  ask<SignedIn>(server, 'POST', '/api/auth/guest', { body: { displayName } })
export const admin = (server: TestServer) =>
  ask<SignedIn>(server, 'POST', '/api/auth/login', { body: { username: 'admin', password: adminPassword } })

// ---------------------------------------------------------------- sockets

export type Received = {
  [E in keyof ServerToClient]: { event: E; payload: Parameters<ServerToClient[E]>[0] }
}[keyof ServerToClient]

export interface Client {
  socket: Socket<ServerToClient, ClientToServer>
  /** Everything received, in order. */
  received: Received[]
  /** Sends an event and resolves to its acknowledgement. */
  send: <E extends ClientEventName>(event: E, body: unknown) => Promise<Ack<AckData[E]>>
  /** The next event of this name that fits, whether it has come or is to come. */
  wait: <E extends keyof ServerToClient>(
    event: E,
    fits?: (payload: Parameters<ServerToClient[E]>[0]) => boolean,
  ) => Promise<Parameters<ServerToClient[E]>[0]>
  close: () => void
}

/** Connects; rejects with the server's reason where it refuses. */
export async function connect(
  server: TestServer,
  token: string | undefined,
  options: Parameters<typeof io>[1] = {},
): Promise<Client> {
  const socket: Socket<ServerToClient, ClientToServer> = io(server.url, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelay: 50,
    ...(token !== undefined && { auth: { token } }),
    ...options,
  })
  const received: Received[] = []
  socket.onAny((event: string, payload: unknown) => received.push({ event, payload } as Received))
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', (error) => {
      socket.close()
      reject(error)
    })
  })
  return {
    socket,
    received,
    send: <E extends ClientEventName>(event: E, body: unknown) =>
      (
        socket as unknown as {
          timeout: (ms: number) => { emitWithAck: (event: string, body: unknown) => Promise<Ack<AckData[E]>> }
        }
      )
        .timeout(10_000)
        .emitWithAck(event, body),
    async wait<E extends keyof ServerToClient>(
      event: E,
      fits: (payload: Parameters<ServerToClient[E]>[0]) => boolean = () => true,
    ) {
      for (let patience = 500; patience > 0; patience--) {
        for (const one of received) if (one.event === event && fits(one.payload)) return one.payload
        await sleep(20)
      }
      throw new Error(`${event} did not come; what came: ${received.map((one) => one.event).join(', ')}`)
    },
    close: () => void socket.close(),
  }
}

// ---------------------------------------------------------------- what the trainer would do

export async function addSample(
  pool: Pool,
  status: SampleStatus = 'open',
  sessionId = 'demo',
  text: { prompt?: string; response?: string } = {},
): Promise<string> {
  const id = randomUUID()
  await pool.query(
    `insert into samples (id, session_id, step, origin, prompt, response, policy_version, status, opened_at) values ($1, $2, 1, 'rollout', $3, $4, 0, $5, now())`,
    [id, sessionId, text.prompt ?? `question ${id}`, text.response ?? `answer ${id}`, status],
  )
  return id
}

/** Commits a step that uses these votes of a session, each receipt the same but for what `more` says. */
export async function useVotes(
  pool: Pool,
  feedbackIds: readonly string[],
  { sessionId = 'demo', ...more }: Partial<Omit<Receipt, 'feedbackId' | 'sampleId' | 'step'>> = {},
): Promise<number> {
  const receipt = {
    weight: 0.5,
    reliability: 0.6,
    crowd: 0.7,
    advantage: 0.1,
    latencyMs: 20_000,
    comparable: 10,
    updated: true,
    ...more,
  }
  const { rows } = await pool.query<{ step: number }>(
    `insert into steps (session_id, step, policy_version, metrics, checkpoint, votes)
     select $1, coalesce(max(step), 0) + 1, 1, '{}', 'none', $2 from steps where session_id = $1 returning step`,
    [sessionId, feedbackIds.length],
  )
  await pool.query(
    `insert into receipts (session_id, step, feedback_id, weight, reliability, crowd, advantage, latency_ms, comparable, updated)
     select $1, $2, id, $4, $5, $6, $7, $8, $9, $10 from unnest($3::uuid[]) id`,
    [
      sessionId,
      rows[0]!.step,
      feedbackIds,
      receipt.weight,
      receipt.reliability,
      receipt.crowd,
      receipt.advantage,
      receipt.latencyMs,
      receipt.comparable,
      receipt.updated,
    ],
  )
  return rows[0]!.step
}

/** A vote as the page sends it. */
export const vote = (sampleId: string | undefined, more: Record<string, unknown> = {}) => ({
  id: randomUUID(),
  sessionId: 'demo',
  ...(sampleId !== undefined && { sampleId }),
  humanRating: 8,
  categories: [{ name: 'helpfulness', score: 8 }],
  compassionRating: 0.9,
  ...more,
})
