import type { Db } from './pool.ts'

/** What this installation knows about itself, by name; the reader validates its shape. Undefined: nothing. */
export async function findFact(db: Db, key: string): Promise<unknown> {
  const { rows } = await db.query<{ value: unknown }>('select value from facts where key = $1', [key])
  return rows[0]?.value
}

export async function saveFact(db: Db, key: string, value: unknown): Promise<void> {
  await db.query(
    'insert into facts (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value',
    [key, JSON.stringify(value)],
  )
}
