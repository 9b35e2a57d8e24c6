/** `npm run admin`: makes the administrator of an installation that `npm start` hasn't made (docker compose, for one). */
import { randomBytes } from 'node:crypto'
import { loadConfig } from '../../server/config.ts'
import { migrate } from '../../server/db/migrate.ts'
import { openPool } from '../../server/db/pool.ts'
import { seed } from '../../server/seed.ts'

const usage = `npm run admin -- [--demo]

Makes the account "admin" in the database at DATABASE_URL and prints its password, once.
With --demo also the demo model and its session. What is there already stays as it is.`

async function main(args: string[]): Promise<void> {
  const unknown = args.find((arg) => arg !== '--demo')
  if (unknown !== undefined) {
    console.log(usage)
    process.exitCode = unknown === '--help' ? 0 : 2
    return
  }
  const pool = openPool(loadConfig({ REDIS_URL: 'unused', ...process.env }).databaseUrl, (error) => console.error(error.message), 1)
  try {
    await migrate(pool)
    const password = randomBytes(12).toString('base64url')
    const { username, isNew } = await seed(pool, { adminPassword: password, demo: args.includes('--demo') })
    console.log(isNew ? `${username} / ${password}   (shown once)` : `there is an account "${username}" already; its password stays as it is`)
  } finally {
    await pool.end()
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
