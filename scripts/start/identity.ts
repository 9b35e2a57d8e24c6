/**
 * Which process a pid means. Pids are used again, so a pid alone never proves
 * that a process is ours: the boot and the time it started are kept with it.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { errorCode } from './fault.ts'

export const ProcessIdentity = z.object({
  pid: z.int().positive(),
  /** When it started, in the system's own notation; only compared. */
  started: z.string().min(1),
})
export type ProcessIdentity = z.infer<typeof ProcessIdentity>

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

/** The boot, and field 22 of /proc/PID/stat: clock ticks after it. The name in field 2 may hold spaces and brackets. */
function startedByProc(pid: number): string | null {
  const stat = readProc(`/proc/${pid}/stat`)
  if (stat === null) return null
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  return ticks === undefined ? null : `${boot()}/${ticks}`
}

/** After a restart of the machine the same pid may have started at the same tick. */
function boot(): string {
  bootId ??= readProc('/proc/sys/kernel/random/boot_id')?.trim() ?? 'this boot'
  return bootId
}
let bootId: string | undefined

/** The content of a file below /proc; null if its process is gone, or belongs to another user. */
export function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return null
    throw error
  }
}

function startedByPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch (error) {
    // ps exits with 1 for a pid that nobody has.
    if (error instanceof Error && 'status' in error && error.status === 1) return null
    throw error
  }
}
