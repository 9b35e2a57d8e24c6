import { resolve } from 'node:path'
import { z } from 'zod'

/**
 * Reads and checks the environment. Apart from the `main.ts` files it is the only place that does.
 * `secrets` names the ones that this process requires: none has a default (rule S1), so
 * the trainer starts without JWT_SECRET and the server doesn't.
 *
 * @throws ConfigError, one line that names every variable that is missing or wrong.
 */
export function loadConfig<S extends SecretName = never>(
  env: NodeJS.ProcessEnv,
  secrets: readonly S[] = [],
): Config & { secrets: Record<S, string> } {
  // A compose file turns an unset variable into an empty one.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(given)
  const issues = parsed.success ? [] : parsed.error.issues.map((issue) => describe(issue, given))
  for (const name of secrets) if (given[name] === undefined) issues.push(`${name} is missing`)
  if (!parsed.success || issues.length > 0) throw new ConfigError([...new Set(issues)].join('; '))
  const e = parsed.data
  return {
    env: e.NODE_ENV,
    port: e.PORT,
    databaseUrl: e.DATABASE_URL,
    redisUrl: e.REDIS_URL,
    allowedOrigins: e.ALLOWED_ORIGINS,
    publicUrl: e.PUBLIC_URL ?? null,
    trustProxy: e.TRUST_PROXY,
    guestsPerHour: e.GUESTS_PER_HOUR,
    sockets: { perAddress: e.MAX_SOCKETS_PER_ADDRESS, perPerson: e.MAX_SOCKETS_PER_PERSON },
    maxConnections: e.MAX_CONNECTIONS,
    logLevel: e.LOG_LEVEL,
    modelsPath: resolve(e.MODELS_PATH),
    maxModelBytes: e.MAX_MODEL_BYTES,
    hub: { url: e.HF_ENDPOINT.replace(/\/$/, ''), token: e.HF_TOKEN },
    checkpointsPath: resolve(e.CHECKPOINTS_PATH),
    downloadsPath: resolve(e.DOWNLOADS_PATH),
    cachePath: resolve(e.CACHE_PATH),
    compute: { engine: e.ATTUNE_ENGINE, device: e.ATTUNE_DEVICE, precision: e.ATTUNE_PRECISION },
    trainer: {
      places: e.TRAINER_PLACES,
      turns: { patienceMs: 1_000 * e.TRAINER_PATIENCE, turnMs: 1_000 * e.TRAINER_TURN },
    },
    blockchain: {
      networkId: e.BLOCKCHAIN_NETWORK_ID,
      rpcUrl: e.BLOCKCHAIN_RPC_URL,
      contractAddress: e.CONTRACT_ADDRESS,
      distributorAddress: e.DISTRIBUTOR_ADDRESS,
      fromBlock: BigInt(e.BLOCKCHAIN_FROM_BLOCK),
      confirmations: e.BLOCKCHAIN_CONFIRMATIONS,
      maxFeeGwei: e.BLOCKCHAIN_MAX_FEE_GWEI,
      relayer:
        e.RELAYER_PRIVATE_KEY === undefined
          ? null
          : { privateKey: e.RELAYER_PRIVATE_KEY as `0x${string}`, maxFeeGwei: e.RELAYER_MAX_FEE_GWEI },
      treasurer:
        e.TREASURER_PRIVATE_KEY === undefined
          ? null
          : { privateKey: e.TREASURER_PRIVATE_KEY as `0x${string}`, maxFeeGwei: e.TREASURER_MAX_FEE_GWEI },
      pollMs: e.BLOCKCHAIN_POLL_INTERVAL,
      syncIntervalMs: e.BLOCKCHAIN_SYNC_INTERVAL,
    },
    secrets: Object.fromEntries(secrets.map((name) => [name, e[name]])) as Record<S, string>,
  }
}

const describe = (issue: z.core.$ZodIssue, given: Record<string, unknown>) => {
  const name = issue.path.join('.')
  return given[name] === undefined ? `${name} is missing` : `${name} is wrong: ${issue.message}`
}

export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

export interface Config {
  env: 'development' | 'test' | 'production'
  port: number
  databaseUrl: string
  redisUrl: string
  /** Origins that may call from a browser, besides the server's own; `*` for all. */
  allowedOrigins: string[]
  /** The origin that people open the page at; null: whichever they requested. */
  publicUrl: string | null
  /** Proxies in front of the server whose X-Forwarded-For and -Host are trusted. */
  trustProxy: number
  /** New accounts, guests included, from one IPv4 address or IPv6 /64. */
  guestsPerHour: number
  /** Most live sockets at this server for one address (for IPv6, one /64) and for one person. */
  sockets: { perAddress: number; perPerson: number }
  /** Most connections at this server; undefined: as many as its file descriptors allow. */
  maxConnections: number | undefined
  logLevel: z.output<typeof LogLevel>
  /** Absolute paths. */
  modelsPath: string
  /** Larger models are neither imported nor uploaded. */
  maxModelBytes: number
  /** Where models are imported from, and the token for private ones. */
  hub: { url: string; token: string | undefined }
  checkpointsPath: string
  downloadsPath: string
  cachePath: string
  /** The training backend (ONNX Runtime or TensorFlow.js), its device, and the precision of matrix products. */
  compute: { engine: 'onnx' | 'tfjs'; device: 'cpu' | 'webgpu' | 'cuda' | 'auto'; precision: 'float32' | 'float16' }
  /** Runs that one trainer trains concurrently, and when one yields its slot to another. */
  trainer: { places: number; turns: { patienceMs: number; turnMs: number } }
  blockchain: {
    networkId: number | undefined
    /** Undefined: this installation has no chain. */
    rpcUrl: string | undefined
    contractAddress: string | undefined
    /** Undefined: nothing is paid, credits are only counted. */
    distributorAddress: string | undefined
    /** The block in which the contracts were deployed, or an earlier one: events below it are never read. */
    fromBlock: bigint
    /** Confirmations that an epoch needs, its own block included; the network's default if absent. */
    confirmations: number | undefined
    /** The highest gas price that the recorder pays, gwei, decimal. */
    maxFeeGwei: string | undefined
    /** The account that relays claims, and the highest gas price that it pays, gwei, decimal; null: none. */
    relayer: { privateKey: `0x${string}`; maxFeeGwei: string } | null
    /**
     * The account that administrators fund sessions from, and the highest gas price that it pays, gwei, decimal; null:
     * none.
     */
    treasurer: { privateKey: `0x${string}`; maxFeeGwei: string } | null
    /** Interval of polling the chain for what others have done there, milliseconds. */
    pollMs: number
    syncIntervalMs: number
  }
}

