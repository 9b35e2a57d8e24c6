import type { Db } from './pool.ts'

/** Where people have signed in, as keyed hashes of addresses. */

/** How many addresses are kept per person, the latest ones. */
const MOST = 8

export async function rememberAddress(db: Db, userId: string, address: Buffer): Promise<void> {
  await db.query(
    'insert into sign_in_addresses (user_id, address) values ($1, $2) on conflict (user_id, address) do update set seen_at = now()',
    [userId, address],
  )
  await db.query(
    `delete from sign_in_addresses where user_id = $1 and address not in
       (select address from sign_in_addresses where user_id = $1 order by seen_at desc limit ${MOST})`,
    [userId],
  )
}

/** Whether they have signed in from there. It is queried for nobody (null) as well, so that it takes as long. */
export async function knowsAddress(db: Db, userId: string | null, address: Buffer): Promise<boolean> {
  return (
    ((await db.query('select 1 from sign_in_addresses where user_id = $1 and address = $2', [userId, address]))
      .rowCount ?? 0) > 0
  )
}

export async function forgetAddresses(db: Db, userId: string): Promise<void> {
  await db.query('delete from sign_in_addresses where user_id = $1', [userId])
}
