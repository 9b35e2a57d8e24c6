import { crowdOfVotes } from './crowd.ts'
import { isExcluded } from './exclusions.ts'
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
  /** Of a rollout, the first step that may learn from votes on it; of the answer to a question, the last step made. */
  step: number
  origin: 'rollout' | 'ask'
  prompt: string
  policyVersion: number
}

/** The answer to a question is about to be streamed. */
export async function startSample(db: Db, sessionId: string, sample: NewSample): Promise<void> {
  await db.query(
    `update samples set status = 'streaming', step = $3, policy_version = $4
     where id = $1 and session_id = $2 and status in ('queued', 'streaming')`,
    [sample.id, sessionId, sample.step, sample.policyVersion],
  )
}

/** A streamed sample is complete and opens to votes. */
export async function openSample(db: Db, id: string, response: string): Promise<void> {
  await db.query(
    `update samples set status = 'open', response = $2, opened_at = clock_timestamp() where id = $1 and status = 'streaming'`,
    [id, response],
  )
}

/** A shown answer as it was sampled, for the steps that learn from votes on it. JSON. */
export interface RecordedRollout {
  promptIds: number[]
  responseIds: number[]
  /** Of the policy that sampled, nats. */
  logprobs: number[]
  truncated: boolean
  /** The ids of the answers to the same prompt that are compared with one another, its own among them. */
  group: string[]
}

export interface ShownSample extends NewSample {
  response: string
  rollout: RecordedRollout
}

/** Stores complete answers, open to votes. Those that are there already stay as they are. */
export async function insertShown(db: Db, sessionId: string, samples: readonly ShownSample[]): Promise<void> {
  await db.query(
    `insert into samples (id, session_id, step, origin, prompt, policy_version, response, rollout, status, opened_at)
     select id, $1, step, origin, prompt, version, response, rollout, 'open', clock_timestamp()
     from unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::text[], $8::jsonb[])
       as s(id, step, origin, prompt, version, response, rollout)
     on conflict do nothing`,
    [
      sessionId,
      samples.map((s) => s.id),
      samples.map((s) => s.step),
      samples.map((s) => s.origin),
      samples.map((s) => s.prompt),
      samples.map((s) => s.policyVersion),
      samples.map((s) => s.response),
      samples.map((s) => JSON.stringify(s.rollout)),
    ],
  )
}

/** Those of these answers that were recorded as they were sampled, and the others of their groups. */
export async function recordedRollouts(db: Db, ids: readonly string[]): Promise<ShownSample[]> {
  const { rows } = await db.query<ShownSample>(
    `select id, step, origin, prompt, policy_version as "policyVersion", response, rollout from samples
     where id in (select jsonb_array_elements_text(rollout -> 'group')::uuid from samples where id = any($1::uuid[]) and rollout is not null)`,
    [ids],
  )
  return rows
}

/** An answer that is open to votes. */
export interface OpenAnswer {
  id: string
  /** Of raters who are not excluded. */
  votes: number
  /** For how long it has been open, milliseconds. */
  openMs: number
  /** A vote was cast in its session after it opened. */
  overtaken: boolean
  /** How many people cast the session's latest votes. */
  people: number
}

/** How many of the latest votes tell who is here. */
const LATEST_VOTES = 32

/** A session's rollouts that are open to votes, oldest first. */
export async function openPool(db: Db, sessionId: string): Promise<OpenAnswer[]> {
  const { rows } = await db.query<OpenAnswer>(
    `with pool as (select id, opened_at from samples where session_id = $1 and status = 'open' and origin = 'rollout'),
     latest as (select * from feedback where session_id = $1 order by seq desc limit ${LATEST_VOTES})
     select pool.id, (extract(epoch from clock_timestamp() - opened_at) * 1000)::float8 as "openMs",
            (select count(*)::int from feedback where sample_id = pool.id and withdrawn_at is null and not ${isExcluded('feedback')}) as votes,
            coalesce(opened_at < (select created_at from latest order by seq desc limit 1), false) as overtaken,
            (select count(distinct user_id)::int from latest where not ${isExcluded('latest')}) as people
     from pool order by opened_at, id`,
    [sessionId],
  )
  return rows
}

/** How many answers to its own prompts a session has ever shown. */
export async function countShown(db: Db, sessionId: string): Promise<number> {
  const { rows } = await db.query<{ shown: number }>(
    `select count(*)::int as shown from samples where session_id = $1 and origin = 'rollout'`,
    [sessionId],
  )
  return rows[0]!.shown
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
