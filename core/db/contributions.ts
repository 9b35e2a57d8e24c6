import { randomBytes } from 'node:crypto'
import type { Db } from './pool.ts'
import { QUALIFYING_VOTES } from '../../contracts/ledger/epoch/standing.ts'
import type { NoCredit, ProofOfContribute } from '../protocol/index.ts'

/** A standing vote, or another contribution, as it is in the log. */
export interface ContributionRow {
  id: string
  kind: ProofOfContribute['contributionType']
  /** The vote that it is, or corrects; null if it is about none. */
  feedbackId: string | null
  sessionId: string
  /** In [0, 1]: a vote's q, or the quality of the work; 1 if there is no such measure. */
  quality: number
  /** Thousandths of an hour; 0 if no machine worked. */
  milliHours: number
  timestamp: Date
  /** Why it earns nothing; null if it earns, or that is not known yet. */
  noCredit: NoCredit | null
  /** Its credit waits for its author to qualify. */
  held: boolean
  /** The epoch that records it; null until its epoch is confirmed. */
  record: { chainId: number; ledger: string; epochId: number; index: number; credit: number; txHash: string } | null
}

/** Everybody's: votes, except withdrawn ones, and other contributions. */
const contributions = `
  select id, user_id, 'feedback' as kind, id as feedback_id, null::uuid as contribution_id, session_id, quality, 0 as milli_hours, created_at,
         case when sample_id is null then 'text' when late then 'closed' end as foreseen
  from feedback where withdrawn_at is null
  union all
  select id, user_id, kind, (payload ->> 'corrects')::uuid, id, session_id, coalesce((payload ->> 'qualityBps')::float8 / 10000, 1),
         coalesce((payload ->> 'milliHours')::float8, 0), created_at, null
  from contributions`

/** Whether the author of a record `r` of a contribution `c` has to qualify before it is paid. */
const isHeld = `
  r.held and not exists (
    select from receipts q join feedback f on f.id = q.feedback_id join epoch_records e on e.feedback_id = f.id
    where f.user_id = c.user_id and q.session_id = c.session_id and q.comparable >= ${QUALIFYING_VOTES})`

/** The record of a contribution `c`, with its epoch. */
const recordOf = `
  select r.*, e.tx_hash, e.confirmed_at from epoch_records r
  join epochs e on (e.chain_id, e.ledger, e.id) = (r.chain_id, r.ledger, r.epoch_id)
  where r.feedback_id = c.id or r.contribution_id = c.contribution_id`

/** Somebody's contributions, newest first. */
export async function contributionsOf(db: Db, userId: string, limit: number): Promise<ContributionRow[]> {
  const { rows } = await db.query<Row>(
    `select c.*, r.chain_id, r.ledger, r.epoch_id, r.leaf_index, r.credit, r.tx_hash, coalesce(r.no_credit, c.foreseen) as no_credit, coalesce(${isHeld}, false) as held
     from (select * from (${contributions}) c where user_id = $1 order by created_at desc, id limit $2) c
     left join lateral (${recordOf}) r on r.confirmed_at is not null
     order by c.created_at desc, c.id`,
    [userId, limit],
  )
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    feedbackId: row.feedback_id,
    sessionId: row.session_id,
    quality: row.quality,
    milliHours: row.milli_hours,
    timestamp: row.created_at,
    noCredit: row.credit !== null && row.credit > 0 ? null : row.no_credit,
    held: row.held,
    record:
      row.epoch_id === null
        ? null
        : {
            chainId: row.chain_id,
            ledger: row.ledger,
            epochId: row.epoch_id,
            index: row.leaf_index,
            credit: row.credit,
            txHash: row.tx_hash,
          },
  }))
}

type Row = {
  id: string
  kind: ProofOfContribute['contributionType']
  feedback_id: string | null
  session_id: string
  quality: number
  milli_hours: number
  created_at: Date
  no_credit: NoCredit | null
  held: boolean
} & (
  | { chain_id: number; ledger: string; epoch_id: number; leaf_index: number; credit: number; tx_hash: string }
  | { chain_id: null; ledger: null; epoch_id: null; leaf_index: null; credit: null; tx_hash: null }
)

/**
 * Credit points of somebody's contributions: paid by confirmed epochs, in built ones that are not confirmed yet, and
 * held until their author qualifies.
 */
export async function rewardsOf(
  db: Db,
  userId: string,
): Promise<{ confirmed: number; pending: number; held: number; contributions: number }> {
  const { rows } = await db.query<{ confirmed: number; pending: number; held: number; contributions: number }>(
    `select coalesce(sum(r.credit) filter (where r.confirmed_at is not null and not held), 0)::float8 as confirmed,
            coalesce(sum(r.credit) filter (where r.confirmed_at is null and not held), 0)::float8 as pending,
            coalesce(sum(r.credit) filter (where held), 0)::float8 as held,
            count(*) filter (where r.confirmed_at is not null) as contributions
     from (select c.user_id, r.credit, r.confirmed_at, ${isHeld} as held from (${contributions}) c join lateral (${recordOf}) r on true where c.user_id = $1) r`,
    [userId],
  )
  return rows[0]!
}

/**
 * The votes of these people that a confirmed epoch recorded. If two ledgers have an epoch of the same number, the
 * newer one counts.
 */
export async function recordedIn(
  db: Db,
  epochId: number,
  userIds: string[],
): Promise<{ userId: string; feedbackId: string; txHash: string }[]> {
  const { rows } = await db.query<{ userId: string; feedbackId: string; txHash: string }>(
    `with epoch as (select * from epochs where id = $1 and confirmed_at is not null order by confirmed_at desc limit 1)
     select f.user_id as "userId", f.id as "feedbackId", epoch.tx_hash as "txHash"
     from epoch join epoch_records r on (epoch.chain_id, epoch.ledger, epoch.id) = (r.chain_id, r.ledger, r.epoch_id)
     join feedback f on f.id = r.feedback_id
     where f.user_id = any($2::uuid[])`,
    [epochId, userIds],
  )
  return rows
}

/** Adds a decided appeal's adjudication to the log: a contribution of whoever decided it. */
export async function insertAdjudication(db: Db, appealId: string, decidedBy: string): Promise<void> {
  await db.query(
    `insert into contributions (user_id, session_id, kind, payload, appeal_id, salt)
     select $2, f.session_id, 'validation', jsonb_build_object('appealId', a.id, 'outcome', a.outcome, 'qualityBps', 10000), a.id, $3
     from appeals a join feedback f on f.id = a.feedback_id where a.id = $1`,
    [appealId, decidedBy, randomBytes(32)],
  )
}

/** Adds the correction of an upheld appeal's vote to the log. */
export async function insertCorrection(db: Db, appealId: string): Promise<void> {
  await db.query(
    `insert into contributions (user_id, session_id, kind, payload, appeal_id, salt)
     select a.user_id, f.session_id, 'feedback', jsonb_build_object('appealId', a.id, 'corrects', f.id), a.id, $2
     from appeals a join feedback f on f.id = a.feedback_id where a.id = $1`,
    [appealId, randomBytes(32)],
  )
}
