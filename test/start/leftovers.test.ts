/** What a start finds that an earlier one has left running. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAttune } from '../../scripts/start/attune.ts'
import { identify, isRunning, signal } from '../../scripts/start/identity.ts'
import { endLeftovers } from '../../scripts/start/leftovers.ts'
import { freePort } from '../../scripts/start/ports.ts'
import { childrenOf, npmStart, patience, processesOf, running, until, watchdogOf, workingFor } from './npm-start.ts'

let dir: string
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'attune-left-')))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Kills a start and its watchdog at once: nobody is left to end the others. */
function killStart(pid: number | undefined): void {
  if (pid === undefined) throw new Error('it does not run')
  const watchdog = watchdogOf(pid)
  if (watchdog === undefined) throw new Error('it has no watchdog')
  signal(watchdog, 'SIGKILL')
  signal(pid, 'SIGKILL')
}

test(
  'after kill -9 of npm start and its watchdog the next start ends the orphans, takes the same port, and Ctrl-C leaves nothing',
  async () => {
    const port = String(await freePort())
    const first = npmStart(['--port', port, '--data', dir])
    await first.ready()
    const before = processesOf(dir).filter(({ name }) => name !== 'start')
    expect(before.map(({ name }) => name).sort()).toEqual([
      'chain',
      'postgres',
      'recorder',
      'redis',
      'server',
      'trainer',
    ])
    const trainer = before.find(({ name }) => name === 'trainer')
    const run = childrenOf(trainer?.pid ?? 0)
      .map((pid) => identify(pid))
      .filter((one) => one !== null)
    killStart(first.child.pid)
    await first.ended
    expect(running(before)).toHaveLength(6)

    const second = npmStart(['--port', port, '--data', dir])
    await second.ready()
    expect(running([...before, ...run])).toEqual([])
    expect(second.output()).toMatch(/an earlier start left processes behind, which are ended now: .*server/)
    // Once more, and this time nothing that a trainer has started has a parent any more.
    const now = processesOf(dir)
    killStart(second.child.pid)
    await second.ended
    for (const { name, pid } of now) if (name === 'trainer' || name === 'server') signal(pid, 'SIGKILL')

    const third = npmStart(['--port', port, '--data', dir])
    await third.ready()
    expect(running(now)).toEqual([])
    const last = processesOf(dir)
    third.child.kill('SIGINT')
    expect(await third.ended).toBe(0)
    expect(running(last)).toEqual([])
    await until('nothing works for this folder any more', () => workingFor(dir).length === 0)
  },
  3 * patience,
)

test(
  'after kill -9 of everything at once, and after kill -9 of Postgres alone among the orphans, the next start works',
  async () => {
    const here = join(dir, 'all')
    const options = ['--port', String(await freePort()), '--data', here, '--no-demo']
    const first = npmStart(options)
    await first.ready()
    const all = processesOf(here)
    killStart(first.child.pid)
    for (const { pid } of all) signal(-pid, 'SIGKILL')
    await until('all are gone', () => running(all).length === 0)

    const second = npmStart(options)
    await second.ready()
    const orphans = processesOf(here)
    killStart(second.child.pid)
    await second.ended
    signal(orphans.find(({ name }) => name === 'postgres')?.pid ?? 0, 'SIGKILL')
    // What a full disk left no pid file of is known by its mark.
    rmSync(join(here, 'run', 'server.json'))

    const again = await startAttune({ dataDir: here, port: 0, demo: false })
    expect(running(orphans)).toEqual([])
    expect((await fetch(`${again.url}/health`)).status).toBe(200)
    await again.close()
    await until('nothing works for this folder any more', () => workingFor(here).length === 0)
  },
  3 * patience,
)

test('nothing else is ended: not a process that has the pid by now, nor one of another data folder', async () => {
  const [ours, theirs] = [join(dir, 'ours'), join(dir, 'theirs')]
  for (const folder of [ours, theirs]) mkdirSync(join(folder, 'run'), { recursive: true })
  const start = (folder: string) =>
    spawn('sleep', ['60'], { detached: true, env: { ...process.env, ATTUNE_RUN: join(folder, 'run') } })
  const other = spawn('sleep', ['60'], { detached: true })
  const [left, foreign] = [start(ours), start(theirs)]
  await until('all run', () => [other, left, foreign].every(({ pid }) => pid !== undefined && identify(pid) !== null))
  const recycled = identify(other.pid ?? 0)
  if (!recycled) throw new Error('sleep does not run')
  // The same pid and tick of another boot, and a file that a crash left half written.
  writeFileSync(
    join(ours, 'run', 'server.json'),
    JSON.stringify({ pid: recycled.pid, started: recycled.started.replace(/^[^/]+/, 'another-boot'), stop: 'SIGTERM' }),
  )
  writeFileSync(join(ours, 'run', 'redis.json'), '{"pid":')
  const marked = identify(left.pid ?? 0)
  expect(await endLeftovers(ours)).toEqual(['sleep 60'])
  expect(marked && isRunning(marked)).toBe(false)
  expect(isRunning(recycled)).toBe(true)
  expect(identify(foreign.pid ?? 0)).not.toBeNull()
  other.kill()
  foreign.kill()
})
