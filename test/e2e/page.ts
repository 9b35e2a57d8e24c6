import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildClient } from '../../scripts/start/client-build.ts'

/** Builds the page that the server serves, unless a build of these sources is there already. */
export async function buildPage(): Promise<void> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const cache = join(root, '.attune', 'cache')
  mkdirSync(cache, { recursive: true })
  await buildClient({ root, cache, env: process.env, log: join(cache, 'client-build.log') })
}
