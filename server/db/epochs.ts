import type { Address, Hex } from 'viem'
import { VOTE_USED } from '../../contracts/credit.ts'
import { LedgerError } from '../../contracts/errors.ts'
import { type ContributionRecord, type LedgerId, sessionKey } from '../../contracts/leaf.ts'
import type { EpochStore, PendingEpoch } from '../../contracts/recorder-ports.ts'
import { limits } from '../protocol.ts'
import { isDuplicate, transaction, type Pool } from './pool.ts'

/** A vote that no step has used is recorded without one after this long, seconds: its run is waiting for something else. */
const unusedAfterSeconds = 3600

/** Bounties of one session that are paid from: anybody can open one, and each is a line of every manifest. */
const mostBounties = 32

/** The recorder's side of the log. */
export function openEpochStore(pool: Pool): EpochStore {
  return {
    async unrecorded(limit) {
      const votes = await settledVotes(pool, limit)
      return [...votes, ...(await otherContributions(pool, limit - votes.length))]
    },
    async backlog() {
      const { rows } = await pool.query<{ records: number; oldestSeconds: number }>(
        `select count(*) as records, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldestSeconds"
         from (select f.created_at from feedback f left join epoch_records e on e.feedback_id = f.id
               where e.feedback_id is null and f.withdrawn_at is null
               union all
               select c.created_at from contributions c left join epoch_records e on e.contribution_id = c.id
               where e.contribution_id is null) waiting`,
      )
      return rows[0]
    },
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
      return rows.map(({ id, session_id, sponsor, token }) => ({ bounty: id, session: sessionKey(session_id), sponsor, token }))
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
        await client.query('delete from epochs where chain_id = $1 and ledger = $2 and id > $3 and rejections < $4', which)
        return rowCount ?? 0
      })
    },
  }
}

/** Votes in no epoch that are past being withdrawn, and used or past being used, in the order in which they were stored. */
async function settledVotes(pool: Pool, limit: number): Promise<ContributionRecord[]> {
  const { rows } = await pool.query<VoteRow>(
    `select f.id, f.user_id, u.wallet, u.payee, f.session_id, f.salt, f.human_rating, f.compassion_rating, f.value,
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
    `select c.id, c.user_id, u.wallet, u.payee, c.session_id, c.kind, c.salt,
            case when c.kind = 'feedback' then c.payload || jsonb_build_object('credit', $2 - v.credit) else c.payload end as payload
     from contributions c
     join users u on u.id = c.user_id
     left join epoch_records e on e.contribution_id = c.id
     left join epoch_records v on v.feedback_id = (c.payload ->> 'corrects')::uuid
     where e.contribution_id is null and (c.kind <> 'feedback' or v.feedback_id is not null)
     order by c.seq limit $1`,
    [limit, Number(VOTE_USED)],
  )
  return rows.map(({ id, user_id, wallet, payee, session_id, kind, payload, salt }) => ({
    recordId: id,
    contributorId: user_id,
    walletAddress: wallet,
    payee: hexOf(payee),
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
  wallet: Address | null
  payee: Buffer
  session_id: string
  kind: ContributionRecord['kind']
  payload: ContributionRecord['payload']
  salt: Buffer
}

interface VoteRow {
  id: string
  user_id: string
  wallet: Address | null
  payee: Buffer
  session_id: string
  salt: Buffer
  human_rating: number
  compassion_rating: number | null
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
    payee: hexOf(row.payee),
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
