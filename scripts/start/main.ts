/** `npm start`: Attune on this machine, with everything that it needs, until Ctrl-C. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startAttune, type Attune } from './attune.ts'
import { errorText, StartFault } from './fault.ts'
import { consolePhases } from './phases.ts'
import { openTerminal } from './terminal.ts'
import { onceInAWhile } from './trouble.ts'

const usage = `npm start -- [--port 3001] [--data .attune] [--no-demo]

  --port     where the page and the API are served (PORT does the same)
  --data     the folder of everything that is kept (ATTUNE_DATA does the same)
  --no-demo  without the demo model and session

DATABASE_URL, REDIS_URL and BLOCKCHAIN_RPC_URL replace the embedded Postgres, Redis and chain.`

function options() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string' },
        data: { type: 'string' },
        'no-demo': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new StartFault(`${errorText(error)}\n\n${usage}`)
  }
}

async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  const values = options()
  if (values.help) {
    console.log(usage)
    return
  }
  const began = performance.now()
  const terminal = openTerminal()
  const phases = consolePhases(terminal)
  let attune: Attune | undefined
  let stopping = false
  const stop = async (signal: string) => {
    // Once more: don't wait. What still runs dies with this process.
    if (stopping || !attune) process.exit(130)
    stopping = true
    phases.say(`\nstopping (${signal}) …`)
    await attune.close()
    phases.say('stopped')
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal))

  const dataDir = values.data ?? process.env.ATTUNE_DATA ?? '.attune'
  phases.say('Attune')
  attune = await startAttune({
    dataDir,
    env: process.env,
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    demo: !values['no-demo'],
    phases,
    onTrouble: onceInAWhile((message) => phases.say(`  ! ${message}`)),
  })
  phases.end()
  if (attune.adminIsNew) {
    const { username, password } = attune.adminCredentials
    phases.say(`\n  admin: ${username} / ${password}   (shown once; kept in ${join(dataDir, 'admin.json')})`)
  }
  phases.say(
    `\nready  ${attune.url}   (${((performance.now() - began) / 1000).toFixed(1)} s; Ctrl-C stops it, logs are in ${join(dataDir, 'logs')})`,
  )
}

main().catch((error: unknown) => {
  process.stdout.write(process.stdout.isTTY ? '\r\x1b[K' : '')
  console.error(error instanceof StartFault ? `attune: ${error.message}` : error)
  process.exit(1)
})
