import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { transaction, type Db, type Pool } from './pool.ts'
import type { DisputeEvent } from '../../contracts/ledger/client/epochs.ts'

/** A ledger on its chain; in lower case. */
interface Place {
  chainId: number
  ledger: string
}

/** Stores the events from a block on, replacing those stored before: a reorganisation may have changed them. */
export async function replaceDisputes(
  pool: Pool,
  { chainId, ledger }: Place,
  from: bigint,
  events: readonly DisputeEvent[],
): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query('delete from dispute_events where chain_id = $1 and ledger = $2 and block >= $3', [
      chainId,
      ledger,
      String(from),
    ])
    for (const { block, logIndex, epochId, txHash, at, what } of events) {
      const { disputer, bond, reason } = what.kind === 'opened' ? what : { disputer: null, bond: null, reason: null }
      // Another server may be doing the same concurrently.
      await client.query(
        `insert into dispute_events (chain_id, ledger, block, log_index, epoch_id, kind, disputer, bond, reason, tx_hash, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing`,
        [
          chainId,
          ledger,
          String(block),
          logIndex,
          epochId,
          what.kind,
          disputer,
          bond === null ? null : String(bond),
          reason,
          txHash,
          at,
        ],
      )
    }
  })
}

/** Every dispute event of a ledger, in order. */
export async function disputeEvents(db: Db, { chainId, ledger }: Place): Promise<DisputeEvent[]> {
  const { rows } = await db.query<Row>(
    `select block, log_index as "logIndex", epoch_id as "epochId", kind, disputer, bond, reason, tx_hash as "txHash", at
     from dispute_events where chain_id = $1 and ledger = $2 order by block, log_index`,
    [chainId, ledger],
  )
  return rows.map(({ block, kind, disputer, bond, reason, ...event }) => ({
    ...event,
    block: BigInt(block),
    what: kind === 'opened' ? { kind, disputer, bond: BigInt(bond), reason } : { kind },
  }))
}

type Row = { block: number; logIndex: number; epochId: number; txHash: Hex; at: Date } & (
  | { kind: 'opened'; disputer: Address; bond: string; reason: string }
  | { kind: 'upheld' | 'dismissed'; disputer: null; bond: null; reason: null }
)
