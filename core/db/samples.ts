import { crowdOfVotes } from './crowd.ts'
import type { Db } from './pool.ts'
import { limits, type CrowdValue, type Sample, type SampleStatus } from '../protocol/index.ts'

export interface SamplePage {
  sessionId: string
  /** The reader: decides `crowd` (rule V3) and `mine`. */
  readerId: string
  /** The samples that came after this one; without it the latest ones. */
  after?: string | undefined
  limit: number
}

/** A page of a session's samples, oldest first. */
export async function listSamples(db: Db, { sessionId, readerId, after, limit }: SamplePage): Promise<Sample[]> {
  const { rows } = await db.query<Row>(
    `with page as (
       select * from samples
       where session_id = $1 ${after === undefined ? '' : 'and (created_at, id) > (select created_at, id from samples where id = $4)'}
       order by ${after === undefined ? 'created_at desc, id desc' : 'created_at, id'} limit $3
     ),
     votes as (
       select f.* from feedback f join page on page.id = f.sample_id where f.withdrawn_at is null
     ), ${crowdOfVotes}
     select page.id, page.step, page.origin, page.prompt, page.response, page.policy_version, page.status, page.created_at,
            crowd.votes, crowd.value, crowd.compassion,
            exists (select from vote_begun b where b.sample_id = page.id and b.user_id = $2
                      and b.begun_at > clock_timestamp() - interval '${limits.voteBegunMs} milliseconds') as begun,
            mine.id as mine_id, mine.human_rating as mine_rating, mine.compassion_rating as mine_compassion
     from page left join crowd on crowd.sample_id = page.id
     left join votes mine on mine.sample_id = page.id and mine.user_id = $2
     order by page.created_at, page.id`,
    after === undefined ? [sessionId, readerId, limit] : [sessionId, readerId, limit, after],
  )
  return rows.map((row) => ({
    id: row.id,
    sessionId,
    step: row.step,
    origin: row.origin,
    prompt: row.prompt,
    response: row.response,
    policyVersion: row.policy_version,
    status: row.status,
    // Whoever may still cast a vote that they began in time sees the others' no earlier than that (rule V3).
    crowd:
      row.mine_id === null && (row.status !== 'closed' || row.begun)
        ? null
        : { votes: row.votes ?? 0, value: row.value, compassion: row.compassion },
    mine:
      row.mine_id === null || row.mine_rating === null
        ? null
        : { feedbackId: row.mine_id, humanRating: row.mine_rating, compassionRating: row.mine_compassion },
    timestamp: row.created_at.toISOString(),
  }))
}

interface Row {
  id: string
  step: number
  origin: Sample['origin']
  prompt: string
  response: string
  policy_version: number
  status: SampleStatus
  created_at: Date
  votes: number | null
  value: number | null
  compassion: number | null
  begun: boolean
  mine_id: string | null
  mine_rating: number | null
  mine_compassion: number | null
}

export interface VotableSample {
  id: string
  prompt: string
  response: string
  status: SampleStatus
}

/** A sample of this session; null if it has none of that id (rule V4). */
export async function findSample(db: Db, sessionId: string, id: string): Promise<VotableSample | null> {
  const { rows } = await db.query<VotableSample>(
    'select id, prompt, response, status from samples where id = $2 and session_id = $1',
    [sessionId, id],
  )
  return rows[0] ?? null
}

/**
 * The latest sample of this session with that prompt and response, complete and open to votes; null if there is none.
 */
export async function matchSample(
  db: Db,
  sessionId: string,
  prompt: string,
  response: string,
): Promise<VotableSample | null> {
  const { rows } = await db.query<VotableSample>(
    `select id, prompt, response, status from samples
     where session_id = $1 and md5(response) = md5($3) and response = $3 and prompt = $2 and status in ('open', 'closed')
     order by created_at desc limit 1`,
    [sessionId, prompt, response],
  )
  return rows[0] ?? null
}

/** The samples of a session that are open to votes. */
export async function openSamples(db: Db, sessionId: string): Promise<VotableSample[]> {
  const { rows } = await db.query<VotableSample>(
    `select id, prompt, response, status from samples where session_id = $1 and status = 'open'`,
    [sessionId],
  )
  return rows
}

export interface NewSample {
  id: string
  step: number
  origin: 'rollout' | 'ask'
  prompt: string
  policyVersion: number
}

/**
 * Stores a sample about to be streamed, and returns null. If it is already complete, because its step is repeated, it
 * stays as it is, and its response is returned.
 */
