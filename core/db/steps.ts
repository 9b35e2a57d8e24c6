import type { ClientBase, Pool } from 'pg'
import type { Db } from './pool.ts'
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
}

export interface StepCommit {
  sessionId: string
  step: number
  policyVersion: number
  metrics: TrainingMetrics
  /** Content hash of the checkpoint that holds the state after this step. */
  checkpoint: string
  receipts: ReceiptRow[]
  /** Ids of every vote that the step learnt from: those of its receipts and those with a receipt of an earlier step. */
  learntFrom: string[]
  /** h of each sample that the update used. */
  crowd: { sampleId: string; value: number }[]
  /** Warnings of the step. */
  warnings: Pick<RunWarning, 'kind' | 'message'>[]
  /** Why the run pauses after this step; null: it continues. */
  pause: string | null
  /** Whose votes it left out; nobody's if absent. */
  excluded?: readonly string[]
  /** The step was committed before, and repeating it gave a different result. */
  remade: boolean
}

/**
 * A vote that the step learnt from was withdrawn or erased before the step was committed: the step must be repeated.
 */
export class VotesChanged extends Error {}

/**
 * Commits one step: its row, its receipts, its samples' crowd values and the session's pointer to the
 * checkpoint, its warnings and the pause it requires, in one transaction on the connection that holds
 * the run's lock (rules T1, T3).
 *
 * If the step was committed before and had to be repeated, the row now names the new weights. Its
 * receipts stay as they were issued: a vote has one, for good (rule V2).
 *
 * Returns the warnings as kept, and whether the run is paused now: somebody may have ended it meanwhile.
 *
 * @throws VotesChanged if a vote is no longer standing; nothing is written then.
 */
export async function commitStep(
  client: ClientBase,
  commit: StepCommit,
): Promise<{ warnings: RunWarning[]; paused: boolean }> {
  await client.query('begin')
  try {
    await demandStanding(client, commit)
    if (commit.remade) await rewriteStep(client, commit)
    else await writeStep(client, commit)
    await client.query(
      `update samples set crowd = c.value
       from unnest($1::uuid[], $2::float8[]) c(id, value) where samples.id = c.id`,
      [commit.crowd.map((c) => c.sampleId), commit.crowd.map((c) => c.value)],
    )
    await client.query(
      `update sessions set current_step = $2, policy_version = $3, metrics = $4, checkpoint = $5 where id = $1 and current_step <= $2`,
      [commit.sessionId, commit.step, commit.policyVersion, commit.metrics, commit.checkpoint],
    )
    const warnings: RunWarning[] = []
    for (const { kind, message } of commit.warnings)
      warnings.push(await keepWarning(client, { sessionId: commit.sessionId, step: commit.step, kind, message }))
    const paused = commit.pause !== null && (await pauseItself(client, commit.sessionId, commit.pause))
    await client.query('commit')
    return { warnings, paused }
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/** Those that get a receipt are locked until the commit; the others may be withdrawn right after this. */
async function demandStanding(client: ClientBase, { receipts, learntFrom }: StepCommit): Promise<void> {
  await client.query('select from feedback where id = any($1::uuid[]) for share', [receipts.map((r) => r.feedbackId)])
  const { rows } = await client.query<{ standing: number }>(
    'select count(*)::int as standing from feedback where id = any($1::uuid[]) and withdrawn_at is null',
    [learntFrom],
  )
  if (rows[0]!.standing !== learntFrom.length)
    throw new VotesChanged('a vote that this step learnt from was withdrawn or erased meanwhile')
}

async function writeStep(
  client: ClientBase,
  { sessionId, step, policyVersion, metrics, checkpoint, receipts, excluded = [] }: StepCommit,
): Promise<void> {
  await client.query(
    `insert into steps (session_id, step, policy_version, metrics, checkpoint, votes, excluded)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [sessionId, step, policyVersion, metrics, checkpoint, receipts.length, excluded],
  )
  await client.query(
    `insert into receipts (session_id, step, feedback_id, weight, reliability, crowd, advantage, latency_ms, comparable, updated)
     select $1, $2, * from unnest($3::uuid[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::int[], $9::int[], $10::boolean[])`,
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
    ],
  )
}

async function rewriteStep(
  client: ClientBase,
  { sessionId, step, policyVersion, metrics, checkpoint }: StepCommit,
): Promise<void> {
  const { rowCount } = await client.query(
    `update steps set policy_version = $3, metrics = $4, checkpoint = $5, remade_at = clock_timestamp() where session_id = $1 and step = $2`,
    [sessionId, step, policyVersion, metrics, checkpoint],
  )
  if (rowCount !== 1) throw new Error(`step ${step} of ${sessionId} was made again, but never committed`)
}

/** The committed steps' checkpoints, newest first. */
export async function committedCheckpoints(db: Db, sessionId: string): Promise<{ step: number; checkpoint: string }[]> {
  const { rows } = await db.query<{ step: number; checkpoint: string }>(
    'select step, checkpoint from steps where session_id = $1 order by step desc',
    [sessionId],
  )
  return rows
}

/** The checkpoint that a step was committed with, and whose votes it left out; null if it was not committed. */
export async function committedStep(
  db: Db,
  sessionId: string,
  step: number,
): Promise<{ checkpoint: string; excluded: string[] } | null> {
  const { rows } = await db.query<{ checkpoint: string; excluded: string[] }>(
    'select checkpoint, excluded from steps where session_id = $1 and step = $2',
    [sessionId, step],
  )
  return rows[0] ?? null
}

/** The checkpoints of the steps up to `step` that the session's rules keep. */
export async function checkpointsToKeep(
  db: Db,
  sessionId: string,
  step: number,
  rules: CheckpointConfig,
): Promise<string[]> {
  const { rows } = await db.query<{ checkpoint: string }>(
    `with past as (select step, checkpoint, metrics from steps where session_id = $1 and step <= $2)
     (select checkpoint from past order by step desc limit $3)
     union (select checkpoint from past where $4 > 0 and step % nullif($4, 0) = 0)
     union (select checkpoint from past where metrics->>$5 is not null order by (metrics->>$5)::float8 desc, step desc limit $6)`,
    [sessionId, step, rules.keepLast, rules.keepEvery, rules.bestMetric, rules.keepBest],
  )
  return rows.map((row) => row.checkpoint)
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
