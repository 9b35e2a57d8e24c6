import type { Db } from './pool.ts'

/**
 * Parts that are separate processes; the server's own loops are watched in-process
 * (server/sessions/standstill.ts).
 */
export type Part = 'recorder' | 'trainer'

/** Interval of a trainer's heartbeats, milliseconds. */
export const TRAINER_MS = 5_000

/** Records a part's heartbeat and how its last iteration went. @param everyMs milliseconds between iterations */
export async function beat(
  db: Db,
  part: Part,
  { everyMs, error = null }: { everyMs: number; error?: string | null },
): Promise<void> {
  await db.query(
    `insert into heartbeats (part, at, every_ms, failing_since, error)
     values ($1, clock_timestamp(), $2, case when $3::text is not null then clock_timestamp() end, $3)
     on conflict (part) do update set at = excluded.at, every_ms = excluded.every_ms, error = excluded.error,
       failing_since = case when excluded.error is not null then coalesce(heartbeats.failing_since, excluded.at) end`,
    [part, everyMs, error],
  )
}

/** Records that it is busy: an iteration may take longer than the interval. */
export async function stillAtIt(db: Db, part: Part): Promise<void> {
  await db.query('update heartbeats set at = clock_timestamp() where part = $1', [part])
}

export interface Heartbeat {
  part: string
  everyMs: number
  /** Milliseconds since its last heartbeat. */
  silentMs: number
  /** For how long every iteration has failed, milliseconds; null: the last one succeeded. */
  failingMs: number | null
  error: string | null
}

export async function heartbeats(db: Db): Promise<Heartbeat[]> {
  const { rows } = await db.query<Heartbeat>(
    `select part, every_ms as "everyMs", error, (extract(epoch from clock_timestamp() - at) * 1000)::float8 as "silentMs",
            (extract(epoch from clock_timestamp() - failing_since) * 1000)::float8 as "failingMs"
     from heartbeats`,
  )
  return rows
}
