import type { Db } from './pool.ts'
import { skeletonOf } from '../names.ts'

/** Names that nobody can take any more, and the looks of those that were taken before looks counted. */

/** Retires an erased person's name: `digest` is its skeleton's keyed hash. */
export async function retireName(db: Db, digest: Buffer): Promise<void> {
  await db.query('insert into retired_names (digest) values ($1) on conflict do nothing', [digest])
}

export async function isRetired(db: Db, digest: Buffer): Promise<boolean> {
  return ((await db.query('select 1 from retired_names where digest = $1', [digest])).rowCount ?? 0) > 0
}

/** Rows that are given their skeletons at once. */
const BATCH = 1_000

/**
 * Gives the names of an older version their skeletons, oldest first. Where two look alike, both
 * keep their names: the older one has the skeleton, the newer one its own with its id behind it.
 */
export async function giveSkeletons(db: Db): Promise<void> {
  for (;;) {
    const { rows } = await db.query<{ id: string; username: string }>(
      `select id, username from users where skeleton is null and erased_at is null order by created_at, id limit ${BATCH}`,
    )
    if (rows.length === 0) return
    const wanted = rows.map(({ username }) => skeletonOf(username))
    const { rows: had } = await db.query<{ skeleton: string }>('select skeleton from users where skeleton = any($1)', [
      wanted,
    ])
    const taken = new Set(had.map(({ skeleton }) => skeleton))
    const given = rows.map(({ id }, i) => {
      const skeleton = taken.has(wanted[i]!) ? `${wanted[i]} ${id}` : wanted[i]!
      taken.add(skeleton)
      return skeleton
    })
    await db.query(
      'update users set skeleton = given.skeleton from unnest($1::uuid[], $2::text[]) as given (id, skeleton) where users.id = given.id and users.skeleton is null',
      [rows.map(({ id }) => id), given],
    )
  }
}
