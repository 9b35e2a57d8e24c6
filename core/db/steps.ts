import type { ClientBase, Pool } from 'pg'
import { inTransaction, type Db } from './pool.ts'
import { pauseItself } from './sessions.ts'
import { keepWarning } from './warnings.ts'
import type { CheckpointConfig, RunWarning, StepMetrics, TrainingMetrics } from '../protocol/index.ts'

export interface ReceiptRow {
  feedbackId: string
  /** Share of the sample's crowd value; 0 if the vote trained the reward model only. */
  weight: number
  reliability: number
  /** h of the sample; null if the vote trained the reward model only. */
  crowd: number | null
  advantage: number | null
  latencyMs: number
  /** Votes of its author, so far, that can be compared with somebody else's vote. */
  comparable: number
  /** False: the step's update left every weight as it was. */
  updated: boolean
  /** log π of its answer before the update and after it, nats; null if the answer was not part of the update. */
  logprob: { before: number; after: number } | null
}

export interface StepCommit {
  sessionId: string
  step: number
  policyVersion: number
  metrics: TrainingMetrics
  /** Of what the update computed: equal for equal inputs on one machine. */
  digest: string
  receipts: ReceiptRow[]
  /** h of each sample that the update used. */
  crowd: { sampleId: string; value: number }[]
  /** Warnings of the step. */
  warnings: Pick<RunWarning, 'kind' | 'message'>[]
  /** Why the run pauses after this step; null: it continues. */
  pause: string | null
  /** Whose votes it left out. */
  excluded: readonly string[]
}

/**
 * A vote that the step learnt from was withdrawn or erased before the step was committed: the step must be repeated.
 */
export class VotesChanged extends Error {}

/**
 * Commits one provisional step: its row, its receipts, its samples' crowd values, its warnings and the pause it
 * requires, in one transaction on the connection that holds the run's lock (rules T1, T3). It becomes final by
 * `finaliseSteps`, or is undone by `undoSteps`.
 *
 * Returns the warnings as kept, and whether the run is paused now: somebody may have ended it meanwhile.
 *
 * @throws VotesChanged if a vote is no longer standing; nothing is written then.
 */
export function commitStep(
  client: ClientBase,
  commit: StepCommit,
): Promise<{ warnings: RunWarning[]; paused: boolean }> {
  return inTransaction(client, async () => {
    await demandStanding(client, commit)
    await writeStep(client, commit)
    await client.query(
      `update samples set crowd = c.value
       from unnest($1::uuid[], $2::float8[]) c(id, value) where samples.id = c.id`,
      [commit.crowd.map((c) => c.sampleId), commit.crowd.map((c) => c.value)],
    )
    await pointTo(client, commit.sessionId, commit.step)
    const warnings: RunWarning[] = []
    for (const { kind, message } of commit.warnings)
      warnings.push(await keepWarning(client, { sessionId: commit.sessionId, step: commit.step, kind, message }))
    const paused = commit.pause !== null && (await pauseItself(client, commit.sessionId, commit.pause))
    return { warnings, paused }
  })
}

/** Removes the provisional steps from `from` on, and their receipts: a vote of theirs no longer stands. */
export function undoSteps(client: ClientBase, sessionId: string, from: number): Promise<void> {
  return inTransaction(client, async () => {
    await client.query('delete from steps where session_id = $1 and step >= $2 and not final', [sessionId, from])
    const { rows } = await client.query<{ last: number }>(
      'select greatest(max(step), $2 - 1)::int as last from steps where session_id = $1',
      [sessionId, from],
    )
    await pointTo(client, sessionId, rows[0]!.last)
  })
}

/**
 * Makes the provisional steps up to `step` final, their receipts too (rule V2): their votes count, whatever comes.
 * `checkpoints`: the hashes of those that were saved, by their steps; the last one is of `step`. Returns the steps.
 *
 * @throws VotesChanged if a vote of theirs no longer stands; nothing is written then.
 */
