/**
 * `npm run model`: looks at, runs, trains and imports models. Its result is JSON on the standard output, its progress
 * is on the error output.
 */
import { loadConfig } from '../../core/config.ts'
import { Misuse } from './arguments.ts'
import { runCommand, usage } from './commands.ts'

async function main(args: string[]): Promise<void> {
  if (args.includes('--help')) {
    console.error(usage)
    return
  }
  const { modelsPath, maxModelBytes, compute, hub } = loadConfig({
    DATABASE_URL: 'postgres://unused',
    REDIS_URL: 'redis://unused',
    ...process.env,
  })
  const result = await runCommand(args, { modelsPath, maxModelBytes, compute, hub, say: (line) => console.error(line) })
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof Misuse) console.error(`\n${usage}`)
  process.exitCode = error instanceof Misuse ? 2 : 1
})
