/** The whole system, started as `npm start` starts it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { unheldRuns } from '../../core/db/run-queue.ts'
import { startAttune, type Attune, type ProcessName } from '../../scripts/start/attune.ts'
import { isRunning, type ProcessIdentity } from '../../scripts/start/identity.ts'
import { freePort } from '../../scripts/start/ports.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const patience = 180_000

async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 90_000
  while (!(await done())) {
    if (Date.now() > giveUpAt) throw new Error(`not in 90 s: ${what}`)
    await sleep(100)
  }
}

const healthy = async (url: string) => {
  const answer = await fetch(`${url}/health`).catch(() => null)
  if (!answer) return false
  const { components } = (await answer.json()) as { components: Record<string, string> }
  return answer.status === 200 && Object.values(components).every((standing) => standing === 'up')
}

describe('an instance', () => {
  let dataDir: string
  let attune: Attune
  let pool: Pool
  const troubles: string[] = []
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'attune-start-'))
    attune = await startAttune({ dataDir, port: 0, durable: false, onTrouble: (message) => troubles.push(message) })
    pool = openPool(attune.databaseUrl, () => undefined, 2)
  }, patience)
  afterAll(async () => {
    await pool?.end()
    await attune?.close()
    rmSync(dataDir, { recursive: true, force: true })
  }, patience)

  test('is ready: every part is up, the demo is being trained, the page is served', async () => {
    expect(await healthy(attune.url)).toBe(true)
    expect(await unheldRuns(pool)).toEqual([])
    const page = await fetch(attune.url)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('<script type="module"')
  })

  test('its administrator can sign in; secrets are readable by their owner alone', async () => {
    expect(attune.adminIsNew).toBe(true)
    for (const file of ['admin.json', 'secrets.json'])
      expect(statSync(join(dataDir, file)).mode & 0o777, file).toBe(0o600)
    const answer = await fetch(`${attune.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(attune.adminCredentials),
    })
    expect(await answer.json()).toMatchObject({ success: true, data: { user: { role: 'admin' } } })
  })

  test('a second start on the same folder is refused', async () => {
    await expect(startAttune({ dataDir, port: 0 })).rejects.toThrow(/already runs/)
  })

  for (const name of ['trainer', 'server', 'redis', 'recorder', 'chain', 'postgres'] satisfies ProcessName[]) {
    test(
      `T1: after kill -9 of ${name} it heals by itself and the run goes on`,
      async () => {
        const before = attune.pids()[name]
        expect(before).toBeTypeOf('number')
        attune.kill(name, 'SIGKILL')
        await until(`${name} runs again`, () => ![before, undefined].includes(attune.pids()[name]))
        await until('all parts are up', () => healthy(attune.url))
        await until('somebody trains the demo', async () => !(await unheldRuns(pool).catch(() => ['?'])).length)
        expect(troubles.some((message) => message.includes('stopped (SIGKILL); starting it again'))).toBe(true)
      },
      patience,
    )
  }
})

describe('npm start', () => {
  const dataDirs: string[] = []
  afterAll(() => {
    for (const dir of dataDirs) rmSync(dir, { recursive: true, force: true })
  })
  const start = (args: string[], env: NodeJS.ProcessEnv = {}) => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-cli-'))
    dataDirs.push(dir)
    const { DATABASE_URL: _d, REDIS_URL: _r, BLOCKCHAIN_RPC_URL: _b, ...rest } = process.env
    const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/start/main.ts', '--data', dir, ...args], {
      cwd: root,
      env: { ...rest, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    return { dir, child, ended, output: () => output }
  }
  const processesOf = (dir: string): ProcessIdentity[] =>
    readdirSync(join(dir, 'run')).map(
      (file) => JSON.parse(readFileSync(join(dir, 'run', file), 'utf8')) as ProcessIdentity,
    )

  test(
    'Ctrl-C stops everything in order and leaves no process behind',
    async () => {
      const run = start(['--port', String(await freePort())])
      await until('ready', () => /^ready {2}http:\/\/localhost:\d+/m.test(run.output()) || run.child.exitCode !== null)
      const processes = processesOf(run.dir)
      expect(processes.length).toBe(7)
      run.child.kill('SIGINT')
      expect(await run.ended).toBe(0)
      expect(processes.filter(isRunning)).toEqual([])
      expect(run.output()).toMatch(/stopping \(SIGINT\)[^]*stopped/)
    },
    patience,
  )

  test(
    'kill -9 of it leaves no process behind either, and the next start works',
    async () => {
      const run = start(['--port', String(await freePort()), '--no-demo'])
      await until('ready', () => run.output().includes('\nready') || run.child.exitCode !== null)
      const processes = processesOf(run.dir)
      run.child.kill('SIGKILL')
      await run.ended
      await until('all are gone', () => processes.filter(isRunning).length === 0)
      const again = await startAttune({ dataDir: run.dir, port: 0, demo: false })
      expect(again.adminIsNew).toBe(false)
      expect(await healthy(again.url)).toBe(true)
      await again.close()
    },
    patience,
  )

  test(
    'a taken port ends it with one line that says what to do',
    async () => {
      const taken = createServer()
      const port = await new Promise<number>((resolve) => {
        taken.listen(0, () => {
          const address = taken.address()
          resolve(typeof address === 'object' && address ? address.port : 0)
        })
      })
      const run = start(['--port', String(port)])
      expect(await run.ended).toBe(1)
      expect(run.output()).toContain(
        `attune: port ${port} is taken by another program: stop that program, or choose another port`,
      )
      await new Promise((resolve) => taken.close(resolve))
    },
    patience,
  )

  test(
    'an unreachable database, Redis or chain ends it with one line that says what to do',
    async () => {
      const nowhere = `127.0.0.1:${await freePort()}`
      const settings: [string, string, NodeJS.ProcessEnv?][] = [
        ['DATABASE_URL', `postgres://user:hush@${nowhere}/attune`],
        ['REDIS_URL', `redis://:hush@${nowhere}/0`],
        [
          'BLOCKCHAIN_RPC_URL',
          `http://${nowhere}`,
          { CONTRACT_ADDRESS: `0x${'2'.repeat(40)}`, BLOCKCHAIN_PRIVATE_KEY: `0x${'1'.repeat(64)}` },
        ],
      ]
      for (const [name, url, more = {}] of settings) {
        const run = start(['--port', String(await freePort())], { ...more, [name]: url })
        expect(await run.ended, name).toBe(1)
        const said = run
          .output()
          .split('\n')
          .filter((line) => line.startsWith('attune: '))
        expect(said, name).toHaveLength(1)
        expect(said[0]).toMatch(
          new RegExp(`^attune: ${name} \\(.*${nowhere}.*\\) can't be reached: .*unset it to use the embedded`),
        )
        expect(run.output()).not.toContain('hush')
        expect(processesOf(run.dir).filter(isRunning)).toEqual([])
      }
    },
    patience,
  )
})
