import { insertAdjudication, insertCorrection } from './contributions.ts'
import { isDuplicate, type Db } from './pool.ts'
import { AttuneError } from '../errors.ts'
import type { NoCredit, Receipt } from '../protocol/index.ts'
import type { Appeal, AppealCase, AppealGround } from '../protocol/rewards.ts'

export interface NewAppeal {
  id: string
  feedbackId: string
  userId: string
  ground: AppealGround
  statement: string
}

/** @throws AttuneError conflict if the vote was appealed before */
export async function insertAppeal(db: Db, appeal: NewAppeal): Promise<void> {
  try {
    await db.query('insert into appeals (id, feedback_id, user_id, ground, statement) values ($1, $2, $3, $4, $5)', [
      appeal.id,
      appeal.feedbackId,
      appeal.userId,
      appeal.ground,
      appeal.statement,
    ])
  } catch (error) {
    if (isDuplicate(error, 'appeals_feedback_id_key'))
      throw new AttuneError('conflict', 'this vote was appealed before: an appeal is decided once')
    throw error
  }
}

export async function countOpenAppeals(db: Db, userId: string): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    'select count(*) as count from appeals where user_id = $1 and outcome is null',
    [userId],
  )
  return rows[0]!.count
}

/**
 * Where a standing vote of this person is recorded; `record` is null while no epoch holds it; the result is null if
 * they have no such vote.
 */
export async function appealableVote(
  db: Db,
  feedbackId: string,
  userId: string,
): Promise<{ record: { chainId: number; ledger: string; epochId: number; confirmed: boolean } | null } | null> {
  const { rows } = await db.query<{ chain_id: number | null; ledger: string; epoch_id: number; confirmed: boolean }>(
    `select r.chain_id, r.ledger, r.epoch_id, e.confirmed_at is not null as confirmed
     from feedback f left join epoch_records r on r.feedback_id = f.id
     left join epochs e on (e.chain_id, e.ledger, e.id) = (r.chain_id, r.ledger, r.epoch_id)
     where f.id = $1 and f.user_id = $2 and f.withdrawn_at is null`,
    [feedbackId, userId],
  )
  const [row] = rows
  if (row === undefined) return null
  if (row.chain_id === null) return { record: null }
  return { record: { chainId: row.chain_id, ledger: row.ledger, epochId: row.epoch_id, confirmed: row.confirmed } }
}

/** Who may not decide an appeal: its author and the run's owner. Null if there is no such appeal of a standing vote. */
export async function interestedIn(db: Db, id: string): Promise<{ authorId: string; ownerId: string } | null> {
  const { rows } = await db.query<{ authorId: string; ownerId: string }>(
    `select a.user_id as "authorId", s.user_id as "ownerId"
     from appeals a join feedback f on f.id = a.feedback_id join sessions s on s.id = f.session_id
     where a.id = $1 and f.withdrawn_at is null`,
    [id],
  )
  return rows[0] ?? null
}

export interface Decision {
  id: string
  outcome: 'upheld' | 'dismissed'
  reason: string
  decidedBy: string
}

/**
 * Decides an open appeal, and adds the outcome to the log: the adjudication and, if upheld, the
 * vote's correction. Runs in the caller's transaction. False if it was decided before.
 */
export async function decideAppeal(db: Db, { id, outcome, reason, decidedBy }: Decision): Promise<boolean> {
  const { rowCount } = await db.query(
    `update appeals set outcome = $2, reason = $3, decided_by = $4, decided_at = clock_timestamp() where id = $1 and outcome is null`,
    [id, outcome, reason, decidedBy],
  )
  if (rowCount !== 1) return false
  await insertAdjudication(db, id, decidedBy)
  if (outcome === 'upheld') await insertCorrection(db, id)
  return true
}

/** Somebody's appeals, newest first. */
export async function appealsOf(db: Db, userId: string, limit: number): Promise<Appeal[]> {
  const { rows } = await db.query<Row>(`${select} where a.user_id = $1 order by a.created_at desc, a.id limit $2`, [
    userId,
    limit,
  ])
  return rows.map(toAppeal)
}

