/**
 * What a run gathered, page by page, as one moment had it. A page begins after the row that ended the one before
 * (keyset), so that a broken download goes on from any row, and no page costs more than another.
 */
import { isExcluded } from './exclusions.ts'
import type { Db, Pool } from './pool.ts'
import { AttuneError } from '../errors.ts'
import {
  limits,
  type ExportedAnswer,
  type ExportedPreference,
  type ExportedPrompt,
  type ExportedReceipt,
  type ExportedVote,
} from '../protocol/index.ts'

/**
 * Reads over one connection, in one repeatable-read transaction: every page is of the same moment, however long the
 * reader takes. When `signal` aborts, the query that is running is cancelled.
 */
export async function* inSnapshot<T>(
  pool: Pool,
  signal: AbortSignal,
  read: (db: Db) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  signal.throwIfAborted()
  const client = await pool.connect()
  let broken: Error | undefined
  let cancelling: Promise<unknown> | undefined
  let cancel = (): void => undefined
  try {
    // Nothing is written but temporary tables, which a read-only transaction could not make.
    await client.query('begin isolation level repeatable read')
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    cancel = () => {
      broken = new Error('its query was cancelled')
      cancelling = pool.query('select pg_cancel_backend($1)', [rows[0]!.pid])
    }
    signal.addEventListener('abort', cancel)
    signal.throwIfAborted()
    yield* read(client)
  } finally {
    signal.removeEventListener('abort', cancel)
    // What cannot be cancelled ends by itself.
    await Promise.allSettled([cancelling])
    await client.query('rollback').catch((error: Error) => (broken = error))
    // A connection that a late cancellation could still hit must not be reused.
    client.release(broken)
  }
}

/** What of a session is exported, beside what each table is asked for. */
export interface Selection {
  sessionId: string
  /** Of the rows' own time: from then on, and before then; ISO 8601. */
  since: string | undefined
  until: string | undefined
}

/** Pages, each read after the row that ended the one before; the first after `after`, or the first row of all. */
export async function* pagesOf<R extends { id: string }>(
  after: string | undefined,
  signal: AbortSignal,
  read: (after: string | null) => Promise<R[]>,
): AsyncGenerator<R[], void, undefined> {
  for (let last = after ?? null; ;) {
    signal.throwIfAborted()
    const rows = await read(last)
    const [end] = rows.slice(-1)
    if (end === undefined) return
    yield rows
    if (rows.length < limits.exportPageRows) return
    last = end.id
  }
}

