/** `npm start`: Attune on this machine, with everything that it needs, until Ctrl-C. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { command, main } from '../cli/command.ts'
import { flag, text, unless, whole } from '../cli/options.ts'
import { startAttune, type Attune } from './attune.ts'
import { StartFault } from './fault.ts'
import { consolePhases } from './phases.ts'
import { openTerminal } from './terminal.ts'
import { onceInAWhile } from './trouble.ts'

const start = command({
  name: 'npm start --',
  summary: 'Attune on this machine, with everything that it needs, until Ctrl-C',
  detail:
    'DATABASE_URL, REDIS_URL and BLOCKCHAIN_RPC_URL replace the embedded Postgres, Redis and chain. A file .env is read where there is one.',
  options: {
    port: whole('PORT', 'where the page and the API are served; PORT in the environment does the same, else 3001', {
      least: 0,
      most: 65_535,
    }).optional(),
    data: text('DIR', 'the folder of everything that is kept; ATTUNE_DATA does the same, else .attune').optional(),
    demo: unless('without the demo model and session'),
    watch: flag('starts processes again whose sources change, and serves the page by vite; npm run dev does the same'),
  },
  run: startAndStay,
})

interface Wanted {
  port?: number
  data?: string
  demo: boolean
  watch: boolean
}

async function startAndStay({ port, data, demo, watch }: Wanted): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  const began = performance.now()
  const terminal = openTerminal()
  const phases = consolePhases(terminal)
  let attune: Attune | undefined
  let dev: { url: string; close: () => Promise<void> } | undefined
  let stopping = false
  const stop = async (signal: string) => {
    // A second time: don't wait. Whatever still runs dies with this process.
    if (stopping || !attune) process.exit(130)
    stopping = true
    phases.say(`\nstopping (${signal}) …`)
    await dev?.close()
    await attune.close()
    phases.say('stopped')
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal))

  const dataDir = data ?? process.env.ATTUNE_DATA ?? '.attune'
  phases.say('Attune')
  attune = await startAttune({
    dataDir,
    env: process.env,
    ...(port === undefined ? {} : { port }),
    demo,
    phases,
    onTrouble: onceInAWhile((message) => phases.say(`  ! ${message}`)),
  })
  phases.end()
  if (attune.adminIsNew) {
    const { username, password } = attune.adminCredentials
    phases.say(`\n  admin: ${username} / ${password}   (shown once; kept in ${join(dataDir, 'admin.json')})`)
  }
  if (watch) dev = await (await import('./watch.ts')).openDevelopment(attune, phases.say)
  phases.say(
    `\nready  ${dev?.url ?? attune.url}   (${((performance.now() - began) / 1000).toFixed(1)} s; Ctrl-C stops it, logs are in ${join(dataDir, 'logs')})`,
  )
}

await main(start, (error) => {
  process.stdout.write(process.stdout.isTTY ? '\r\x1b[K' : '')
  console.error(error instanceof StartFault ? `attune: ${error.message}` : error)
  process.exit(1)
})