export async function startSample(db: Db, sessionId: string, sample: NewSample): Promise<string | null> {
  const { rowCount } = await db.query(
    `insert into samples (id, session_id, step, origin, prompt, policy_version, status)
     values ($1, $2, $3, $4, $5, $6, 'streaming')
     on conflict (id) do update set status = 'streaming', step = excluded.step, policy_version = excluded.policy_version
     where samples.status in ('queued', 'streaming')`,
    [sample.id, sessionId, sample.step, sample.origin, sample.prompt, sample.policyVersion],
  )
  if (rowCount !== 0) return null
  const { rows } = await db.query<{ response: string }>('select response from samples where id = $1', [sample.id])
  return rows[0]!.response
}

/** A streamed sample is complete and opens to votes. */
export async function openSample(db: Db, id: string, response: string): Promise<void> {
  await db.query(
    `update samples set status = 'open', response = $2, opened_at = clock_timestamp() where id = $1 and status = 'streaming'`,
    [id, response],
  )
}

/** When voting on the last of these samples opened; now, if it has opened on none. */
export async function openedAt(db: Db, ids: readonly string[]): Promise<Date> {
  const { rows } = await db.query<{ at: Date }>(
    'select coalesce(max(opened_at), clock_timestamp()) as at from samples where id = any($1::uuid[])',
    [ids],
  )
  return rows[0]!.at
}

/** Closes those of a session's samples that are open, and returns their aggregated votes. */
export async function closeSamples(
  db: Db,
  sessionId: string,
  ids: readonly string[],
): Promise<{ sampleId: string; crowd: CrowdValue }[]> {
  const { rows } = await db.query<{ id: string } & CrowdValue>(
    `with closed as (
       update samples set status = 'closed', closed_at = clock_timestamp()
       where id = any($2::uuid[]) and session_id = $1 and status = 'open' returning id
     ),
     votes as (select f.* from feedback f join closed on closed.id = f.sample_id where f.withdrawn_at is null),
     ${crowdOfVotes}
     select closed.id, coalesce(crowd.votes, 0) as votes, crowd.value, crowd.compassion
     from closed left join crowd on crowd.sample_id = closed.id`,
    [sessionId, ids],
  )
  return rows.map(({ id: sampleId, ...crowd }) => ({ sampleId, crowd }))
}

/** A session's oldest question that has no answer yet. */
export async function nextAsk(db: Db, sessionId: string): Promise<{ sampleId: string; prompt: string } | null> {
  const { rows } = await db.query<{ sampleId: string; prompt: string }>(
    `select id as "sampleId", prompt from samples
     where session_id = $1 and origin = 'ask' and status in ('queued', 'streaming') order by created_at limit 1`,
    [sessionId],
  )
  return rows[0] ?? null
}

/** Marks a question that cannot be answered as failed. */
export async function failAsk(db: Db, id: string): Promise<void> {
  await db.query(`update samples set status = 'failed' where id = $1`, [id])
}

/** Puts a question in the session's queue; the trainer answers it. */
export async function insertAsk(
  db: Db,
  ask: { id: string; sessionId: string; userId: string; prompt: string; step: number; policyVersion: number },
): Promise<void> {
  await db.query(
    `insert into samples (id, session_id, step, origin, asked_by, prompt, policy_version, status)
     values ($1, $2, $3, 'ask', $4, $5, $6, 'queued')`,
    [ask.id, ask.sessionId, ask.step, ask.userId, ask.prompt, ask.policyVersion],
  )
}

/** How many of a person's questions to a session wait for their answer. */
export async function countAsks(db: Db, sessionId: string, userId: string): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*) as count from samples where session_id = $1 and asked_by = $2 and status in ('queued', 'streaming')`,
    [sessionId, userId],
  )
  return rows[0]!.count
}

/** What these samples ask and answer, by their ids. */
export async function textsOf(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, { prompt: string; response: string }>> {
  const { rows } = await db.query<{ id: string; prompt: string; response: string }>(
    `select id, prompt, coalesce(response, '') as response from samples where id = any($1::uuid[])`,
    [ids],
  )
  return new Map(rows.map(({ id, ...text }) => [id, text]))
}

/** The prompts that a person asked, for their export. */
export async function asksOf(
  db: Db,
  userId: string,
): Promise<{ id: string; sessionId: string; prompt: string; response: string }[]> {
  const { rows } = await db.query<{ id: string; sessionId: string; prompt: string; response: string }>(
    'select id, session_id as "sessionId", prompt, response from samples where asked_by = $1 order by created_at',
    [userId],
  )
  return rows
}

/** Replaces a question whose author was erased. */
const ERASED_QUESTION = '(an erased question)'

/** Forgets what somebody asked, even if others voted on the answer; questions still queued are marked as failed. */
export async function forgetAsks(db: Db, userId: string): Promise<void> {
  await db.query(
    `with forgotten as (
       update samples set asked_by = null, prompt = $2, status = case when status = 'queued' then 'failed' else status end where asked_by = $1 returning id
     )
     update feedback set input_text = $2 from forgotten where feedback.sample_id = forgotten.id`,
    [userId, ERASED_QUESTION],
  )
}