export function finaliseSteps(
  client: ClientBase,
  sessionId: string,
  step: number,
  checkpoints: readonly { step: number; checkpoint: string }[],
): Promise<{ step: number; metrics: TrainingMetrics }[]> {
  return inTransaction(client, async () => {
    const { rows } = await client.query<{ standing: boolean }>(
      `select f.withdrawn_at is null as standing from receipts r join feedback f on f.id = r.feedback_id
       where r.session_id = $1 and r.step <= $2 and not r.final for share of f`,
      [sessionId, step],
    )
    if (!rows.every(({ standing }) => standing))
      throw new VotesChanged('a vote of a step that was about to be final was withdrawn or erased meanwhile')
    const { rows: finished } = await client.query<{ step: number; metrics: TrainingMetrics }>(
      `update steps set final = true, checkpoint = c.checkpoint, kept = c.checkpoint is not null
       from steps s left join unnest($3::int[], $4::text[]) c(step, checkpoint) on c.step = s.step
       where s.session_id = $1 and s.step <= $2 and not s.final and steps.session_id = s.session_id and steps.step = s.step
       returning steps.step, steps.metrics`,
      [sessionId, step, checkpoints.map((c) => c.step), checkpoints.map((c) => c.checkpoint)],
    )
    await client.query('update receipts set final = true where session_id = $1 and step <= $2 and not final', [
      sessionId,
      step,
    ])
    await client.query('update sessions set checkpoint = $2 where id = $1', [sessionId, checkpoints.at(-1)!.checkpoint])
    return finished.sort((a, b) => a.step - b.step)
  })
}

/**
 * A final step whose checkpoint was lost came out otherwise when it was made again: its row names what it is now.
 * Its receipts stay as they were issued: a vote has one, for good (rule V2).
 */
export async function rewriteStep(
  client: ClientBase,
  { sessionId, step, policyVersion, metrics, digest }: Omit<StepCommit, 'receipts' | 'crowd' | 'warnings' | 'pause'>,
): Promise<void> {
  const { rowCount } = await client.query(
    `update steps set policy_version = $3, metrics = $4, digest = $5, remade_at = clock_timestamp()
     where session_id = $1 and step = $2 and final`,
    [sessionId, step, policyVersion, metrics, digest],
  )
  if (rowCount !== 1) throw new Error(`step ${step} of ${sessionId} was made again, but never committed`)
}

/** The state after a final step was lost, and is saved again under this hash: another, if the step came out otherwise. */
export async function replaceCheckpoint(
  client: ClientBase,
  sessionId: string,
  step: number,
  checkpoint: string,
): Promise<void> {
  await client.query('update steps set checkpoint = $3 where session_id = $1 and step = $2 and kept', [
    sessionId,
    step,
    checkpoint,
  ])
}

/** Those that get a receipt are locked until the commit. */
async function demandStanding(client: ClientBase, { receipts }: StepCommit): Promise<void> {
  const { rows } = await client.query<{ standing: boolean }>(
    'select withdrawn_at is null as standing from feedback where id = any($1::uuid[]) for share',
    [receipts.map((r) => r.feedbackId)],
  )
  if (rows.length !== receipts.length || !rows.every(({ standing }) => standing))
    throw new VotesChanged('a vote that this step learnt from was withdrawn or erased meanwhile')
}

