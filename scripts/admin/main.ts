/**
 * `npm run admin`: creates the administrator of an installation that has none, or another one if nobody knows the
 * password.
 */
import { randomBytes } from 'node:crypto'
import { loadConfig } from '../../core/config.ts'
import { migrate } from '../../core/db/migrate.ts'
import { openPool } from '../../core/db/pool.ts'
import { seed } from '../../server/seed.ts'
import { command, main } from '../cli/command.ts'
import { flag } from '../cli/options.ts'

const admin = command({
  name: 'npm run admin --',
  summary: 'makes an administrator where nobody is one in the database at DATABASE_URL',
  detail: 'Prints its name and password, once. What is there already stays as it is.',
  options: {
    another: flag('also where there is one: for when its password is lost'),
    demo: flag('the demo model and its session, too'),
  },
  async run(options) {
    const pool = openPool(
      loadConfig({ REDIS_URL: 'unused', ...process.env }).databaseUrl,
      (error) => console.error(error.message),
      1,
    )
    try {
      await migrate(pool)
      const password = randomBytes(12).toString('base64url')
      const { username, isNew } = await seed(pool, { adminPassword: password, ...options })
      console.log(
        isNew
          ? `${username} / ${password}   (shown once)`
          : `"${username}" is an administrator already, and its password stays as it is; --another makes one more`,
      )
    } finally {
      await pool.end()
    }
  },
})

await main(admin)
