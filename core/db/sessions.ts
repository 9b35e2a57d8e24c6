import { audienceOf, invitedRole, isInListOf, isListed, maySee, type Reader } from './audience.ts'
import type { Db } from './pool.ts'
import { unheldRuns } from './run-queue.ts'
import { AttuneError } from '../errors.ts'
import type {
  Audience,
  InviteRole,
  Probe,
  SessionStatus,
  TrainingConfig,
  TrainingMetrics,
  TrainingSession,
} from '../protocol/index.ts'
import { transitions, type Transition } from '../session-state.ts'

export interface NewSession {
  id: string
  title: string
  modelId: string
  userId: string
  status: SessionStatus
  configuration: TrainingConfig
}

/**
 * Adds a session; false if the id exists, and that session stays as it is. Its steps are the configuration's `epochs`.
 */
export async function insertSession(db: Db, session: NewSession): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing`,
    [
      session.id,
      session.title,
      session.modelId,
      session.userId,
      session.status,
      session.configuration,
      session.configuration.epochs,
    ],
  )
  return rowCount === 1
}

/**
 * Moves a session along its life, in one statement: of two callers that race, one wins. `error`
 * says why it failed. Any decision by a person clears the reason of an automatic pause.
 *
 * @throws AttuneError not-found, conflict
 */
export async function applyTransition(db: Db, id: string, name: Transition, error?: string): Promise<void> {
  const { from, to } = transitions[name]
  const { rowCount } = await db.query(
    `update sessions set status = $2, error = $4, pause_reason = null, parked_at = null, queued_at = clock_timestamp(), end_time = case when $2 in ('completed', 'failed') then now() end
     where id = $1 and status = any($3)`,
    [id, to, from, error ?? null],
  )
  if (rowCount === 1) return
  const { status } = await sessionBasics(db, id)
  throw new AttuneError('conflict', `the session is ${status}: it cannot ${name}`)
}

/** Pauses an active session for a reason given by its run; false if it was no longer active. */
export async function pauseItself(db: Db, id: string, reason: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `update sessions set status = 'paused', pause_reason = $2 where id = $1 and status = 'active'`,
    [id, reason],
  )
  return rowCount === 1
}

/** The sessions that their runs paused for this reason; null for each that is not in everybody's list. */
export async function pausedFor(db: Db, reason: string): Promise<(string | null)[]> {
  const { rows } = await db.query<{ id: string | null }>(
    `select case when ${isListed('s')} then s.id end as id from sessions s
     where s.status = 'paused' and s.pause_reason = $1 order by s.id`,
    [reason],
  )
  return rows.map(({ id }) => id)
}

export interface SessionBasics {
  status: SessionStatus
  userId: string
  configuration: TrainingConfig
  currentStep: number
  policyVersion: number
}

/** What is needed to decide about a session. @throws AttuneError not-found */
export async function sessionBasics(db: Db, id: string): Promise<SessionBasics> {
  const { rows } = await db.query<SessionBasics>(
    `select status, user_id as "userId", configuration, current_step as "currentStep", policy_version as "policyVersion"
     from sessions where id = $1`,
    [id],
  )
  const [session] = rows
  if (session === undefined) throw noSession(id)
  return session
}

/** A session with what decides about somebody in it. */
export interface SeenSession extends SessionBasics {
  audience: Audience
  /** The reader's, by invitation; null: they came by none. */
  role: InviteRole | null
}

/** @throws AttuneError not-found, in the same words for one that is hidden from the reader and for one that is not there */
export async function seenSession(db: Db, id: string, { userId, seesAll }: Reader): Promise<SeenSession> {
  const { rows } = await db.query<SeenSession>(
    `select s.status, s.user_id as "userId", s.configuration, s.current_step as "currentStep",
            s.policy_version as "policyVersion", ${audienceOf('s')} as audience, ${invitedRole('s', '$2::uuid')} as role
     from sessions s where s.id = $1 and ${maySee('s', '$2::uuid', '$3::boolean')}`,
    [id, userId, seesAll],
  )
  const [session] = rows
  if (session === undefined) throw noSession(id)
  return session
}

const noSession = (id: string) => new AttuneError('not-found', `there is no session ${id}`)

/** Changes whom a session is for; false if that is its audience already. */
export async function setAudience(db: Db, id: string, audience: Audience): Promise<boolean> {
  const { rowCount } = await db.query(
    `update sessions s set configuration = s.configuration || jsonb_build_object(
       'live', coalesce(s.configuration -> 'live', '{}') || jsonb_build_object('audience', $2::text))
     where s.id = $1 and ${audienceOf('s')} <> $2`,
    [id, audience],
  )
  return rowCount === 1
}

/** A session's status; null if there is no such session. */
export async function statusOf(db: Db, id: string): Promise<SessionStatus | null> {
  const { rows } = await db.query<{ status: SessionStatus }>('select status from sessions where id = $1', [id])
  return rows[0]?.status ?? null
}

/**
 * What is needed to train a session, as stored; no path if its model has no weights. Null: there is no such session.
 */
export async function sessionToTrain(
  db: Db,
  id: string,
): Promise<{ configuration: unknown; modelId: string; modelPath: string | null } | null> {
  const { rows } = await db.query<{ configuration: unknown; modelId: string; modelPath: string | null }>(
    `select s.configuration, m.id as "modelId", m.checkpoint_path as "modelPath"
     from sessions s join models m on m.id = s.model_id where s.id = $1`,
    [id],
  )
  return rows[0] ?? null
}

/** What a run has learnt, up to its last committed step; no hash before the first. @throws AttuneError not-found */
export async function newestCheckpoint(
  db: Db,
  id: string,
): Promise<{ userId: string; modelId: string; hash: string | null; configuration: unknown }> {
  const { rows } = await db.query<{ userId: string; modelId: string; hash: string | null; configuration: unknown }>(
    'select user_id as "userId", model_id as "modelId", checkpoint as hash, configuration from sessions where id = $1',
    [id],
  )
  const [session] = rows
  if (session === undefined) throw noSession(id)
  return session
}

/** @throws AttuneError not-found */
export async function findSession(db: Db, id: string): Promise<TrainingSession> {
  const { rows } = await db.query<Row>(`${select} where s.id = $1`, [id])
  const [row] = rows
  if (row === undefined) throw noSession(id)
  return (await toSessions(db, [row]))[0]!
}

/** Those in the reader's list: the running ones first, then newest first. */
export async function listSessions(db: Db, { userId, seesAll }: Reader, limit: number): Promise<TrainingSession[]> {
  const { rows } = await db.query<Row>(
    `${select} where ${isInListOf('s', '$2::uuid', '$3::boolean')}
     order by s.status in ('active', 'paused') desc, s.start_time desc, s.id limit $1`,
    [limit, userId, seesAll],
  )
  return toSessions(db, rows)
}

/** The ids of all sessions. */
export async function sessionIds(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>('select id from sessions')
  return rows.map(({ id }) => id)
}

/** The names of sessions, by their ids. */
export async function sessionTitles(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await db.query<{ id: string; title: string }>('select id, title from sessions where id = any($1)', [
    ids,
  ])
  return new Map(rows.map(({ id, title }) => [id, title]))
}

/** Ids of a model's runs that have not ended; null for each that is not in everybody's list. */
export async function unfinishedSessions(db: Db, modelId: string): Promise<(string | null)[]> {
  const { rows } = await db.query<{ id: string | null }>(
    `select case when ${isListed('s')} then s.id end as id from sessions s
     where s.model_id = $1 and s.status in ('pending', 'active', 'paused') order by s.id`,
    [modelId],
  )
  return rows.map(({ id }) => id)
}

/** How many sessions in everybody's list there are of each status; a status without any is absent. */
export async function countListed(db: Db): Promise<Partial<Record<SessionStatus, number>>> {
  const { rows } = await db.query<{ status: SessionStatus; count: number }>(
    `select s.status, count(*) as count from sessions s where ${isListed('s')} group by s.status`,
  )
  return Object.fromEntries(rows.map((row) => [row.status, row.count]))
}

const select = `
  select s.id, s.title, s.model_id, s.user_id, s.status, s.configuration, s.total_steps, s.current_step, s.policy_version,
         s.metrics, s.error, s.pause_reason, s.start_time, s.end_time, chain.recorded, chain.last_epoch
  from sessions s left join lateral (
    select count(*)::int as recorded, max(e.id) as last_epoch
    from feedback f join epoch_records r on r.feedback_id = f.id
      join epochs e on (e.chain_id, e.ledger, e.id) = (r.chain_id, r.ledger, r.epoch_id)
    where f.session_id = s.id and e.confirmed_at is not null
  ) chain on true`

interface Row {
  id: string
  title: string
  model_id: string
  user_id: string
  status: SessionStatus
  configuration: TrainingConfig
  total_steps: number
  current_step: number
  policy_version: number
  metrics: TrainingMetrics
  error: string | null
  pause_reason: string | null
  start_time: Date
  end_time: Date | null
  recorded: number
  last_epoch: number | null
}

async function toSessions(db: Db, rows: readonly Row[]): Promise<TrainingSession[]> {
  const waiting = rows.some((row) => row.status === 'active') ? await unheldRuns(db) : []
  return rows.map((row) => {
    const place = waiting.indexOf(row.id)
    return toSession(row, place < 0 ? null : { position: place + 1 })
  })
}

const toSession = (row: Row, queue: TrainingSession['queue']): TrainingSession => ({
  id: row.id,
  title: row.title,
  modelId: row.model_id,
  userId: row.user_id,
  status: row.status,
  startTime: row.start_time.toISOString(),
  endTime: row.end_time?.toISOString() ?? null,
  totalSteps: row.total_steps,
  currentStep: row.current_step,
  policyVersion: row.policy_version,
  metrics: row.metrics,
  configuration: row.configuration,
  error: row.error,
  pauseReason: row.pause_reason,
  queue,
  blockchain: { recorded: row.recorded, lastEpoch: row.last_epoch },
})

/** What the room was told of the run's probe last; null: nothing yet. */
export async function probeOf(db: Db, sessionId: string): Promise<Probe | null> {
  const { rows } = await db.query<Probe>('select prompt, before, now, step from probes where session_id = $1', [
    sessionId,
  ])
  return rows[0] ?? null
}

export async function storeProbe(db: Db, sessionId: string, probe: Probe): Promise<void> {
  await db.query(
    `insert into probes (session_id, prompt, before, now, step) values ($1, $2, $3, $4, $5)
     on conflict (session_id) do update set prompt = excluded.prompt, before = excluded.before, now = excluded.now, step = excluded.step`,
    [sessionId, probe.prompt, probe.before, probe.now, probe.step],
  )
}
