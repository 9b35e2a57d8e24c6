import type { Db } from './pool.ts'
import type { RunWarning } from '../protocol/index.ts'

/** Keeps a warning; one of the same kind at the same step is replaced. */
export async function keepWarning(
  db: Db,
  { sessionId, step, kind, message }: Omit<RunWarning, 'timestamp'>,
): Promise<RunWarning> {
  const { rows } = await db.query<Row>(
    `insert into warnings (session_id, step, kind, message) values ($1, $2, $3, $4)
     on conflict (session_id, step, kind) do update set message = excluded.message, created_at = excluded.created_at
     returning *`,
    [sessionId, step, kind, message],
  )
  return toWarning(rows[0]!)
}

/** The latest `limit` warnings of a session, newest first. */
export async function warningsOf(db: Db, sessionId: string, limit: number): Promise<RunWarning[]> {
  const { rows } = await db.query<Row>(
    'select * from warnings where session_id = $1 order by created_at desc limit $2',
    [sessionId, limit],
  )
  return rows.map(toWarning)
}

interface Row {
  session_id: string
  step: number
  kind: RunWarning['kind']
  message: string
  created_at: Date
}

const toWarning = ({ session_id, step, kind, message, created_at }: Row): RunWarning => ({
  sessionId: session_id,
  step,
  kind,
  message,
  timestamp: created_at.toISOString(),
})