async function writeStep(
  client: ClientBase,
  { sessionId, step, policyVersion, metrics, digest, receipts, excluded }: StepCommit,
): Promise<void> {
  await client.query(
    `insert into steps (session_id, step, policy_version, metrics, digest, votes, excluded, final, kept)
     values ($1, $2, $3, $4, $5, $6, $7, false, false)`,
    [sessionId, step, policyVersion, metrics, digest, receipts.length, excluded],
  )
  await client.query(
    `insert into receipts (session_id, step, final, feedback_id, weight, reliability, crowd, advantage, latency_ms, comparable, updated,
                           logprob_before, logprob_after)
     select $1, $2, false, * from unnest($3::uuid[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::int[], $9::int[], $10::boolean[],
                                         $11::float8[], $12::float8[])`,
    [
      sessionId,
      step,
      receipts.map((r) => r.feedbackId),
      receipts.map((r) => r.weight),
      receipts.map((r) => r.reliability),
      receipts.map((r) => r.crowd),
      receipts.map((r) => r.advantage),
      receipts.map((r) => r.latencyMs),
      receipts.map((r) => r.comparable),
      receipts.map((r) => r.updated),
      receipts.map((r) => r.logprob?.before ?? null),
      receipts.map((r) => r.logprob?.after ?? null),
    ],
  )
}

/** The session is at `step` now; 0: before the first. */
async function pointTo(client: ClientBase, sessionId: string, step: number): Promise<void> {
  await client.query(
    `update sessions set current_step = $2, policy_version = coalesce(s.policy_version, 0), metrics = coalesce(s.metrics, '{}')
     from (select $2::int as step) at left join steps s on s.session_id = $1 and s.step = at.step where sessions.id = $1`,
    [sessionId, step],
  )
}

/** A step as the log has it: what making it again takes, and what it gave. */
export interface LoggedStep {
  step: number
  final: boolean
  /** null: of a step from before digests were taken. */
  digest: string | null
  /** The hash of the state after it, if that is kept. */
  checkpoint: string | null
  /** Whose votes it left out. */
  excluded: string[]
  /** The votes that its receipts name. */
  votes: string[]
}

/** The steps after `after`, in their order. */
export async function loggedSteps(db: Db, sessionId: string, after: number): Promise<LoggedStep[]> {
  const { rows } = await db.query<LoggedStep>(
    `select s.step, s.final, s.digest, s.excluded, case when s.kept then s.checkpoint end as checkpoint,
            array(select r.feedback_id from receipts r where r.session_id = s.session_id and r.step = s.step) as votes
     from steps s where s.session_id = $1 and s.step > $2 and not s.set_aside order by s.step`,
    [sessionId, after],
  )
  return rows
}

/**
 * Decides by the session's rules which checkpoints stay, besides those `held` (history.ts); notes that the others don't,
 * and returns the hashes of those that do.
 */
export async function keepCheckpoints(
  db: Db,
  sessionId: string,
  rules: CheckpointConfig,
  held: readonly string[],
): Promise<string[]> {
  const { rows } = await db.query<{ checkpoint: string; kept: boolean }>(
    `with past as (select step, checkpoint, metrics from steps where session_id = $1 and kept),
       stay as (
         (select step from past order by step desc limit $2)
         union (select step from past where $3 > 0 and step % nullif($3, 0) = 0)
         union (select step from past where metrics->>$4 is not null order by (metrics->>$4)::float8 desc, step desc limit $5)
       )
     update steps set kept = steps.step in (select step from stay) or checkpoint = any($6) where session_id = $1 and kept returning checkpoint, kept`,
    [sessionId, rules.keepLast, rules.keepEvery, rules.bestMetric, rules.keepBest, held],
  )
  return rows.flatMap(({ checkpoint, kept }) => (kept ? [checkpoint] : []))
}

/** Metrics of the steps after `since`, the latest `limit` of them, oldest first. */
export async function stepMetrics(pool: Pool, sessionId: string, since: number, limit: number): Promise<StepMetrics[]> {
  const { rows } = await pool.query<{ step: number; metrics: TrainingMetrics; created_at: Date }>(
    `select step, metrics, created_at from steps
     where session_id = $1 and step > $2 order by step desc limit $3`,
    [sessionId, since, limit],
  )
  return rows
    .reverse()
    .map((row) => ({ step: row.step, metrics: row.metrics, timestamp: row.created_at.toISOString() }))
}
