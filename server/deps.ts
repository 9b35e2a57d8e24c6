import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { EpochStatus } from '../contracts/ledger/client/chain.ts'
import type { BountyChain } from '../contracts/ledger/client/bounties.ts'
import type { Accounts } from './auth/accounts.ts'
import type { ClaimSender } from './rewards/claim-sender.ts'
import type { LedgerQuestion } from './rewards/rpc-proxy.ts'
import type { EpochChain } from '../contracts/ledger/client/epochs.ts'
import type { Pool } from '../core/db/pool.ts'
import type { Heartbeat } from '../core/db/heartbeats.ts'
import type { Caller } from '../core/permissions.ts'
import type { ChainFacts, Download, MerkleProof, ModelImport, RoomEvent, StartImport } from '../core/protocol/index.ts'
import type { Jobs } from '../core/queues.ts'
import type { TreasurySender } from './rewards/treasury-sender.ts'
import { append, type InternalEvent } from '../core/events/log.ts'
import type { Pseudonyms } from './exports/pseudonyms.ts'
import type { Sources } from './sessions/sources.ts'
import type { Tallies } from './sessions/tallies.ts'

/** What the domain functions work with. Postgres is needed; Redis and the chain may be away. */
export interface Deps {
  pool: Pool
  redis: Redis
  trainQueue: Queue<Jobs['train']>
  /** null: this installation has no chain. */
  chain: ChainReader | null
  accounts: Accounts
  models: ModelStore
  imports: Imports
  downloads: Downloads
  /** Where votes come from. */
  sources: Sources
  /** What exports call people. */
  pseudonyms: Pseudonyms
  /** Notifies rooms of their vote tallies. */
  tallies: Tallies
  /** The loops of this server. */
  watches: Watches
  /** How often the recorder closes an epoch, by this server's configuration, milliseconds. */
  recordEveryMs: number
  log: Logger
}

/** Where models are stored, and where they come from. */
export interface ModelStore {
  /** MODELS_PATH, absolute. */
  path: string
  /** CHECKPOINTS_PATH, absolute. */
  checkpointsPath: string
  /** Of one imported or uploaded model. */
  maxBytes: number
  hub: { url: string; token: string | undefined }
}

/** Imports from the hub. */
export interface Imports {
  /** @throws AttuneError conflict */
  start: (caller: Caller, request: StartImport) => Promise<ModelImport>
  /** Stops one, on whichever server it runs. Files already downloaded are kept. @throws AttuneError not-found */
  stop: (id: string) => Promise<ModelImport>
  /** Resumes imports whose server is gone. */
  takeOver: () => Promise<void>
  /** Leaves those running here to others, or to the next start. */
  close: () => Promise<void>
}

/** Models as archives. */
export interface Downloads {
  /** The state of a model's archive; it is packed if it does not exist. @throws AttuneError not-found, conflict */
  ask: (downloadId: string) => Promise<Download>
  /** The path of an existing archive. @throws AttuneError not-found, conflict */
  file: (downloadId: string) => Promise<string>
  /** Returns once nothing is being packed any more. */
  close: () => Promise<void>
}

/** The server's loops, and when each last completed an iteration. */
export interface Watches {
  /** When this server started, milliseconds since 1970. */
  readonly since: number
  /** Registers a loop; it counts as silent from now on until it has `turned`. */
  add: (name: string, everyMs: number) => { turned: (error?: unknown) => void; remove: () => void }
  all: () => Heartbeat[]
}

/** What the server asks the chain; never on the path of a vote. */
export interface ChainReader {
  /** Where the epochs go. */
  chainId: number
  /** In lower case. */
  ledger: `0x${string}`
  facts: ChainFacts
  /** null: nothing is paid here. */
  bounties: BountyChain | null
  epochs: EpochChain
  /** The account that sends claims for others; null: none. */
  relayer: ClaimSender | null
  /** The account that administrators fund from; null: there is none. */
  treasury: TreasurySender | null
  /** Checks a proof against the ledger's own storage, never against the caller's word. */
  verify: (proof: MerkleProof) => Promise<{ valid: boolean; reason?: string }>
  /** Where the ledger has an epoch. @throws LedgerError unreachable */
  epochStatus: (epochId: number) => Promise<EpochStatus>
  /** For the health check and the status page; rejects if the chain does not answer. */
  check: () => Promise<void>
  /** The node's own answer to a page's question about the ledger. */
  relay: (question: LedgerQuestion) => Promise<unknown>
}

/**
 * Notifies a session's room. Not awaited by callers: the change is already in Postgres, and an
 * event that cannot be sent is covered by a snapshot once Redis is back.
 */
export function publish(deps: Pick<Deps, 'redis' | 'log'>, sessionId: string, event: RoomEvent | InternalEvent): void {
  append(deps.redis, sessionId, event).catch((error: unknown) => {
    deps.log.warn({ err: error, sessionId, event: event.event }, 'a room event was lost')
  })
}

/** Requests a trainer. If Redis is away, the reconciler asks again (reconciler.ts). */
export function enqueueRun(deps: Pick<Deps, 'trainQueue' | 'log'>, sessionId: string): void {
  deps.trainQueue.add('train', { sessionId }).catch((error: unknown) => {
    deps.log.warn({ err: error, sessionId }, 'a run could not be queued; the reconciler will')
  })
}