const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
const origins = z.string().transform((list) =>
  list
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== ''),
)

const origin = z
  .string()
  .refine(
    (url) =>
      URL.canParse(url) &&
      /^https?:$/.test(new URL(url).protocol) &&
      new URL(url).origin === new URL(url).href.replace(/\/$/, ''),
    'an address without a path, like https://attune.example.org',
  )
  .transform((url) => new URL(url).origin)

const key = z.string().regex(/^0x[0-9a-f]{64}$/i, '0x and 64 hex digits')

const Secrets = z.object({
  /** Signs the access tokens. */
  JWT_SECRET: z.string().min(32, 'at least 32 characters').optional(),
  /** Encrypts personal data at rest: 32 bytes, in hex. */
  DATA_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, '64 hex digits')
    .optional(),
  /** Pays for the recorder's transactions. */
  BLOCKCHAIN_PRIVATE_KEY: key.optional(),
})
export type SecretName = keyof z.output<typeof Secrets>

const gwei = z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, 'gwei, like 25 or 0.5')

const Environment = Secrets.extend({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('production'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(3001),
  DATABASE_URL: z.string(),
  REDIS_URL: z.string(),
  ALLOWED_ORIGINS: origins.default([]),
  PUBLIC_URL: origin.optional(),
  TRUST_PROXY: z.coerce.number().int().min(0).max(8).default(0),
  GUESTS_PER_HOUR: z.coerce.number().int().min(1).max(1_000_000).default(300),
  MAX_SOCKETS_PER_ADDRESS: z.coerce.number().int().positive().max(1_000_000).default(300),
  MAX_SOCKETS_PER_PERSON: z.coerce.number().int().positive().max(1_000_000).default(20),
  MAX_CONNECTIONS: z.coerce.number().int().positive().max(10_000_000).optional(),
  LOG_LEVEL: LogLevel.default('info'),
  MODELS_PATH: z.string().default('./models'),
  MAX_MODEL_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(64 * 2 ** 30),
  HF_ENDPOINT: z.url().default('https://huggingface.co'),
  HF_TOKEN: z.string().optional(),
  CHECKPOINTS_PATH: z.string().default('./.attune/checkpoints'),
  DOWNLOADS_PATH: z.string().default('./.attune/downloads'),
  CACHE_PATH: z.string().default('./.attune/cache'),
  ATTUNE_ENGINE: z.enum(['onnx', 'tfjs']).default('onnx'),
  ATTUNE_DEVICE: z.enum(['cpu', 'webgpu', 'cuda', 'auto']).default('cpu'),
  ATTUNE_PRECISION: z.enum(['float32', 'float16']).default('float32'),
  TRAINER_PLACES: z.coerce.number().int().min(1).max(64).default(4),
  TRAINER_PATIENCE: z.coerce.number().min(5).max(86_400).default(30),
  TRAINER_TURN: z.coerce.number().min(0).max(86_400).default(60),
  BLOCKCHAIN_NETWORK_ID: z.coerce.number().int().positive().optional(),
  BLOCKCHAIN_RPC_URL: z.url().optional(),
  CONTRACT_ADDRESS: z
    .string()
    .regex(/^0x[0-9a-f]{40}$/i, '0x and 40 hex digits')
    .optional(),
  DISTRIBUTOR_ADDRESS: z
    .string()
    .regex(/^0x[0-9a-f]{40}$/i, '0x and 40 hex digits')
    .optional(),
  BLOCKCHAIN_FROM_BLOCK: z.coerce.number().int().min(0).default(0),
  BLOCKCHAIN_CONFIRMATIONS: z.coerce.number().int().min(1).max(1_000).optional(),
  BLOCKCHAIN_MAX_FEE_GWEI: gwei.optional(),
  RELAYER_PRIVATE_KEY: key.optional(),
  RELAYER_MAX_FEE_GWEI: gwei.default('50'),
  TREASURER_PRIVATE_KEY: key.optional(),
  TREASURER_MAX_FEE_GWEI: gwei.default('50'),
  BLOCKCHAIN_POLL_INTERVAL: z.coerce.number().int().min(100).default(3_000),
  BLOCKCHAIN_SYNC_INTERVAL: z.coerce.number().int().min(1_000).default(60_000),
})
