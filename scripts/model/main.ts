/**
 * `npm run model`: inspects, runs, trains and imports models. Its result is JSON on standard output; progress goes to
 * standard error.
 */
import { loadConfig } from '../../core/config.ts'
import { main } from '../cli/command.ts'
import { model } from './commands.ts'
import type { Surroundings } from './surroundings.ts'

function around(): Surroundings {
  const { modelsPath, maxModelBytes, compute, hub } = loadConfig({
    DATABASE_URL: 'postgres://unused',
    REDIS_URL: 'redis://unused',
    ...process.env,
  })
  return { modelsPath, maxModelBytes, compute, hub, say: (line) => console.error(line) }
}

const result = await main(model(around))
if (result !== null) process.stdout.write(`${JSON.stringify(result)}\n`)
