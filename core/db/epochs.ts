import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import { type LedgerId, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import type { EpochStore, PendingEpoch } from '../../contracts/ledger/epoch/ports.ts'
import { isDuplicate, transaction, type Db, type Pool } from './pool.ts'
import { backlogOf, hexOf, settledRecords } from './settled.ts'

/** Most bounties of one session that pay out: anybody can open one, and each is a line of every manifest. */
const mostBounties = 32

/** The recorder's side of the log. */
export function openEpochStore(pool: Pool): EpochStore {
  return {
    unrecorded: (limit) => settledRecords(pool, limit),
    backlog: () => backlogOf(pool),
    async links(payees) {
      const { rows } = await pool.query<{ payee: Buffer; account: Address }>(
        'select payee, wallet as account from users where payee = any($1::bytea[]) and wallet is not null',
        [payees.map((payee) => Buffer.from(payee.slice(2), 'hex'))],
      )
      return rows.map(({ payee, account }) => ({ payee: hexOf(payee), account }))
    },
    async bounties(chainId, distributor) {
      if (distributor === null) return []
      const { rows } = await pool.query<{ id: Hex; session_id: string; sponsor: Address; token: Address }>(
        `select id, session_id, sponsor, token from (
           select b.*, row_number() over (partition by b.session_id order by (b.sponsor = u.wallet) desc nulls last, b.funded desc, b.id) as place
           from bounties b join sessions s on s.id = b.session_id join users u on u.id = s.user_id
           where b.chain_id = $1 and b.distributor = $2) ranked
         where place <= $3 order by id`,
        [chainId, distributor, mostBounties],
      )
      return rows.map(({ id, session_id, sponsor, token }) => ({
        bounty: id,
        session: sessionKey(session_id),
        sponsor,
        token,
      }))
    },
    async lastEpoch(ledger) {
      const { rows } = await pool.query<{ epochId: number; manifest: string }>(
        'select id as "epochId", manifest from epochs where chain_id = $1 and ledger = $2 order by id desc limit 1',
        keyOf(ledger),
      )
      return rows[0] ?? null
    },
    async saveBuilt(epoch) {
      try {
        await transaction(pool, async (client) => {
          await client.query(
            `insert into epochs (chain_id, ledger, id, contributions_root, rewards_root, manifest_hash, manifest, count, rejections, block)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
            [
              ...keyOf(epoch.ledger),
              epoch.epochId,
              epoch.contributionsRoot,
              epoch.rewardsRoot,
              epoch.manifestHash,
              epoch.manifest,
              epoch.count,
              epoch.rejections,
              String(epoch.block),
            ],
          )
          await client.query(
            `insert into epoch_records (chain_id, ledger, epoch_id, feedback_id, contribution_id, leaf_index, credit, no_credit, held)
             select $1, $2, $3, f.id, c.id, leaf.index, leaf.credit, leaf.no_credit, leaf.held
             from unnest($4::uuid[], $5::int[], $6::bigint[], $7::text[], $8::boolean[]) leaf(id, index, credit, no_credit, held)
             left join feedback f on f.id = leaf.id left join contributions c on c.id = leaf.id`,
            [
              ...keyOf(epoch.ledger),
              epoch.epochId,
              epoch.leaves.map((leaf) => leaf.recordId),
              epoch.leaves.map((leaf) => Number(leaf.fields.index)),
              epoch.leaves.map((leaf) => String(leaf.credit)),
              epoch.leaves.map((leaf) => leaf.zero),
              epoch.leaves.map((leaf) => leaf.held),
            ],
          )
        })
      } catch (error) {
        if (isDuplicate(error))
          throw new LedgerError('record-twice', `epoch ${epoch.epochId} or one of its records is recorded already`)
        throw error
      }
    },
    async markSent(ledger, epochId, txHash) {
      await pool.query('update epochs set tx_hash = $4 where chain_id = $1 and ledger = $2 and id = $3', [
        ...keyOf(ledger),
        epochId,
        txHash,
      ])
    },
    async markConfirmed(ledger, epochId, { txHash, blockNumber, blockHash }) {
      await pool.query(
        `update epochs set tx_hash = $4, block_number = $5, block_hash = $6, confirmed_at = clock_timestamp()
         where chain_id = $1 and ledger = $2 and id = $3`,
        [...keyOf(ledger), epochId, txHash, String(blockNumber), blockHash],
      )
    },
    async pending(ledger, chainEpoch) {
      const { rows } = await pool.query<PendingRow>(
        `select id, contributions_root, rewards_root, manifest_hash, count, rejections, block, tx_hash from epochs
         where chain_id = $1 and ledger = $2 and (confirmed_at is null or id > $3) order by id`,
        [...keyOf(ledger), chainEpoch],
      )
      return rows.map(toPending)
    },
    async reject(ledger, chainEpoch, rejections) {
      return transaction(pool, async (client) => {
        const which = [...keyOf(ledger), chainEpoch, rejections]
        const { rowCount } = await client.query(
          `insert into rejected_epochs (chain_id, ledger, id, rejections, manifest_hash, manifest, count, tx_hash)
           select chain_id, ledger, id, rejections, manifest_hash, manifest, count, tx_hash from epochs
           where chain_id = $1 and ledger = $2 and id > $3 and rejections < $4`,
          which,
        )
        await client.query(
          `delete from epoch_records r using epochs e
           where (e.chain_id, e.ledger, e.id) = (r.chain_id, r.ledger, r.epoch_id)
             and e.chain_id = $1 and e.ledger = $2 and e.id > $3 and e.rejections < $4`,
          which,
        )
        await client.query(
          'delete from epochs where chain_id = $1 and ledger = $2 and id > $3 and rejections < $4',
          which,
        )
        return rowCount ?? 0
      })
    },
  }
}

/** The bytes of a recorded epoch's manifest; null where there is no such epoch. */
export async function manifestOf(db: Db, chainId: number, ledger: string, epochId: number): Promise<string | null> {
  const { rows } = await db.query<{ manifest: string }>(
    'select manifest from epochs where chain_id = $1 and ledger = $2 and id = $3 and confirmed_at is not null',
    [chainId, ledger, epochId],
  )
  return rows[0]?.manifest ?? null
}

/** The hash that identifies a recorded epoch's manifest; null if there is no such epoch. */
export async function manifestHashOf(db: Db, chainId: number, ledger: string, epochId: number): Promise<string | null> {
  const { rows } = await db.query<{ hash: string }>(
    'select manifest_hash as hash from epochs where chain_id = $1 and ledger = $2 and id = $3 and confirmed_at is not null',
    [chainId, ledger, epochId],
  )
  return rows[0]?.hash ?? null
}

/** The newest recorded epoch of a ledger; null before the first. */
export async function lastRecorded(db: Db, chainId: number, ledger: string): Promise<number | null> {
  const { rows } = await db.query<{ id: number | null }>(
    'select max(id) as id from epochs where chain_id = $1 and ledger = $2 and confirmed_at is not null',
    [chainId, ledger],
  )
  return rows[0]!.id
}

/** The newest confirmed epoch, and how many standing votes are waiting for one. */
export async function chainProgress(db: Db): Promise<{ lastEpoch: number | null; unrecorded: number }> {
  const { rows } = await db.query<{ lastEpoch: number | null; unrecorded: number }>(
    `select (select id from epochs where confirmed_at is not null order by confirmed_at desc limit 1) as "lastEpoch",
            (select count(*) from feedback f left join epoch_records r on r.feedback_id = f.id
             where r.feedback_id is null and f.withdrawn_at is null) as unrecorded`,
  )
  return rows[0]!
}

/** An epoch as it was recorded: one that still stands, or one that an upheld dispute rejected. */
export interface RecordedEpoch {
  epochId: number
  /** Upheld disputes before it was built. */
  rejections: number
  contributions: number
  txHash: string | null
  /** Null for one that was rejected. */
  recordedAt: Date | null
  rejectedAt: Date | null
}

/** The newest epochs of a ledger, including rejected ones; newest first. */
export async function recordedEpochs(
  db: Db,
  { chainId, ledger }: { chainId: number; ledger: string },
  limit: number,
): Promise<RecordedEpoch[]> {
  const { rows } = await db.query<RecordedEpoch>(
    `select id as "epochId", rejections, count as contributions, tx_hash as "txHash", confirmed_at as "recordedAt", null::timestamptz as "rejectedAt"
     from epochs where chain_id = $1 and ledger = $2 and confirmed_at is not null
     union all
     select id, rejections, count, tx_hash, null, rejected_at from rejected_epochs where chain_id = $1 and ledger = $2
     order by "epochId" desc, rejections desc limit $3`,
    [chainId, ledger, limit],
  )
  return rows
}

const keyOf = ({ chainId, ledger }: LedgerId): [number, string] => [chainId, ledger.toLowerCase()]

interface PendingRow {
  id: number
  contributions_root: Hex
  rewards_root: Hex
  manifest_hash: Hex
  count: number
  rejections: number
  block: number
  tx_hash: Hex | null
}

const toPending = (row: PendingRow): PendingEpoch => ({
  epochId: row.id,
  contributionsRoot: row.contributions_root,
  rewardsRoot: row.rewards_root,
  manifestHash: row.manifest_hash,
  count: row.count,
  rejections: row.rejections,
  block: BigInt(row.block),
  txHash: row.tx_hash,
})
