import type { Db } from './pool.ts'

/** Retires an erased person's name: `digest` is its skeleton's keyed hash. */
export async function retireName(db: Db, digest: Buffer): Promise<void> {
  await db.query('insert into retired_names (digest) values ($1) on conflict do nothing', [digest])
}

export async function isRetired(db: Db, digest: Buffer): Promise<boolean> {
  return ((await db.query('select 1 from retired_names where digest = $1', [digest])).rowCount ?? 0) > 0
}
