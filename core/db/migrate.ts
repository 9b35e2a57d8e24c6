import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Pool } from './pool.ts'

/**
 * Applies the migrations that this database lacks, in order, each in its own transaction, and
 * returns their names. Processes that start together wait for each other.
 *
 * @throws Error if an applied migration has since been changed, is missing, or skips a number:
 *   the folder is append-only.
 */
export async function migrate(
  pool: Pool,
  folder = fileURLToPath(new URL('../../migrations', import.meta.url)),
): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  const client = await pool.connect()
  try {
    await client.query(`select pg_advisory_lock(hashtext('attune:migrate'))`)
    await client.query(
      `create table if not exists migrations (
         number int primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`,
    )
    const { rows: applied } = await client.query<{ number: number; name: string; sha256: string }>(
      'select number, name, sha256 from migrations order by number',
    )
    if (applied.length > files.length) {
      throw new Error(
        `the database has ${applied.length} migrations, this version of Attune knows ${files.length}: update it`,
      )
    }
    const added: string[] = []
    for (const [index, name] of files.entries()) {
      const number = index + 1
      if (Number.parseInt(name, 10) !== number) throw new Error(`migration ${name} should have the number ${number}`)
      const sql = await readFile(`${folder}/${name}`, 'utf8')
      const sha256 = createHash('sha256').update(sql).digest('hex')
      const before = applied[index]
      if (before !== undefined) {
        if (before.sha256 !== sha256)
          throw new Error(`migration ${name} was changed after it had been applied; add a new one instead`)
        continue
      }
      // One simple-protocol query is one transaction: the migration and its row are committed together or not at all.
      await client.query(
        `begin; ${sql}\n; insert into migrations (number, name, sha256) values (${number}, '${name}', '${sha256}'); commit;`,
      )
      added.push(name)
    }
    return added
  } finally {
    // Closing the connection releases the lock, and aborts a transaction that failed half-way.
    client.release(true)
  }
}