const iso = (time: string): string => `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** SQL: whether `time` is in the selection, whose bounds are $2 and $3. */
const isWithin = (time: string): string =>
  `($2::timestamptz is null or ${time} >= $2) and ($3::timestamptz is null or ${time} < $3)`

/** SQL: whether sample `s` is complete, and not the answer to a question whose author was erased (rule S4). */
const isGiven = (s: string): string =>
  `${s}.status in ('open', 'closed') and (${s}.origin <> 'ask' or ${s}.asked_by is not null)`

/** SQL: whether the author `u` of a vote and the author of the question that it is on, if any, are still here. */
const isTheirs = `u.erased_at is null and (s.id is null or s.origin <> 'ask' or s.asked_by is not null)`

/** Who a row is about, before they get a pseudonym. */
export interface Whose {
  userId: string
  username: string
}

export type VoteRow = Omit<ExportedVote, 'rater'> & Whose

/** Votes in the order in which they were stored, with what they weigh (export-weights.ts). */
export async function votePage(
  db: Db,
  { sessionId, since, until }: Selection,
  wanted: {
    withdrawn: boolean
    excluded: boolean
    minReliability: number | null
    minAgreement: number | null
    taste: 'largest' | 'others' | null
  },
  after: string | null,
): Promise<VoteRow[]> {
  const { rows } = await db.query<VoteRow>(
    `select f.id, f.seq, ${iso('f.created_at')} as time, (extract(epoch from f.created_at) * 1000)::float8 as at,
            f.sample_id as "sampleId", s.origin, r.step, coalesce(used.set_aside, false) as "setAside",
            f.user_id as "userId", u.username, encode(f.source, 'hex') as source,
            coalesce(s.asked_by = f.user_id, false) as "ownQuestion", f.late, f.withdrawn_at is not null as withdrawn,
            ${isExcluded('f')} as excluded, f.kind, f.content, f.input_text as prompt, f.model_response as response,
            f.human_rating as rating, f.categories, f.compassion_rating as compassion,
            (f.compassion ->> 'agency')::float8 as agency, (f.compassion ->> 'capability')::float8 as capability,
            (f.compassion ->> 'suffering')::float8 as suffering, f.human_preference as preference, f.tags,
            f.ethical_concerns as concerns, f.comments, f.value, w.says, w.weight, w.reliability, w.taste
     from feedback f join users u on u.id = f.user_id left join samples s on s.id = f.sample_id
       left join receipts r on r.feedback_id = f.id
       left join steps used on (used.session_id, used.step) = (r.session_id, r.step)
       left join export_weights w on w.seq = f.seq and w.seq > coalesce((select seq from feedback where id = $9), 0)
       left join export_crowd c on c.sample_id = f.sample_id
     where f.session_id = $1 and ${isTheirs} and ${isWithin('f.created_at')}
       and ($4 or f.withdrawn_at is null) and ($5 or not ${isExcluded('f')})
       and ($6::float8 is null or w.reliability >= $6) and ($7::float8 is null or c.agreement >= $7)
       and ($8::text is null or (w.taste = 0) = ($8 = 'largest'))
       and ($9::uuid is null or f.seq > (select seq from feedback where id = $9))
     order by f.seq limit ${limits.exportPageRows}`,
    [
      sessionId,
      since ?? null,
      until ?? null,
      wanted.withdrawn,
      wanted.excluded,
      wanted.minReliability,
      wanted.minAgreement,
      wanted.taste,
      after,
    ],
  )
  return rows
}

export type ReceiptRow = Omit<ExportedReceipt, 'rater'> & Whose

export async function receiptPage(
  db: Db,
  { sessionId, since, until }: Selection,
  minReliability: number | null,
  after: string | null,
): Promise<ReceiptRow[]> {
  const { rows } = await db.query<ReceiptRow>(
    `select f.id, ${iso('r.created_at')} as time, f.sample_id as "sampleId", f.user_id as "userId", u.username, r.step,
            r.weight, r.reliability, r.comparable, r.crowd, r.advantage, r.latency_ms as "latencyMs", r.updated,
            not r.final as provisional, used.set_aside as "setAside", r.logprob_before as "logprobBefore",
            r.logprob_after as "logprobAfter"
     from feedback f join receipts r on r.feedback_id = f.id join users u on u.id = f.user_id
       join steps used on (used.session_id, used.step) = (r.session_id, r.step)
       left join samples s on s.id = f.sample_id
     where f.session_id = $1 and ${isTheirs} and ${isWithin('r.created_at')}
       and ($4::float8 is null or r.reliability >= $4)
       and ($5::uuid is null or f.seq > (select seq from feedback where id = $5))
     order by f.seq limit ${limits.exportPageRows}`,
    [sessionId, since ?? null, until ?? null, minReliability, after],
  )
  return rows
}

/** Gathers a session's answers, in the order in which they were made; what their votes say is known (export-weights.ts). */
export async function gatherAnswers(
  db: Db,
  { sessionId, since, until }: Selection,
  wanted: { minVotes: number; minAgreement: number | null; minValue: number | null },
): Promise<void> {
  await db.query('create temporary table export_answers (n int primary key, id uuid not null unique) on commit drop')
  await db.query(
    `insert into export_answers
     select row_number() over (order by s.created_at, s.id), s.id
     from samples s left join export_crowd c on c.sample_id = s.id
     where s.session_id = $1 and ${isGiven('s')} and ${isWithin('s.created_at')} and coalesce(c.votes, 0) >= $4
       and ($5::float8 is null or c.agreement >= $5) and ($6::float8 is null or c.value >= $6)`,
    [sessionId, since ?? null, until ?? null, wanted.minVotes, wanted.minAgreement, wanted.minValue],
  )
}

/** A page of what {@link gatherAnswers} has gathered. @throws AttuneError conflict if there is no such row */
export async function answerPage(db: Db, after: string | null): Promise<ExportedAnswer[]> {
  const { rows } = await db.query<ExportedAnswer>(
    `select s.id, ${iso('s.created_at')} as time, s.step, s.policy_version as "policyVersion", s.origin, s.prompt, s.response,
            s.crowd, c.value, coalesce(c.votes, 0) as votes, coalesce(c.weight, 0) as weight, c.agreement, c.compassion
     from export_answers a join samples s on s.id = a.id left join export_crowd c on c.sample_id = a.id
     where a.n > $1 order by a.n limit ${limits.exportPageRows}`,
    [await placeOf(db, 'export_answers', after)],
  )
  return rows
}

/** Gathers a session's prompts, in the order in which they were first asked. */
export async function gatherPrompts(db: Db, { sessionId, since, until }: Selection): Promise<void> {
  await db.query(
    `create temporary table export_prompts (
       n int primary key, id uuid not null unique, created_at timestamptz not null, prompt text not null, origin text not null,
       answers int not null, votes int not null) on commit drop`,
  )
  await db.query(
    `insert into export_prompts
     select row_number() over (order by created_at, id), id, created_at, prompt, origin, answers, votes
     from (select s.id, s.created_at, s.prompt, s.origin, count(*) over same as answers, sum(v.votes) over same as votes,
                  row_number() over (same order by s.created_at, s.id) as nth
           from samples s, lateral (select count(*) as votes from feedback f where f.sample_id = s.id and f.withdrawn_at is null) v
           where s.session_id = $1 and ${isGiven('s')} and ${isWithin('s.created_at')}
           window same as (partition by s.prompt)) asked
     where nth = 1`,
    [sessionId, since ?? null, until ?? null],
  )
}

/** A page of what {@link gatherPrompts} has gathered. @throws AttuneError conflict if there is no such row */
export async function promptPage(db: Db, after: string | null): Promise<ExportedPrompt[]> {
  const { rows } = await db.query<ExportedPrompt>(
    `select id, ${iso('created_at')} as time, prompt, origin, answers, votes from export_prompts
     where n > $1 order by n limit ${limits.exportPageRows}`,
    [await placeOf(db, 'export_prompts', after)],
  )
  return rows
}

/** Gathers the answers that may be in a pair, numbered in the order in which they were made. */
export async function gatherPairs(
  db: Db,
  { sessionId, since, until }: Selection,
  wanted: { minVotes: number; minAgreement: number | null },
): Promise<void> {
  await db.query(
    `create temporary table export_sides (
       n int primary key, id uuid not null unique, prompt int not null, text uuid not null, value float8 not null,
       votes int not null, weight float8 not null) on commit drop`,
  )
  await db.query(
    `insert into export_sides
     select row_number() over (order by s.created_at, s.id), s.id, dense_rank() over (order by s.prompt collate "C"),
            md5(s.response)::uuid, c.value, c.votes, c.weight
     from samples s join export_crowd c on c.sample_id = s.id
     where s.session_id = $1 and ${isGiven('s')} and ${isWithin('s.created_at')} and c.votes >= $4
       and ($5::float8 is null or c.agreement >= $5)`,
    [sessionId, since ?? null, until ?? null, wanted.minVotes, wanted.minAgreement],
  )
  await db.query('create index on export_sides (prompt, n)')
  await db.query('analyze export_sides')
}

/**
 * A page of the pairs of what {@link gatherPairs} has gathered: two different answers to one prompt whose values differ
 * by `minMargin` at least. In the order of the later answer, then of the earlier one.
 *
 * @throws AttuneError conflict if there is no such row
 */
export async function preferencePage(db: Db, minMargin: number, after: string | null): Promise<ExportedPreference[]> {
  const ids = after?.split('_') ?? [null, null]
  const [later, earlier] = (await Promise.all(ids.map((id) => placeOf(db, 'export_sides', id)))).sort((a, b) => b - a)
  const { rows } = await db.query<ExportedPreference>(
    `select (chosen).id || '_' || (rejected).id as id, ${iso('greatest(c.created_at, r.created_at)')} as time, c.prompt,
            c.response as chosen, r.response as rejected, (chosen).value - (rejected).value as margin,
            (chosen).value as "chosenValue", (rejected).value as "rejectedValue", (chosen).votes as "chosenVotes",
            (rejected).votes as "rejectedVotes", (chosen).weight as "chosenWeight", (rejected).weight as "rejectedWeight",
            (chosen).id as "chosenId", (rejected).id as "rejectedId"
     from (select a.n as later, b.n as earlier, case when a.value > b.value then a else b end as chosen,
                  case when a.value > b.value then b else a end as rejected
           from export_sides a join export_sides b on b.prompt = a.prompt and b.n < a.n
           where a.n >= $1 and (a.n, b.n) > ($1, $2) and a.value <> b.value and abs(a.value - b.value) >= $3 and a.text <> b.text
           order by a.n, b.n limit ${limits.exportPageRows}) pair
       join samples c on c.id = (chosen).id join samples r on r.id = (rejected).id
     order by later, earlier`,
    [later, earlier, minMargin],
  )
  return rows
}

/** Where a row stands in what was gathered; 0: before the first. @throws AttuneError conflict if it is not there */
async function placeOf(
  db: Db,
  gathered: 'export_answers' | 'export_prompts' | 'export_sides',
  id: string | null,
): Promise<number> {
  if (id === null) return 0
  const { rows } = await db.query<{ n: number }>(`select n from ${gathered} where id = $1`, [id])
  const [row] = rows
  if (row === undefined)
    throw new AttuneError('conflict', 'this row is not in the export, or no longer: begin again without `after`', {
      path: 'after',
    })
  return row.n
}

/** Whether a session has a vote, or an answer, of this id. */
export async function hasRow(db: Db, what: 'vote' | 'answer', sessionId: string, id: string): Promise<boolean> {
  const from = what === 'vote' ? 'feedback' : 'samples'
  return ((await db.query(`select from ${from} where id = $1 and session_id = $2`, [id, sessionId])).rowCount ?? 0) > 0
}
