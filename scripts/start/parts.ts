/** The three services, each embedded and supervised unless the environment names another. */
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { FORBIDDEN } from '../../core/disk.ts'
import { checkChain, checkPostgres, checkRedis } from './external.ts'
import { chainId, devKey, relayerDevKey, treasurerDevKey } from './chain.ts'
import { errorCode, StartFault } from './fault.ts'
import type { Phases } from './phases.ts'
import type { Secrets } from './secrets.ts'
import { openChain, openPostgres, openRedis, portFor, type Service } from './services.ts'
import { supervise, type Supervised } from './supervise.ts'

export interface PartsOptions {
  dir: string
  /** What all instances on this machine can share. */
  cache: string
  env: NodeJS.ProcessEnv
  secrets: Secrets
  durable: boolean
  phases: Phases
  onTrouble: (message: string) => void
  /** Receives every part as soon as it runs, so that a start that fails can stop it. */
  onStarted: (name: PartName, part: Supervised) => void
}
export type PartName = 'postgres' | 'redis' | 'chain'

export async function postgresPart(options: PartsOptions): Promise<string> {
  const { dir, env, secrets, durable, phases } = options
  const external = env.DATABASE_URL
  if (external) return phases.run('Postgres', async () => (await checkPostgres(external), external))
  return phases.run('Postgres', async () => {
    const port = await portFor(dir, 'postgres')
    return embedded('postgres', options, () =>
      openPostgres({ dir, port, password: secrets.postgresPassword, durable, onTrouble: options.onTrouble }),
    )
  })
}

export async function redisPart(options: PartsOptions): Promise<string> {
  const { dir, env, secrets, cache, phases } = options
  const external = env.REDIS_URL
  if (external) return phases.run('Redis', async () => (await checkRedis(external), external))
  return phases.run('Redis', async (detail) => {
    const port = await portFor(dir, 'redis')
    return embedded('redis', options, () =>
      openRedis({ dir, port, password: secrets.redisPassword, cache, onPhase: detail, onTrouble: options.onTrouble }),
    )
  })
}

/** Seconds. */
const usualWindow = 60

export interface ChainPart {
  url: string
  id: number
  /** The recorder's; on the embedded chain also the deployer's. */
  key: `0x${string}`
  /** Null: no claims are relayed. */
  relayerKey: string | null
  /** Null: sessions are funded by their sponsors' own wallets alone. */
  treasurerKey: string | null
  /** If the environment names them; on the embedded chain Attune deploys its own. */
  contracts: { ledger: string; distributor: string | null } | null
  /** Seconds in which epochs can be disputed, and their votes appealed, if Attune deploys its own. */
  disputeWindow: number
}

export async function chainPart(options: PartsOptions): Promise<ChainPart> {
  const { dir, env, phases } = options
  const disputeWindow = windowOf(env.BLOCKCHAIN_DISPUTE_WINDOW)
  const external = env.BLOCKCHAIN_RPC_URL
  if (external) {
    const { BLOCKCHAIN_PRIVATE_KEY: key, CONTRACT_ADDRESS: ledger, DISTRIBUTOR_ADDRESS: distributor } = env
    if (!key || !ledger) {
      throw new StartFault(
        `BLOCKCHAIN_RPC_URL is set, and ${key ? 'CONTRACT_ADDRESS' : 'BLOCKCHAIN_PRIVATE_KEY'} is missing: deploy a ledger with "npm run deploy" and set both, or unset BLOCKCHAIN_RPC_URL to use the embedded chain`,
      )
    }
    if (!isHex(key)) throw new StartFault('BLOCKCHAIN_PRIVATE_KEY is wrong: 0x and 64 hex digits')
    const relayerKey = env.RELAYER_PRIVATE_KEY || null
    const treasurerKey = env.TREASURER_PRIVATE_KEY || null
    return phases.run('chain', async () => ({
      url: external,
      id: await checkChain(external),
      key,
      relayerKey,
      treasurerKey,
      disputeWindow,
      contracts: { ledger, distributor: distributor || null },
    }))
  }
  const url = await phases.run('chain', async () => {
    const port = await portFor(dir, 'chain')
    return embedded('chain', options, () =>
      openChain({ dir, port, quietSeconds: disputeWindow + 1, onTrouble: options.onTrouble }),
    )
  })
  return {
    url,
    id: chainId,
    key: devKey,
    relayerKey: relayerDevKey,
    treasurerKey: treasurerDevKey,
    contracts: null,
    disputeWindow,
  }
}

/** @throws StartFault if it is not a valid window */
function windowOf(wish: string | undefined): number {
  const seconds = wish ? Number(wish) : usualWindow
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= 2_592_000) return seconds
  throw new StartFault(`BLOCKCHAIN_DISPUTE_WINDOW is wrong: whole seconds, 30 days at most, not ${wish}`)
}

function isHex(key: string): key is `0x${string}` {
  return /^0x[0-9a-f]{64}$/i.test(key)
}

async function embedded(name: PartName, options: PartsOptions, open: () => Promise<Service>): Promise<string> {
  let url = ''
  const part = await supervise(async () => {
    const service = await open()
    url = service.url
    return service.child
  }, options.onTrouble)
  options.onStarted(name, part)
  return url
}

/**
 * Where unpacked binaries are kept: with the repository, so that throw-away instances share them, unless that is not
 * writable.
 */
export function sharedCache(root: string, dir: string): string {
  const shared = join(root, '.attune', 'cache')
  try {
    mkdirSync(shared, { recursive: true })
    accessSync(shared, constants.W_OK)
    return shared
  } catch (error) {
    if (!FORBIDDEN.includes(errorCode(error) ?? '')) throw error
    return join(dir, 'cache')
  }
}
