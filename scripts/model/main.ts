/**
 * `npm run model`: looks at, runs, trains and imports models. Its result is JSON on the standard output, its progress
 * is on the error output.
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
