/** The recorder process: closes an epoch every BLOCKCHAIN_SYNC_INTERVAL when there is something in it. */
import { Queue, Worker } from 'bullmq'
import { pino } from 'pino'
import { parseUnits } from 'ethers'
import { ConfigError, loadConfig } from '../../core/config.ts'
import { openEpochStore } from '../../core/db/epochs.ts'
import { beat, heartbeats, stillAtIt } from '../../core/db/heartbeats.ts'
import { openPool } from '../../core/db/pool.ts'
import { queuePrefix, workerConnection } from '../../core/queues.ts'
import { append, EVERYWHERE, openRedis } from '../../core/events/log.ts'
import { openLedger } from '../ledger/client/chain.ts'
import { LedgerError, type LedgerErrorCode } from '../ledger/errors.ts'
import type { Address, Hex } from '../ledger/hex.ts'
import { confirmationsOf } from '../ledger/client/networks.ts'
import { createRecorder } from './recorder.ts'
import { keepScheduled } from './schedule.ts'

/** Errors that pass without intervention. */
const PASSING = new Set<LedgerErrorCode>(['confirmation-timeout', 'fee-too-high', 'unreachable'])

/** The job of a recorder that died while running it is released after this long, milliseconds. */
const lockMs = 5_000

async function main(): Promise<void> {
  const config = loadConfig(process.env, ['BLOCKCHAIN_PRIVATE_KEY'])
  const { networkId, rpcUrl, contractAddress, distributorAddress, syncIntervalMs, maxFeeGwei } = config.blockchain
  if (!networkId || !rpcUrl || !contractAddress) {
    throw new ConfigError('the recorder needs BLOCKCHAIN_NETWORK_ID, BLOCKCHAIN_RPC_URL and CONTRACT_ADDRESS')
  }
  const log = pino({ level: config.logLevel, name: 'recorder' })
  const onError = (error: Error): void => log.warn({ err: error }, 'connection trouble')
  const pool = openPool(config.databaseUrl, onError, 2)
  const redis = await openRedis(config.redisUrl, onError)
  const recorder = createRecorder({
    store: openEpochStore(pool),
    chain: openLedger({
      rpcUrl,
      address: contractAddress as Address,
      chainId: networkId,
      confirmations: config.blockchain.confirmations ?? confirmationsOf(networkId),
      ...(distributorAddress !== undefined && { distributor: distributorAddress as Address }),
      ...(maxFeeGwei !== undefined && { maxFeePerGas: parseUnits(maxFeeGwei, 'gwei') }),
      privateKey: config.secrets.BLOCKCHAIN_PRIVATE_KEY as Hex,
    }),
    clock: {
      now: Date.now,
      // An epoch may wait longer for its blocks than its interval: waiting for them is not a stall.
      async sleep(ms) {
        await new Promise((resolve) => setTimeout(resolve, ms))
        await stillAtIt(pool, 'recorder').catch(onError)
      },
    },
    log,
  })

  const connection = workerConnection(config.redisUrl)
  const queue = new Queue('epoch', {
    prefix: queuePrefix,
    connection: { url: config.redisUrl, enableOfflineQueue: false, maxRetriesPerRequest: 1 },
  })
  queue.on('error', onError)
  const say = (error: string | null): Promise<void> => beat(pool, 'recorder', { everyMs: syncIntervalMs, error })
  const worker = new Worker(
    'epoch',
    async () => {
      try {
        const closed = await recorder.closeEpoch()
        await say(null)
        if (closed) await append(redis, EVERYWHERE, { event: 'recorded', payload: { epochId: closed.epochId } })
      } catch (error) {
        await say(error instanceof Error ? error.message : String(error)).catch(onError)
        throw error
      }
    },
    {
      prefix: queuePrefix,
      connection,
      concurrency: 1,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: 100,
    },
  )
  worker.on('error', onError)
  worker.on('failed', (_, error) => {
    const passing = error instanceof LedgerError && PASSING.has(error.code)
    log[passing ? 'warn' : 'error']({ err: error }, 'the epoch stays open; the next turn goes on with it')
  })

  const schedule = keepScheduled(queue, syncIntervalMs, {
    silentMs: async () => (await heartbeats(pool)).find(({ part }) => part === 'recorder')?.silentMs ?? 0,
    onError: (error) => log.warn({ err: error }, 'an epoch could not be queued; trying again'),
  })
  log.info({ ledger: contractAddress, everyMs: syncIntervalMs }, 'recording')

  const stop = async (): Promise<void> => {
    schedule.stop()
    await worker.close()
    await queue.close()
    redis.disconnect()
    await pool.end()
    process.exit(0)
  }
  const end = (): void => {
    stop().catch((error: unknown) => {
      log.fatal({ err: error }, 'could not stop in order')
      process.exit(1)
    })
  }
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? `The recorder can't start: ${error.message}` : error)
  process.exit(1)
})
