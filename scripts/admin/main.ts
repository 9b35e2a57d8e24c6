/**
 * `npm run admin`: makes the administrator of an installation that has none, or one more where nobody knows the
 * password.
 */
import { randomBytes } from 'node:crypto'
import { loadConfig } from '../../core/config.ts'
import { migrate } from '../../core/db/migrate.ts'
import { openPool } from '../../core/db/pool.ts'
import { seed } from '../../server/seed.ts'

const usage = `npm run admin -- [--demo] [--another]

Where nobody is an administrator in the database at DATABASE_URL, makes an account that is, and
prints its name and password, once. With --another also where there is one: for when its password
is lost. With --demo also the demo model and its session. What is there already stays as it is.`

const OPTIONS = ['--demo', '--another']

async function main(args: string[]): Promise<void> {
  const unknown = args.find((arg) => !OPTIONS.includes(arg))
  if (unknown !== undefined) {
    console.log(usage)
    process.exitCode = unknown === '--help' ? 0 : 2
    return
  }
  const pool = openPool(
    loadConfig({ REDIS_URL: 'unused', ...process.env }).databaseUrl,
    (error) => console.error(error.message),
    1,
  )
  try {
    await migrate(pool)
    const password = randomBytes(12).toString('base64url')
    const { username, isNew } = await seed(pool, {
      adminPassword: password,
      demo: args.includes('--demo'),
      another: args.includes('--another'),
    })
    console.log(
      isNew
        ? `${username} / ${password}   (shown once)`
        : `"${username}" is an administrator already, and its password stays as it is; --another makes one more`,
    )
  } finally {
    await pool.end()
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
