/**
 * Which process a pid means. Pids are used again, so a pid alone never proves
 * that a process is ours: the time it started is kept with it.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { errorCode } from './fault.ts'

export interface ProcessIdentity {
  pid: number
  /** When it started, in the system's own notation; only compared. */
  started: string
}

/** The identity of a running process; null where no such process runs (a zombie does not run). */
export function identify(pid: number): ProcessIdentity | null {
  const started = process.platform === 'linux' ? startedByProc(pid) : startedByPs(pid)
  return started === null ? null : { pid, started }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started
}

/** Sends a signal to a process or, with a negative pid, to a group; false where there is none left. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false
    throw error
  }
}

/** Field 22 of /proc/PID/stat: clock ticks after boot. The name in field 2 may hold spaces and brackets. */
function startedByProc(pid: number): string | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return null
    throw error
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null)
}

function startedByPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch (error) {
    // ps answers 1 for a pid that nobody has.
    if (error instanceof Error && 'status' in error && error.status === 1) return null
    throw error
  }
}
