import type { Hex } from 'viem'
import type { Balances } from '../../contracts/balances.ts'
import { VOTE_USED } from '../../contracts/credit.ts'
import { LedgerError } from '../../contracts/errors.ts'
import type { ContributionRecord, LedgerId } from '../../contracts/leaf.ts'
import type { EpochStore, PendingEpoch } from '../../contracts/recorder.ts'
import { limits } from '../protocol.ts'
import { isDuplicate, transaction, type Pool } from './pool.ts'

/** A vote that no step has used is recorded without one after this long, seconds: its run is waiting for something else. */
const unusedAfterSeconds = 3600

/** The recorder's side of the log. */
export function openEpochStore(pool: Pool): EpochStore {
  return {
    async unrecorded(limit) {
      const votes = await settledVotes(pool, limit)
      return [...votes, ...(await otherContributions(pool, limit - votes.length))]
    },
    async wallets(contributorIds) {
      const { rows } = await pool.query<{ contributorId: string; walletAddress: Hex }>(
        `select id as "contributorId", wallet as "walletAddress" from users where id = any($1::uuid[]) and wallet is not null`,
        [contributorIds],
      )
      return rows
    },
    async lastEpoch(ledger) {
      const { rows } = await pool.query<{ id: number; balances: StoredBalances }>(
        'select id, balances from epochs where chain_id = $1 and ledger = $2 order by id desc limit 1',
        keyOf(ledger),
      )
      return rows[0] ? { epochId: rows[0].id, balances: fromStored(rows[0].balances) } : null
    },
    async saveBuilt(epoch) {
      try {
        await transaction(pool, async (client) => {
          await client.query(
            `insert into epochs (chain_id, ledger, id, contributions_root, rewards_root, manifest_hash, manifest, balances, count, rejections)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
            [
              ...keyOf(epoch.ledger),
              epoch.epochId,
              epoch.contributionsRoot,
              epoch.rewardsRoot,
              epoch.manifestHash,
              epoch.manifest,
              toStored(epoch.balances),
              epoch.count,
              epoch.rejections,
            ],
          )
          await client.query(
            `insert into epoch_records (chain_id, ledger, epoch_id, feedback_id, contribution_id, leaf_index, credit)
             select $1, $2, $3, f.id, c.id, leaf.index, leaf.credit
             from unnest($4::uuid[], $5::int[], $6::bigint[]) leaf(id, index, credit)
             left join feedback f on f.id = leaf.id left join contributions c on c.id = leaf.id`,
            [
              ...keyOf(epoch.ledger),
              epoch.epochId,
              epoch.leaves.map((leaf) => leaf.recordId),
              epoch.leaves.map((leaf) => Number(leaf.fields.index)),
              epoch.leaves.map((leaf) => String(leaf.credit)),
            ],
          )
        })
      } catch (error) {
        if (isDuplicate(error)) throw new LedgerError('record-twice', `epoch ${epoch.epochId} or one of its records is recorded already`)
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
        `select id, contributions_root, rewards_root, manifest_hash, count, rejections, tx_hash from epochs
         where chain_id = $1 and ledger = $2 and (confirmed_at is null or id > $3) order by id`,
        [...keyOf(ledger), chainEpoch],
      )
      return rows.map(toPending)
    },
  }
}

/** Votes in no epoch that are past being withdrawn, and used or past being used, in the order in which they were stored. */
async function settledVotes(pool: Pool, limit: number): Promise<ContributionRecord[]> {
  const { rows } = await pool.query<VoteRow>(
    `select f.id, f.user_id, u.wallet, f.session_id, f.salt, f.human_rating, f.compassion_rating, f.value,
            encode(sha256(convert_to(f.input_text || E'\\n' || f.model_response, 'UTF8')), 'hex') as text_hash,
            r.step, r.weight, r.crowd
     from feedback f
     join users u on u.id = f.user_id
     join sessions s on s.id = f.session_id
     left join receipts r on r.feedback_id = f.id
     left join epoch_records e on e.feedback_id = f.id
     where e.feedback_id is null and f.withdrawn_at is null
       and f.created_at < clock_timestamp() - make_interval(secs => $2)
       and (r.feedback_id is not null or s.status in ('completed', 'failed')
            or f.created_at < clock_timestamp() - make_interval(secs => $3))
     order by f.seq limit $1`,
    [limit, (2 * limits.withdrawMs) / 1000, unusedAfterSeconds],
  )
  return rows.map(voteRecord)
}

/** Other contributions in no epoch, in the order in which they were stored. A correction waits for the vote that it corrects. */
async function otherContributions(pool: Pool, limit: number): Promise<ContributionRecord[]> {
  const { rows } = await pool.query<ContributionRow>(
    `select c.id, c.user_id, u.wallet, c.session_id, c.kind, c.salt,
            case when c.kind = 'feedback' then c.payload || jsonb_build_object('credit', $2 - v.credit) else c.payload end as payload
     from contributions c
     join users u on u.id = c.user_id
     left join epoch_records e on e.contribution_id = c.id
     left join epoch_records v on v.feedback_id = (c.payload ->> 'corrects')::uuid
     where e.contribution_id is null and (c.kind <> 'feedback' or v.feedback_id is not null)
     order by c.seq limit $1`,
    [limit, Number(VOTE_USED)],
  )
  return rows.map(({ id, user_id, wallet, session_id, kind, payload, salt }) => ({
    recordId: id,
    contributorId: user_id,
    walletAddress: wallet,
    sessionId: session_id,
    kind,
    payload,
    usedInStep: null,
    salt: hexOf(salt),
  }))
}

const hexOf = (bytes: Buffer): Hex => `0x${bytes.toString('hex')}`

const keyOf = ({ chainId, ledger }: LedgerId): [number, string] => [chainId, ledger.toLowerCase()]

interface ContributionRow {
  id: string
  user_id: string
  wallet: Hex | null
  session_id: string
  kind: ContributionRecord['kind']
  payload: ContributionRecord['payload']
  salt: Buffer
}

interface VoteRow {
  id: string
  user_id: string
  wallet: Hex | null
  session_id: string
  salt: Buffer
  human_rating: number
  compassion_rating: number
  value: number
  text_hash: string
  step: number | null
  weight: number | null
  crowd: number | null
}

/** What the leaf commits to: the vote and its receipt, no text. */
function voteRecord(row: VoteRow): ContributionRecord {
  const used = row.crowd !== null
  return {
    recordId: row.id,
    contributorId: row.user_id,
    walletAddress: row.wallet,
    sessionId: row.session_id,
    kind: 'feedback',
    payload: {
      textHash: row.text_hash,
      humanRating: row.human_rating,
      compassionRating: row.compassion_rating,
      value: row.value,
      step: row.step,
      weight: row.weight,
    },
    usedInStep: used ? row.step : null,
    salt: hexOf(row.salt),
  }
}

interface PendingRow {
  id: number
  contributions_root: Hex
  rewards_root: Hex
  manifest_hash: Hex
  count: number
  rejections: number
  tx_hash: Hex | null
}

const toPending = (row: PendingRow): PendingEpoch => ({
  epochId: row.id,
  contributionsRoot: row.contributions_root,
  rewardsRoot: row.rewards_root,
  manifestHash: row.manifest_hash,
  count: row.count,
  rejections: row.rejections,
  txHash: row.tx_hash,
})

/** JSON has no integers of this size: points are strings there. */
interface StoredBalances {
  accounts: { account: Hex; points: string }[]
  unlinked: { contributorId: string; points: string }[]
}

const toStored = ({ accounts, unlinked }: Balances): StoredBalances => ({
  accounts: accounts.map((a) => ({ ...a, points: String(a.points) })),
  unlinked: unlinked.map((u) => ({ ...u, points: String(u.points) })),
})

const fromStored = (stored: StoredBalances): Balances => ({
  accounts: stored.accounts.map((a) => ({ ...a, points: BigInt(a.points) })),
  unlinked: stored.unlinked.map((u) => ({ ...u, points: BigInt(u.points) })),
})