/** Everybody's, as `readerId` may decide them: the open ones oldest first, or the decided ones newest first. */
export async function appealCases(db: Db, readerId: string, open: boolean, limit: number): Promise<AppealCase[]> {
  const { rows } = await db.query<Row & CaseRow>(
    `${select} where f.withdrawn_at is null and (a.outcome is null) = $1
     order by ${open ? 'a.created_at' : 'a.decided_at desc'}, a.id limit $2`,
    [open, limit],
  )
  return rows.map((row) => ({
    ...toAppeal(row),
    vote: {
      timestamp: row.voted_at.toISOString(),
      inputText: row.input_text,
      modelResponse: row.model_response,
      humanRating: row.human_rating,
      categories: row.categories,
      compassionRating: row.compassion_rating,
      comments: row.comments,
    },
    receipt:
      row.step === null
        ? null
        : {
            ...row.receipt,
            feedbackId: row.feedback_id,
            sessionId: row.session_id,
            sampleId: row.sample_id,
            step: row.step,
          },
    record:
      row.vote_epoch === null ? null : { epochId: row.vote_epoch, credit: row.vote_credit, reason: row.no_credit },
    mayDecide: row.user_id !== readerId && row.owner_id !== readerId,
  }))
}

/** Forgets what an erased person said; undecided appeals are deleted. */
export async function eraseAppeals(db: Db, userId: string): Promise<void> {
  await db.query('delete from appeals where user_id = $1 and outcome is null', [userId])
  await db.query(`update appeals set statement = '' where user_id = $1`, [userId])
}

const select = `
  select a.id, a.feedback_id, a.user_id, a.ground, a.statement, a.created_at, a.outcome, a.reason, a.decided_at,
         f.session_id, f.sample_id, f.created_at as voted_at, f.input_text, f.model_response, f.human_rating, f.categories,
         f.compassion_rating, f.comments, s.user_id as owner_id,
         r.step, jsonb_build_object('weight', r.weight, 'reliability', r.reliability, 'crowd', r.crowd, 'advantage', r.advantage,
           'latencyMs', r.latency_ms, 'comparable', r.comparable, 'updated', r.updated, 'provisional', not r.final,
           'logprob', case when r.logprob_before is not null
             then jsonb_build_object('before', r.logprob_before, 'after', r.logprob_after) end) as receipt,
         v.epoch_id as vote_epoch, v.credit as vote_credit, v.no_credit, k.epoch_id as correction_epoch, k.credit as correction_credit
  from appeals a
  join feedback f on f.id = a.feedback_id
  join sessions s on s.id = f.session_id
  left join receipts r on r.feedback_id = f.id
  left join epoch_records v on v.feedback_id = f.id
  left join contributions c on c.appeal_id = a.id and c.kind = 'feedback'
  left join epoch_records k on k.contribution_id = c.id`

type Row = {
  id: string
  feedback_id: string
  session_id: string
  ground: AppealGround
  statement: string
  created_at: Date
  correction_epoch: number | null
  correction_credit: number
} & ({ outcome: null } | { outcome: 'upheld' | 'dismissed'; reason: string; decided_at: Date })

interface CaseRow {
  user_id: string
  owner_id: string
  sample_id: string | null
  voted_at: Date
  input_text: string
  model_response: string
  human_rating: number
  categories: AppealCase['vote']['categories']
  compassion_rating: number | null
  comments: string | null
  step: number | null
  receipt: Omit<Receipt, 'feedbackId' | 'sessionId' | 'sampleId' | 'step'>
  vote_epoch: number | null
  vote_credit: number
  no_credit: NoCredit | null
}

const toAppeal = (row: Row): Appeal => ({
  id: row.id,
  feedbackId: row.feedback_id,
  sessionId: row.session_id,
  ground: row.ground,
  statement: row.statement,
  state: row.outcome ?? 'open',
  timestamp: row.created_at.toISOString(),
  decision: row.outcome === null ? null : { reason: row.reason, timestamp: row.decided_at.toISOString() },
  correction: row.correction_epoch === null ? null : { epochId: row.correction_epoch, credit: row.correction_credit },
})
