/** Runs that began from a kept step of another run. */
import type { Db } from './pool.ts'
import type { Stretch } from '../lineage.ts'

export interface NewBranch {
  sessionId: string
  fromSession: string
  fromStep: number
  /** The steps of `fromSession` that led to its weights (core/lineage.ts). */
  line: readonly Stretch[]
  /** Content hash of a file among the branch's own checkpoints. */
  checkpoint: string
  by: string
}

/** Whose votes the origin's step left out, the branch leaves out, too. */
export async function insertBranch(db: Db, branch: NewBranch): Promise<void> {
  await db.query(
    `insert into branches (session_id, from_session, from_step, line, excluded, checkpoint, branched_by)
     select $1, session_id, step, $4::int4multirange, excluded, $5, $6 from steps where session_id = $2 and step = $3`,
    [
      branch.sessionId,
      branch.fromSession,
      branch.fromStep,
      `{${branch.line.map(({ first, last }) => `[${first},${last}]`).join()}}`,
      branch.checkpoint,
      branch.by,
    ],
  )
}

/** Where a run branched from; null: it is no branch. */
export async function branchOf(
  db: Db,
  sessionId: string,
): Promise<{ fromSession: string | null; step: number; checkpoint: string; by: string; at: Date } | null> {
  const { rows } = await db.query<{
    fromSession: string | null
    step: number
    checkpoint: string
    by: string
    at: Date
  }>(
    `select b.from_session as "fromSession", b.from_step as step, b.checkpoint, u.username as by, b.branched_at as at
     from branches b join users u on u.id = b.branched_by where b.session_id = $1`,
    [sessionId],
  )
  return rows[0] ?? null
}

/**
 * SQL of the recursive query `descent`: the session itself, without a line, and the sessions that it descends from, each
 * with the steps that led to its first weights and the people whose votes they left out.
 */
export const descent = (sessionId: string): string => `descent (session_id, line, excluded) as (
  select ${sessionId}::text, null::int4multirange, '{}'::uuid[]
  union all
  select b.from_session, b.line, b.excluded || d.excluded from branches b join descent d on b.session_id = d.session_id
)`

/**
 * SQL: whether a session learns from vote `f` with receipt `r` of step `used`, by `d`, the row of `descent` of the
 * vote's session. An own vote counts unless its step is set aside, an inherited one if its step led to the weights.
 */
export const isLearnt = `case when d.line is null then used.set_aside is not true
  else r.step <@ d.line and not f.user_id = any(d.excluded) end`

/** Sets a new branch to where its origin was: its next step is the one after `step`. */
export async function beginAt(
  db: Db,
  sessionId: string,
  at: { step: number; policyVersion: number; checkpoint: string },
): Promise<void> {
  await db.query(
    `update sessions set current_step = $2, policy_version = $3, checkpoint = $4 where id = $1 and status = 'pending'`,
    [sessionId, at.step, at.policyVersion, at.checkpoint],
  )
}
