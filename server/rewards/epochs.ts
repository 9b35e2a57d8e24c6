import { LRUCache } from 'lru-cache'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Deps } from '../deps.ts'
import { disputeEvents, replaceDisputes } from '../../core/db/disputes.ts'
import { recordedEpochs, type RecordedEpoch } from '../../core/db/epochs.ts'
import { readOn } from './chain-events.ts'
import { finalAtOf, type DisputeEvent, type EpochChain, type Standing } from '../../contracts/ledger/client/epochs.ts'
import type { Dispute, EpochIndex, LedgerEpoch } from '../../core/protocol/index.ts'

/**
 * The newest epochs, what is in dispute, and the outcome of earlier disputes. While the chain is away it returns
 * what is known without it.
 */
export async function listEpochs(deps: Pick<Deps, 'pool'>, chain: EpochChain, limit: number): Promise<EpochIndex> {
  const [rows, events, standing] = await Promise.all([
    recordedEpochs(deps.pool, chain, limit),
    disputeEvents(deps.pool, chain),
    standingOf(chain),
  ])
  const disputes = disputesOf(events)
  const epochs = rows.map(async (row): Promise<LedgerEpoch> => {
    const state = stateOf(row, standing)
    const { epochId, contributions, txHash, recordedAt, rejectedAt } = row
    return {
      epochId,
      contributions,
      txHash,
      state,
      recordedAt: recordedAt?.toISOString() ?? null,
      finalAt: state === 'open' && standing !== null ? await finalAtIn(chain, row, standing) : null,
      rejectedAt: rejectedAt?.toISOString() ?? null,
      disputes: disputes.filter((one) => isOf(one, row, rows)).map(({ dispute }) => dispute),
    }
  })
  return { bond: standing === null ? null : String(standing.bond), epochs: await Promise.all(epochs) }
}

/** Syncs dispute events from the chain to Postgres: one poll. @throws LedgerError unreachable */
export const watchDisputes = ({ pool }: Pick<Deps, 'pool'>, chain: EpochChain, fromBlock: bigint): Promise<void> =>
  readOn(pool, {
    chainId: chain.chainId,
    contract: chain.ledger,
    fromBlock,
    head: chain.head,
    read: async (from, to) => replaceDisputes(pool, chain, from, await chain.disputesIn(from, to)),
  })

/**
 * A dispute with the epoch that it was about: of several that had this number, the one built after this many
 * upheld disputes, or before.
 */
export interface DisputeOfEpoch {
  epochId: number
  rejections: number
  dispute: Dispute
}

/** Disputes from their events, in order. One is open at a time, so a decision is of the one before it. Pure. */
export function disputesOf(events: readonly DisputeEvent[]): DisputeOfEpoch[] {
  const disputes: DisputeOfEpoch[] = []
  let rejections = 0
  for (const { epochId, txHash, at, what } of events) {
    if (what.kind === 'opened') {
      const { disputer, bond, reason } = what
      disputes.push({
        epochId,
        rejections,
        dispute: { disputer, bond: String(bond), reason, txHash, timestamp: at.toISOString(), decision: null },
      })
      continue
    }
    const last = disputes.at(-1)
    if (last !== undefined) last.dispute.decision = { outcome: what.kind, txHash, timestamp: at.toISOString() }
    if (what.kind === 'upheld') rejections++
  }
  return disputes
}

function isOf({ epochId, rejections }: DisputeOfEpoch, row: RecordedEpoch, rows: readonly RecordedEpoch[]): boolean {
  const could = (one: RecordedEpoch) => one.epochId === epochId && one.rejections <= rejections
  return could(row) && !rows.some((other) => could(other) && other.rejections > row.rejections)
}

async function finalAtIn(chain: EpochChain, row: RecordedEpoch, standing: Standing): Promise<string | null> {
  const end = await windowEndOf(chain, row)
  return end === null ? null : (finalAtOf(end, standing)?.toISOString() ?? null)
}

/** It is constant for one recording of an epoch, so the last ones are cached: the list requests many at a time. */
async function windowEndOf(chain: EpochChain, { epochId, txHash }: RecordedEpoch): Promise<Date | null> {
  const key = `${chain.ledger}/${epochId}/${txHash}`
  const end = ends.get(key) ?? (await chain.windowEnd(epochId))
  if (end === null) return null
  ends.set(key, end)
  return end
}
const ends = new LRUCache<string, Date>({ max: 1_000 })

function stateOf({ epochId, rejectedAt }: RecordedEpoch, standing: Standing | null): LedgerEpoch['state'] {
  if (rejectedAt !== null) return 'rejected'
  if (standing === null) return null
  // The recorder has not seen the decision yet.
  if (epochId > standing.lastEpochId) return 'rejected'
  if (epochId === standing.disputedEpochId) return 'disputed'
  return epochId <= standing.lastFinalId ? 'final' : 'open'
}

async function standingOf(chain: EpochChain): Promise<Standing | null> {
  try {
    return await chain.standing()
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'unreachable') return null
    throw error
  }
}
