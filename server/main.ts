/** The server process: REST, sockets, the built client; re-queues every active run that nobody holds. */
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { createApp } from './app.ts'
import { createAccounts } from './auth/accounts.ts'
import { createSeal } from './auth/seal.ts'
import { openChainReader } from './chain.ts'
import { ConfigError, loadConfig } from './config.ts'
import type { Core } from './core.ts'
import { migrate } from './db/migrate.ts'
import { openPool } from './db/pool.ts'
import { openQueue } from './queues.ts'
import { keepRunning } from './reconcile.ts'
import { openRedis } from './room.ts'
import { openSockets } from './sockets/io.ts'

/** Milliseconds that closing may take before the process ends anyway: what is open then is of no use to anybody. */
const GRACE_MS = 5_000

async function main(): Promise<void> {
  const config = loadConfig(process.env, ['JWT_SECRET', 'DATA_KEY'])
  const log = pino({ level: config.logLevel, name: 'server' })
  const onTrouble = (error: Error): void => log.warn({ err: error }, 'connection trouble')
  const pool = openPool(config.databaseUrl, onTrouble)
  await migrate(pool).catch((error: unknown) => {
    throw new StartError(`the database at ${placeOf(config.databaseUrl)} cannot be used: ${textOf(error)}`)
  })
  const redis = await openRedis(config.redisUrl, onTrouble)
  const trainQueue = openQueue('train', config.redisUrl, onTrouble)
  const accounts = createAccounts({
    pool,
    seal: createSeal(config.secrets.DATA_KEY),
    jwtSecret: config.secrets.JWT_SECRET,
    siweDomains: [`localhost:${config.port}`, `127.0.0.1:${config.port}`, ...config.allowedOrigins.filter((origin) => URL.canParse(origin)).map((origin) => new URL(origin).host)],
  })
  const core: Core = { pool, redis, trainQueue, chain: openChainReader(config.blockchain), accounts, log }

  const http = createServer(createApp(core, { config, clientDir: fileURLToPath(new URL('../client/dist', import.meta.url)) }))
  const sockets = openSockets(http, core, config)
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(config.port, resolve)
  }).catch((error: unknown) => {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    throw new StartError(taken ? `port ${config.port} is taken: stop what uses it, or set PORT` : textOf(error))
  })
  const reconciler = keepRunning(core)
  log.info({ port: config.port }, 'serving')

  let closing = false
  const stop = async (): Promise<void> => {
    if (closing) return
    closing = true
    setTimeout(() => process.exit(0), GRACE_MS).unref()
    http.closeIdleConnections()
    await sockets.close()
    await Promise.allSettled([reconciler.stop(), trainQueue.close()])
    redis.disconnect()
    await pool.end()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

class StartError extends Error {}

const placeOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'DATABASE_URL')
const textOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(textOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

main().catch((error: unknown) => {
  const known = error instanceof ConfigError || error instanceof StartError
  console.error(known ? `The server can't start: ${error.message}` : error)
  process.exit(1)
})
