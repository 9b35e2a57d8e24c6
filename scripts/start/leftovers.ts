/**
 * What an earlier start on the same folder has left running: after `kill -9` of a start and of its watchdog nobody else
 * stops it. A process is known by its pid file, or by the mark in its environment, which all its descendants inherit;
 * nothing else is ever signalled.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { errorCode } from './fault.ts'
import { identify, isRunning, ProcessIdentity, readProc, signal } from './identity.ts'

/** Names the folder of pid files that a process belongs to. */
const MARK = 'ATTUNE_RUN'

/** What a child's environment is marked with. */
export function markOf(pidFile: string): Record<string, string> {
  return { [MARK]: realpathSync(dirname(pidFile)) }
}

/** The content of a pid file. `stop` is the signal that asks the process to stop. */
const PidFile = ProcessIdentity.extend({ stop: z.enum(['SIGINT', 'SIGTERM']).default('SIGTERM') })
export const pidFileOf = (identity: ProcessIdentity, stop: NodeJS.Signals): string =>
  JSON.stringify({ ...identity, stop })

/** Attune's own processes: they stop before what they use. */
const first = ['recorder', 'trainer', 'server']
/** How long each may take to stop before SIGKILL, milliseconds. Postgres writes a checkpoint. */
const graceMs = 10_000

/** Stops every process that earlier starts on `dir` have left; returns their names. */
export async function endLeftovers(dir: string): Promise<string[]> {
  const run = join(dir, 'run')
  if (!existsSync(run)) return []
  const names = readdirSync(run)
    .filter((file) => file.endsWith('.json') && file !== 'start.json')
    .map((file) => file.slice(0, -5))
  const own = names.filter((name) => first.includes(name))
  const ended = await endAll(run, own)
  // Orphaned descendants that would still write to what stops next.
  const orphans = await endMarked(run, (pid) => /node|tsx/.test(commandOf(pid)))
  const rest = await endAll(
    run,
    names.filter((name) => !own.includes(name)),
  )
  return [...ended, ...orphans, ...rest, ...(await endMarked(run, () => true))]
}

async function endAll(run: string, names: string[]): Promise<string[]> {
  const ended = await Promise.all(
    names.map(async (name) => ((await endByFile(join(run, `${name}.json`), graceMs)) ? [name] : [])),
  )
  return ended.flat()
}

/**
 * Stops the process of a pid file and its group, if it is still that same one; returns whether it was. The file is
 * removed.
 */
export async function endByFile(pidFile: string, patienceMs: number): Promise<boolean> {
  if (!existsSync(pidFile)) return false
  const identity = parse(readFileSync(pidFile, 'utf8'))
  const runs = identity !== null && isRunning(identity)
  if (runs) {
    const giveUpAt = Date.now() + patienceMs
    signal(-identity.pid, identity.stop)
    while (isRunning(identity)) {
      if (Date.now() > giveUpAt) signal(-identity.pid, 'SIGKILL')
      await sleep(20)
    }
  }
  rmSync(pidFile, { force: true })
  return runs
}

/** Null for a file that a crash left incomplete. */
function parse(text: string): z.infer<typeof PidFile> | null {
  try {
    return PidFile.safeParse(JSON.parse(text)).data ?? null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Kills every process with this folder's mark: by now they have nothing left to shut down for. */
async function endMarked(run: string, which: (pid: number) => boolean): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const mark = `${MARK}=${realpathSync(run)}`
  const found = pidsOf('/proc').flatMap((pid) => {
    if (pid === process.pid || !readProc(`/proc/${pid}/environ`)?.split('\0').includes(mark) || !which(pid)) return []
    const identity = identify(pid)
    return identity ? [{ ...identity, command: commandOf(pid) }] : []
  })
  for (const { pid } of found) signal(pid, 'SIGKILL')
  while (found.some(isRunning)) await sleep(20)
  return found.map(({ pid, command }) => command || String(pid))
}

function pidsOf(proc: string): number[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** Its program and first arguments, for a person. */
function commandOf(pid: number): string {
  return (readProc(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, 4).join(' ').trim()
}

/** Whether this process is a Postgres on this data folder, which is always its working directory. */
export function isPostgresOn(pid: number, data: string): boolean {
  if (!identify(pid)) return false
  if (process.platform !== 'linux') return true
  if (!/postgres/.test(commandOf(pid))) return false
  try {
    return realpathSync(`/proc/${pid}/cwd`) === realpathSync(data)
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return false
    throw error
  }
}
