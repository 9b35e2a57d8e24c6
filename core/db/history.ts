/** The steps of a run's checkpoints, and taking a run back to one of them. */
import type { Db } from './pool.ts'
import type { Stretch, Rollback } from '../lineage.ts'
import type { CheckpointConfig, KeptStep, RunHistory, TrainingMetrics } from '../protocol/index.ts'

/**
 * The checkpoints from which a run may resume, newest first: those of the steps that led to its weights, and that of a
 * branch's origin, which is the last resort.
 */
export async function checkpointsToResume(db: Db, sessionId: string): Promise<{ step: number; checkpoint: string }[]> {
  const { rows } = await db.query<{ step: number; checkpoint: string }>(
    `select step, checkpoint from steps where session_id = $1 and not set_aside and kept
     union all select from_step, checkpoint from branches where session_id = $1
     order by step desc`,
    [sessionId],
  )
  return rows
}

/**
 * The step that follows on the weights of `step`: a committed one, if there is one, which is then made again; else the
 * next free one. Where a run was taken back, it is not `step + 1`.
 */
export async function stepAfter(db: Db, sessionId: string, step: number): Promise<number> {
  const { rows } = await db.query<{ next: number }>(
    `select coalesce(min(step) filter (where step > $2 and not set_aside), greatest(max(step), $2, (select max(at_step) from rollbacks where session_id = $1)) + 1)::int as next
     from steps where session_id = $1`,
    [sessionId, step],
  )
  return rows[0]!.next
}

/**
 * Checkpoints that stay whatever `checkpoints` in the configuration says: a branch's origin, the step that the run was
 * last taken back to, the step whose weights answer, and the best by a metric of the evaluations.
 */
export async function checkpointsHeld(
  db: Db,
  sessionId: string,
  { bestMetric, keepBest }: Pick<CheckpointConfig, 'bestMetric' | 'keepBest'>,
): Promise<string[]> {
  const { rows } = await db.query<{ checkpoint: string }>(
    `select checkpoint from branches where session_id = $1
     union select s.checkpoint from steps s join (${lastTarget}) back on s.step = back.to_step where s.session_id = $1
     union select s.checkpoint from steps s join (${lastShown}) shown on s.step = shown.shows where s.session_id = $1
     union (select s.checkpoint from steps s join evaluations e using (session_id, step)
       where s.session_id = $1 and not s.set_aside and e.metrics->>$2 is not null
       order by (e.metrics->>$2)::float8 desc, s.step desc limit $3)`,
    [sessionId, bestMetric, keepBest],
  )
  return rows.map(({ checkpoint }) => checkpoint)
}

const lastTarget = `select to_step from rollbacks where session_id = $1 order by id desc limit 1`
const lastShown = `select e.shows from evaluations e left join steps made using (session_id, step)
  where e.session_id = $1 and made.set_aside is not true order by e.step desc limit 1`

/** The steps with these checkpoints, newest first, and what keeps each. @param hashes those on disk */
export async function keptSteps(
  db: Db,
  sessionId: string,
  rules: CheckpointConfig,
  hashes: readonly string[],
): Promise<(Omit<KeptStep, 'bytes'> & { checkpoint: string })[]> {
  const { rows } = await db.query<KeptRow>(
    `with past as (
       select s.*, e.metrics as evaluation,
         row_number() over (order by step desc) <= $3 as last,
         coalesce(step % nullif($4::int, 0) = 0, false) as every,
         row_number() over (order by coalesce(s.metrics->>$5, e.metrics->>$5)::float8 desc nulls last, step desc) <= $6
           and coalesce(s.metrics->>$5, e.metrics->>$5) is not null as best,
         step = max(step) filter (where not set_aside) over () as current
       from steps s left join evaluations e using (session_id, step) where session_id = $1)
     select past.*, coalesce(step = (${lastTarget}), false) as rollback, coalesce(step = (${lastShown}), false) as gate
     from past where checkpoint = any($2) order by step desc`,
    [sessionId, hashes, rules.keepLast, rules.keepEvery, rules.bestMetric, rules.keepBest],
  )
  return rows.map((row) => ({
    step: row.step,
    checkpoint: row.checkpoint,
    policyVersion: row.policy_version,
    metrics: row.metrics,
    evaluation: row.evaluation,
    keptBy: reasons.filter((reason) => row[reason]),
    setAside: row.set_aside,
    current: row.current,
    timestamp: row.created_at.toISOString(),
  }))
}

