/**
 * One Postgres and one Redis for a whole test run, started when the first file
 * asks: runs of pure tests never wait for them. vitest runs this in its main
 * process; `services.ts` asks over a local socket.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../core/db/migrate.ts'
import { openPool } from '../../core/db/pool.ts'
import { errorText } from '../../scripts/start/fault.ts'
import { freePort, openPostgres, openRedis, type Service } from '../../scripts/start/services.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the broker's socket. */
    broker: string
  }
}

export interface SharedServices {
  /** A database of its own, migrated. */
  databaseUrl: string
  /** A Redis database of its own, empty. */
  redisUrl: string
}
export type BrokerAnswer = { ok: true; services: SharedServices } | { ok: false; message: string }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'attune-test-'))
  const path = join(dir, 'broker')
  let started: Promise<Shared> | undefined
  let files = 0
  const server = createServer((socket) => {
    files += 1
    const number = files
    started ??= start(dir)
    started
      .then((shared) => allot(shared, number))
      .then(
        (services) => answer(socket, { ok: true, services }),
        (error: unknown) => answer(socket, { ok: false, message: errorText(error) }),
      )
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  project.provide('broker', path)
  return async () => {
    await new Promise((resolve) => server.close(resolve))
    const shared = await started
    await Promise.all([shared?.postgres.close(), shared?.redis.close()])
    rmSync(dir, { recursive: true, force: true })
  }
}

interface Shared {
  postgres: Service
  redis: Service
}

async function start(dir: string): Promise<Shared> {
  const password = 'test'
  const cache = fileURLToPath(new URL('../../.attune/cache', import.meta.url))
  const [postgres, redis] = await Promise.all([
    openPostgres({ dir, port: await freePort(), password, durable: false }),
    openRedis({ dir, port: await freePort(), password, cache }),
  ])
  const pool = openPool(postgres.url, (error) => console.error(error))
  await migrate(pool)
  await pool.end()
  return { postgres, redis }
}

/** The migrated database is the template; Redis's databases are taken one after the other. */
async function allot({ postgres, redis }: Shared, number: number): Promise<SharedServices> {
  const client = new pg.Client({ connectionString: postgres.url.replace(/attune$/, 'postgres') })
  await client.connect()
  try {
    await client.query(`create database test_${number} template attune strategy file_copy`)
  } finally {
    await client.end()
  }
  if (number >= 1024) throw new Error('a test run has at most 1023 databases: close() gives none back')
  return {
    databaseUrl: postgres.url.replace(/attune$/, `test_${number}`),
    redisUrl: redis.url.replace(/0$/, String(number)),
  }
}

function answer(socket: Socket, body: BrokerAnswer): void {
  socket.end(JSON.stringify(body))
}
