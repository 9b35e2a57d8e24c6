/** The server process: REST, sockets, the built client; re-queues every active run that no trainer holds. */
import { pino } from 'pino'
import { ConfigError, loadConfig } from '../core/config.ts'
import { openServer, StartError } from './server.ts'

/** Milliseconds that closing may take before the process ends anyway: whatever is still open then is of no use. */
const GRACE_MS = 5_000

async function main(): Promise<void> {
  const config = loadConfig(process.env, ['JWT_SECRET', 'DATA_KEY'])
  const log = pino({ level: config.logLevel, name: 'server' })
  const server = await openServer(config, log)
  log.info({ port: server.port }, 'serving')

  let closing = false
  const stop = async (): Promise<void> => {
    if (closing) return
    closing = true
    setTimeout(() => process.exit(0), GRACE_MS).unref()
    await server.close()
    process.exit(0)
  }
  const end = (): void => {
    stop().catch((error: unknown) => {
      log.fatal({ err: error }, 'could not stop in order')
      process.exit(1)
    })
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
}

main().catch((error: unknown) => {
  const known = error instanceof ConfigError || error instanceof StartError
  console.error(known ? `The server can't start: ${error.message}` : error)
  process.exit(1)
})
