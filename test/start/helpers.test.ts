import { Redis } from 'ioredis'
import pg from 'pg'
import { expect, test } from 'vitest'
import { openServices } from '../helpers/services.ts'

test('each caller has a migrated database and an empty Redis of its own', async () => {
  const [a, b] = await Promise.all([openServices(), openServices()])
  expect(a.databaseUrl).not.toBe(b.databaseUrl)
  expect(a.redisUrl).not.toBe(b.redisUrl)

  const database = new pg.Client({ connectionString: a.databaseUrl })
  await database.connect()
  expect((await database.query('select count(*)::int as users from users')).rows).toEqual([{ users: 0 }])
  await database.end()

  const [mine, other] = [new Redis(a.redisUrl), new Redis(b.redisUrl)]
  await mine.set('key', 'value')
  expect(await other.get('key')).toBeNull()
  await Promise.all([mine.quit(), other.quit()])
  await Promise.all([a.close(), b.close()])
})
