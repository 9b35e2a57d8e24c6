import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { createApp } from './http/app.ts'
import { createAccounts } from './auth/accounts.ts'
import { createSeal } from './auth/seal.ts'
import { openChainReader } from './rewards/chain.ts'
import { createBountyWatch } from './rewards/bounty-indexer.ts'
import type { Config, SecretName } from '../core/config.ts'
import { guardConnections, patience } from './limits/connections.ts'
import type { Deps } from './deps.ts'
import { migrate } from '../core/db/migrate.ts'
import { giveSkeletons } from '../core/db/users.ts'
import { openPool } from '../core/db/pool.ts'
import { watchDisputes } from './rewards/epochs.ts'
import { openNewcomers } from './limits/newcomers.ts'
import { keepLooking } from './poll-loop.ts'
import { openQueue } from '../core/queues.ts'
import { openDownloads } from './models/archives.ts'
import { openImports } from './models/imports.ts'
import { keepRunning } from './sessions/reconciler.ts'
import { relayNext } from './rewards/claim-relayer.ts'
import { openRedis } from '../core/events/log.ts'
import { treasuryNext } from './rewards/treasury-worker.ts'
import { openSockets } from './sockets/io.ts'
import { openWatches } from './sessions/standstill.ts'
import { openPseudonyms } from './exports/pseudonyms.ts'
import { openSources } from './sessions/sources.ts'
import { openTallies } from './sessions/tallies.ts'

export type ServerConfig = Config & { secrets: Record<Extract<SecretName, 'JWT_SECRET' | 'DATA_KEY'>, string> }

export interface AttuneServer {
  /** The port it listens on: chosen by the system if the configuration says 0. */
  port: number
  deps: Deps
  close: () => Promise<void>
}

/** The server could not start: one line that says what to do. */
export class StartError extends Error {}

/** Starts a server with all its dependencies, and listens. @throws StartError */
export async function openServer(config: ServerConfig, log: Logger): Promise<AttuneServer> {
  const onTrouble = (error: Error): void => log.warn({ err: error }, 'connection trouble')
  const pool = openPool(config.databaseUrl, onTrouble)
  await migrate(pool)
    .then(() => giveSkeletons(pool))
    .catch(async (error: unknown) => {
      await pool.end()
      throw new StartError(`the database at ${placeOf(config.databaseUrl)} cannot be used: ${textOf(error)}`)
    })
  const redis = await openRedis(config.redisUrl, onTrouble)
  const trainQueue = openQueue('train', config.redisUrl, onTrouble)
  const seal = createSeal(config.secrets.DATA_KEY)
  const accounts = createAccounts({
    pool,
    redis,
    log,
    seal,
    jwtSecret: config.secrets.JWT_SECRET,
    newcomers: openNewcomers({ redis, perHour: config.guestsPerHour }),
    publicHost: config.publicUrl === null ? null : new URL(config.publicUrl).host,
    otherHosts: [
      `localhost:${config.port}`,
      `127.0.0.1:${config.port}`,
      ...config.allowedOrigins.filter((o) => URL.canParse(o)).map((o) => new URL(o).host),
    ],
  })
  if (config.env === 'production' && config.publicUrl === null && config.trustProxy === 0) {
    log.warn(
      'wallet messages are checked against the host that a request names: set PUBLIC_URL where strangers can reach this server',
    )
  }
  const models = {
    path: config.modelsPath,
    checkpointsPath: config.checkpointsPath,
    maxBytes: config.maxModelBytes,
    hub: config.hub,
  }
  const imports = openImports({ pool, log, models })
  const downloads = openDownloads({ pool, log, models }, config.downloadsPath)
  const tallies = openTallies({ pool, redis, log })
  const deps: Deps = {
    pool,
    redis,
    trainQueue,
    chain: openChainReader(config.blockchain),
    accounts,
    models,
    imports,
    downloads,
    sources: openSources(seal, config.trustProxy),
    pseudonyms: openPseudonyms(seal),
    tallies,
    watches: openWatches(),
    recordEveryMs: config.blockchain.syncIntervalMs,
    log,
  }
  const http = createServer(
    patience,
    createApp(deps, { config, clientDir: fileURLToPath(new URL('../client/dist', import.meta.url)) }),
  )
  const sockets = openSockets(http, deps, config)
  guardConnections(http, config, log)
  const closeParts = async (): Promise<void> => {
    await sockets.close()
    await tallies.close()
    await trainQueue.close()
    redis.disconnect()
    await pool.end()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject)
      http.listen(config.port, resolve)
    })
  } catch (error) {
    await closeParts()
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    throw new StartError(taken ? `port ${config.port} is taken: stop what uses it, or set PORT` : textOf(error))
  }
  const reconciler = keepRunning(deps)
  const watches = watchChain(deps, config.blockchain)
  const address = http.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : config.port,
    deps,
    async close() {
      http.closeIdleConnections()
      await reconciler.stop()
      await imports.close()
      await downloads.close()
      await Promise.all(watches.map((watch) => watch.stop()))
      await closeParts()
    },
  }
}

/** Follows what others do on the chain, and sends what people have signed; never on the path of a vote. */
function watchChain(deps: Deps, { fromBlock, pollMs }: Config['blockchain']): { stop: () => Promise<void> }[] {
  const { chain, log } = deps
  if (chain === null) return []
  const { bounties, epochs, relayer: sender, treasury } = chain
  const looks: { name: string; look: () => Promise<unknown>; trouble: string }[] = [
    {
      name: 'disputes',
      look: () => watchDisputes(deps, epochs, fromBlock),
      trouble: 'disputes could not be looked at; trying again',
    },
  ]
  if (bounties !== null)
    looks.push({
      name: 'bounties',
      look: createBountyWatch(deps, bounties, fromBlock).look,
      trouble: 'the bounties could not be looked at; trying again',
    })
  if (bounties !== null && sender !== null)
    looks.push({
      name: 'relayer',
      look: () => relayNext({ deps, bounties, sender }),
      trouble: 'claims could not be relayed; trying again',
    })
  if (treasury !== null)
    looks.push({
      name: 'treasury',
      look: () => treasuryNext({ deps, chainId: chain.chainId, sender: treasury }),
      trouble: 'the treasury could not send; trying again',
    })
  return looks.map(({ name, look, trouble }) =>
    keepLooking(look, { pollMs, log, trouble, watch: deps.watches.add(name, pollMs) }),
  )
}

const placeOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'DATABASE_URL')
const textOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(textOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