const reasons = ['last', 'every', 'best', 'gate', 'rollback'] as const

type KeptRow = Record<(typeof reasons)[number], boolean> & {
  step: number
  checkpoint: string
  policy_version: number
  metrics: TrainingMetrics
  evaluation: TrainingMetrics | null
  set_aside: boolean
  current: boolean
  created_at: Date
}

/** A committed step with its checkpoint; null if there is none. */
export async function stepOf(
  db: Db,
  sessionId: string,
  step: number,
): Promise<{ checkpoint: string; policyVersion: number } | null> {
  const { rows } = await db.query<{ checkpoint: string; policyVersion: number }>(
    `select checkpoint, policy_version as "policyVersion" from steps
     where session_id = $1 and step = $2 and checkpoint is not null`,
    [sessionId, step],
  )
  return rows[0] ?? null
}

/**
 * The step that the run continues from (null before the first), and the last number that a step has had: committed, or
 * with answers that people may have voted on.
 */
export async function headOf(db: Db, sessionId: string): Promise<{ continues: number | null; last: number }> {
  const { rows } = await db.query<{ continues: number | null; last: number }>(
    `select max(step) filter (where not set_aside) as continues,
            greatest(max(step), (select max(step) from samples where session_id = $1 and origin = 'rollout'), 0)::int as last
     from steps where session_id = $1`,
    [sessionId],
  )
  return rows[0]!
}

/** In their order. */
export async function rollbacksOf(
  db: Db,
  sessionId: string,
): Promise<(Rollback & { by: string; timestamp: string })[]> {
  const { rows } = await db.query<Rollback & { by: string; rolled_at: Date }>(
    `select r.at_step as at, r.to_step as to, u.username as by, r.rolled_at
     from rollbacks r join users u on u.id = r.rolled_by where r.session_id = $1 order by r.id`,
    [sessionId],
  )
  return rows.map(({ at, to, by, rolled_at }) => ({ at, to, by, timestamp: rolled_at.toISOString() }))
}

export const toHistory = ({ at, to, by, timestamp }: Rollback & { by: string; timestamp: string }) =>
  ({ atStep: at, toStep: to, by, timestamp }) satisfies RunHistory['rollbacks'][number]

/**
 * Records a rollback, undoes what is provisional, sets aside every step but those of `line`, and points the session at
 * the weights of `to`. In a transaction, while nobody trains the run. False: the session is not paused, and nothing was written.
 */
export async function rollBack(
  db: Db,
  { sessionId, at, to, line, by }: Rollback & { sessionId: string; line: readonly Stretch[]; by: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update sessions set policy_version = s.policy_version, metrics = s.metrics, checkpoint = s.checkpoint
     from steps s where sessions.id = $1 and sessions.status = 'paused' and s.session_id = $1 and s.step = $2`,
    [sessionId, to],
  )
  if (rowCount !== 1) return false
  await db.query('delete from steps where session_id = $1 and not final', [sessionId])
  await db.query('insert into rollbacks (session_id, at_step, to_step, rolled_by) values ($1, $2, $3, $4)', [
    sessionId,
    at,
    to,
    by,
  ])
  await db.query(
    `update steps set set_aside = not exists (
       select from unnest($2::int[], $3::int[]) stretch (first, last) where steps.step between first and last)
     where session_id = $1`,
    [sessionId, line.map(({ first }) => first), line.map(({ last }) => last)],
  )
  return true
}
