/** Starts of the whole system as a process of their own, and what runs of them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isRunning, readProc, type ProcessIdentity } from '../../scripts/start/identity.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
/** Of a test that starts the whole system, milliseconds. */
export const patience = 240_000

export async function until(what: string, done: () => boolean | Promise<boolean>, ms = 120_000): Promise<void> {
  const giveUpAt = Date.now() + ms
  while (!(await done())) {
    if (Date.now() > giveUpAt) throw new Error(`not in ${ms / 1000} s: ${what}`)
    await sleep(100)
  }
}

export interface Start {
  child: ChildProcess
  ended: Promise<number | null>
  output: () => string
  /** Resolves once it says so; rejects with what it said where it ends before. */
  ready: () => Promise<void>
}

/** `npm start` of the repository at `at`, without npm. */
export function npmStart(
  args: string[],
  { at = root, env = {}, as = {} }: { at?: string; env?: NodeJS.ProcessEnv; as?: { uid?: number; gid?: number } } = {},
): Start {
  const { DATABASE_URL: _d, REDIS_URL: _r, BLOCKCHAIN_RPC_URL: _b, ...rest } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/start/main.ts', ...args], {
    cwd: at,
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...as,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return {
    child,
    ended,
    output: () => output,
    async ready() {
      await until(
        'ready',
        () => /^ready {2}http/m.test(output) || child.exitCode !== null || child.signalCode !== null,
        patience,
      )
      if (!/^ready {2}http/m.test(output)) throw new Error(`it ended: ${output}`)
    },
  }
}

/** What the pid files of a data folder name. */
export const processesOf = (dir: string): (ProcessIdentity & { name: string })[] =>
  readdirSync(join(dir, 'run'))
    .filter((file) => file.endsWith('.json'))
    .map((file) => ({
      ...(JSON.parse(readFileSync(join(dir, 'run', file), 'utf8')) as ProcessIdentity),
      name: file.slice(0, -5),
    }))

export const running = (processes: ProcessIdentity[]): ProcessIdentity[] => processes.filter(isRunning)

/** Every process that works for this data folder: by its mark, and by their parents. */
export function workingFor(dir: string): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return pids.filter(
    (pid) =>
      readProc(`/proc/${pid}/environ`)
        ?.split('\0')
        .includes(`ATTUNE_RUN=${join(dir, 'run')}`) && readProc(`/proc/${pid}/stat`)?.includes(') Z ') === false,
  )
}

export const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => {
      const stat = readProc(`/proc/${one}/stat`)
      return stat !== null && Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid
    })

/** The shell that ends a start's children when the start itself was killed. */
export const watchdogOf = (pid: number): number | undefined =>
  childrenOf(pid).find((one) => readProc(`/proc/${one}/cmdline`)?.startsWith('/bin/sh\0-c\0'))
