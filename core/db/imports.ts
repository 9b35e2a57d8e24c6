import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Db } from './pool.ts'
import type { ModelImport } from '../protocol/index.ts'

export interface NewImport {
  name: string
  repo: string
  revision: string
  runner: string
  startedBy: string
}

const columns = `id, name, repo, revision, status, file, bytes, total_bytes, error, created_at`

/** Adds a running import; null if one of the same name or repository is already running. */
export async function insertImport(
  db: Db,
  { name, repo, revision, runner, startedBy }: NewImport,
): Promise<ModelImport | null> {
  try {
    const { rows } = await db.query<Row>(
      `insert into imports (id, name, repo, revision, status, runner, started_by) values ($1, $2, $3, $4, 'running', $5, $6) returning ${columns}`,
      [randomUUID(), name, repo, revision, runner, startedBy],
    )
    return rows.map(toImport)[0] ?? null
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.constraint?.startsWith('imports_running_')) return null
    throw error
  }
}

/** Records an import's progress and renews its lease; false if it is no longer this runner's. */
export async function speakForImport(
  db: Db,
  id: string,
  runner: string,
  progress: { file: string | null; bytes: number; totalBytes: number },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update imports set file = $3, bytes = $4, total_bytes = $5, spoken_at = clock_timestamp() where id = $1 and runner = $2 and status = 'running'`,
    [id, runner, progress.file, progress.bytes, progress.totalBytes],
  )
  return rowCount === 1
}

/** Ends an import that this runner runs; `error` is why it failed. */
export async function endImport(
  db: Db,
  id: string,
  runner: string,
  status: 'done' | 'failed',
  error: string | null,
): Promise<void> {
  await db.query(
    `update imports set status = $3, error = $4, spoken_at = clock_timestamp() where id = $1 and runner = $2 and status = 'running'`,
    [id, runner, status, error],
  )
}

/** Stops an import, whoever runs it; null if none is running. */
export async function stopImport(db: Db, id: string): Promise<ModelImport | null> {
  const { rows } = await db.query<Row>(
    `update imports set status = 'stopped' where id = $1 and status = 'running' returning ${columns}`,
    [id],
  )
  return rows.map(toImport)[0] ?? null
}

/** Gives this runner the imports whose lease has not been renewed for this long, milliseconds. */
export async function takeSilentImports(db: Db, runner: string, silentMs: number): Promise<ModelImport[]> {
  const { rows } = await db.query<Row>(
    `update imports set runner = $1, spoken_at = clock_timestamp()
     where status = 'running' and spoken_at < clock_timestamp() - $2 * interval '1 millisecond' returning ${columns}`,
    [runner, silentMs],
  )
  return rows.map(toImport)
}

export async function findImport(db: Db, id: string): Promise<ModelImport | null> {
  const { rows } = await db.query<Row>(`select ${columns} from imports where id = $1`, [id])
  return rows.map(toImport)[0] ?? null
}

/** The latest, newest first. */
export async function listImports(db: Db, limit: number): Promise<ModelImport[]> {
  const { rows } = await db.query<Row>(`select ${columns} from imports order by created_at desc, id limit $1`, [limit])
  return rows.map(toImport)
}

interface Row {
  id: string
  name: string
  repo: string
  revision: string
  status: ModelImport['status']
  file: string | null
  bytes: number
  total_bytes: number
  error: string | null
  created_at: Date
}

const toImport = ({ total_bytes: totalBytes, created_at, ...row }: Row): ModelImport => ({
  ...row,
  totalBytes,
  createdAt: created_at.toISOString(),
})
