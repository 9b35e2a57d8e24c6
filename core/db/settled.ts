import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { VOTE_USED } from '../../contracts/ledger/epoch/credit.ts'
import type { ContributionRecord } from '../../contracts/ledger/epoch/leaf.ts'
import { limits } from '../protocol/index.ts'
import type { Pool } from './pool.ts'
import { isHeld } from './run-lock.ts'

/**
 * Records in no epoch that are settled: votes first, then other contributions, each in the order in
 * which they were stored. What a vote earns depends on its step, so a vote is settled once its receipt
 * is final, or can no longer get one: its run has ended, and nobody is committing a step of it.
 */
export async function settledRecords(pool: Pool, limit: number): Promise<ContributionRecord[]> {
  const votes = await settledVotes(pool, limit)
  const others = await otherContributions(pool, limit - votes.length)
  const all = [...votes, ...others]
  const known = await comparables(pool, all)
  return all.map((row) => ({ ...row, comparable: known.get(`${row.contributorId}/${row.sessionId}`) ?? 0 }))
}

/** How many settled records wait for an epoch, and for how long the oldest has waited, seconds. */
export async function backlogOf(pool: Pool): Promise<{ records: number; oldestSeconds: number }> {
  const { rows } = await pool.query<{ records: number; oldestSeconds: number }>(
    `select count(*) as records, coalesce(extract(epoch from clock_timestamp() - min(since)), 0)::float8 as "oldestSeconds"
     from (select coalesce(r.created_at, s.end_time, f.created_at) as since ${settled('f')}
           union all
           select c.created_at from contributions c left join epoch_records e on e.contribution_id = c.id
           where e.contribution_id is null) waiting`,
    [withdrawnSeconds],
  )
  return rows[0]!
}

/** Twice as long as a vote can be withdrawn, seconds. */
const withdrawnSeconds = (2 * limits.withdrawMs) / 1000

/** Standing votes `f` in no epoch that can no longer change, with their receipts `r` and sessions `s`. */
const settled = (f: string): string => `
  from feedback ${f}
  join sessions s on s.id = ${f}.session_id
  left join receipts r on r.feedback_id = ${f}.id and r.final
  left join epoch_records e on e.feedback_id = ${f}.id
  where e.feedback_id is null and ${f}.withdrawn_at is null
    and ${f}.created_at < clock_timestamp() - make_interval(secs => $1)
    and (r.feedback_id is not null or s.status in ('completed', 'failed') and not ${isHeld('s.id')})`

type Uncompared = Omit<ContributionRecord, 'comparable'>

async function settledVotes(pool: Pool, limit: number): Promise<Uncompared[]> {
  const { rows } = await pool.query<VoteRow>(
    `with v as (
       select f.*, r.step, r.weight, r.reliability, r.crowd, r.comparable, r.updated, ${secondsPerAnswer('s')} as seconds ${settled('f')}
       order by f.seq limit $2)
     select v.id, v.user_id, u.wallet, u.payee, v.session_id, v.salt, v.human_rating, v.compassion_rating, v.value,
            encode(sha256(convert_to(v.input_text || E'\\n' || v.model_response, 'UTF8')), 'hex') as text_hash,
            v.step, v.weight, v.reliability, v.crowd, v.comparable, v.updated, v.late, v.sample_id is not null as produced, v.created_at, v.seconds
     from v join users u on u.id = v.user_id order by v.seq`,
    [withdrawnSeconds, limit],
  )
  return rows.map(voteRecord)
}

/** A correction waits for the vote that it corrects. */
async function otherContributions(pool: Pool, limit: number): Promise<Uncompared[]> {
  const { rows } = await pool.query<ContributionRow>(
    `select c.id, c.user_id, u.wallet, u.payee, c.session_id, c.kind, c.salt, ${secondsPerAnswer('s')} as seconds,
            coalesce(f.created_at, c.created_at) as at,
            case when c.kind = 'feedback'
              then c.payload || jsonb_build_object('credit', $2 - v.credit, 'produced', f.sample_id is not null, 'late', f.late)
              else c.payload end as payload
     from contributions c
     join users u on u.id = c.user_id
     join sessions s on s.id = c.session_id
     left join epoch_records e on e.contribution_id = c.id
     left join feedback f on f.id = (c.payload ->> 'corrects')::uuid
     left join epoch_records v on v.feedback_id = f.id
     where e.contribution_id is null and (c.kind <> 'feedback' or v.feedback_id is not null)
     order by c.seq limit $1`,
    [limit, Number(VOTE_USED)],
  )
  return rows.map(({ id, user_id, wallet, payee, session_id, kind, payload, salt, at, seconds }) => ({
    recordId: id,
    contributorId: user_id,
    walletAddress: wallet,
    payee: hexOf(payee),
    sessionId: session_id,
    kind,
    payload,
    usedInStep: null,
    at: secondsOf(at),
    secondsPerAnswer: seconds,
    salt: hexOf(salt),
  }))
}

/**
 * How many comparable votes the records' authors have in the records' sessions, by the receipts so far; by
 * `user/session`.
 */
async function comparables(pool: Pool, records: readonly Uncompared[]): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ key: string; comparable: number }>(
    `select p.user_id || '/' || p.session_id as key, max(r.comparable) as comparable
     from (select distinct * from unnest($1::uuid[], $2::text[]) p(user_id, session_id)) p
     join feedback f on f.user_id = p.user_id and f.session_id = p.session_id
     join receipts r on r.feedback_id = f.id and r.final
     group by p.user_id, p.session_id`,
    [records.map(({ contributorId }) => contributorId), records.map(({ sessionId }) => sessionId)],
  )
  return new Map(rows.map(({ key, comparable }) => [key, comparable]))
}

/** The setting of a session `s`; those started before it existed have the default. */
const secondsPerAnswer = (s: string): string =>
  `coalesce((${s}.configuration #>> '{live,secondsPerAnswer}')::int, ${limits.secondsPerAnswer.usual})`

export const hexOf = (bytes: Buffer): Hex => `0x${bytes.toString('hex')}`

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1_000)

interface ContributionRow {
  id: string
  user_id: string
  wallet: Address | null
  payee: Buffer
  session_id: string
  kind: ContributionRecord['kind']
  payload: ContributionRecord['payload']
  salt: Buffer
  at: Date
  seconds: number
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
  reliability: number | null
  crowd: number | null
  comparable: number | null
  updated: boolean | null
  late: boolean
  produced: boolean
  created_at: Date
  seconds: number
}

/** What the leaf commits to: the vote, its receipt, and what its credit is computed from; no text. */
function voteRecord(row: VoteRow): Uncompared {
  const { step, weight, reliability, comparable, updated, late, produced } = row
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
      at: secondsOf(row.created_at),
      produced,
      late,
      step,
      weight,
      reliability,
      comparable,
      updated,
    },
    usedInStep: row.crowd !== null ? step : null,
    at: secondsOf(row.created_at),
    secondsPerAnswer: row.seconds,
    salt: hexOf(row.salt),
  }
}
