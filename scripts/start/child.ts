/**
 * A child process: leads its own group (so that Ctrl-C reaches only us), writes
 * its output to a log, is known by a pid file, and dies with us.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { errorText, StartFault } from './fault.ts'
import { identify, signal } from './identity.ts'
import { endByFile, markOf, pidFileOf } from './leftovers.ts'
import { openLog } from './log.ts'
import { unwatch, watch } from './watchdog.ts'

export interface ChildOptions {
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  cwd: string
  /** Everything the child prints is appended here. */
  log: string
  /** Where its identity is kept while it runs. */
  pidFile: string
  /** Asks it to stop. */
  stopSignal: NodeJS.Signals
  /** How long it may take to stop before SIGKILL, milliseconds. */
  graceMs: number
  /** Written to its standard input. */
  input?: string
  /** An open file to use as its standard input instead. */
  stdin?: number
  uid?: number
  gid?: number
  /** Each line it prints. */
  onLine?: (line: string) => void
  /** Receives what a person should know: that its log or its pid file can't be written. */
  onTrouble?: (message: string) => void
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Child {
  name: string
  pid: number
  exited: Promise<Exit>
  running: () => boolean
  kill: (name: NodeJS.Signals) => void
  /** Asks it to stop, kills it after the grace period; resolves when it is gone. */
  stop: () => Promise<void>
  /** The last lines of its log. */
  logTail: (lines?: number) => string
}

/** How often writing a pid file is retried, milliseconds. */
const pidFileMs = 5_000

export async function startChild(options: ChildOptions): Promise<Child> {
  const { onTrouble = () => undefined } = options
  mkdirSync(dirname(options.pidFile), { recursive: true })
  await endByFile(options.pidFile, options.graceMs)
  const log = openLog(options.log, onTrouble)
  const output = options.onLine ? 'pipe' : log.fd
  const handle = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...options.env, ...markOf(options.pidFile) },
    detached: true,
    stdio: [options.stdin ?? (options.input === undefined ? 'ignore' : 'pipe'), output, output],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
  })
  let gone: Exit | undefined
  const exited = new Promise<Exit>((resolve) => {
    handle.once('exit', (code, signalName) => {
      gone = { code, signal: signalName }
      if (handle.pid !== undefined) {
        signal(-handle.pid, 'SIGKILL') // descendants that it left behind
        unwatch(handle.pid)
      }
      rmSync(options.pidFile, { force: true })
      resolve(gone)
    })
  })
  handle.once('close', log.close)
  await new Promise<void>((resolve, reject) => {
    handle.once('spawn', resolve)
    handle.once('error', (error) => {
      log.close()
      reject(new StartFault(`${options.name} can't be run: ${options.command}: ${error.message}`))
    })
  })
  const pid = handle.pid
  if (pid === undefined) throw new Error(`${options.name} was spawned without a pid`)
  watch(pid, options.stopSignal)
  const keepPid = (): void => {
    const identity = gone ? null : identify(pid)
    if (!identity) return
    try {
      writeFileSync(options.pidFile, pidFileOf(identity, options.stopSignal))
    } catch (error) {
      // It runs all the same; only a start after a kill -9 would miss the file.
      onTrouble(`${options.pidFile} can't be written (${errorText(error)}): free some space on its disk`)
      setTimeout(keepPid, pidFileMs).unref()
    }
  }
  keepPid()
  for (const stream of [handle.stdout, handle.stderr]) {
    if (!stream) continue
    createInterface({ input: stream }).on('line', (line) => {
      log.write(line)
      options.onLine?.(line)
    })
  }
  if (options.input !== undefined) {
    handle.stdin?.on('error', () => undefined) // it died while reading: `exited` reports it
    handle.stdin?.end(options.input)
  }
  const kill = (name: NodeJS.Signals) => {
    if (!gone) signal(-pid, name)
  }
  return {
    name: options.name,
    pid,
    exited,
    running: () => gone === undefined,
    kill,
    logTail: (lines = 6) => tail(options.log, lines),
    stop: async () => {
      kill(options.stopSignal)
      const timer = setTimeout(() => kill('SIGKILL'), options.graceMs)
      await exited
      clearTimeout(timer)
    },
  }
}

/** The rest of a start: a child that doesn't get through it is stopped again. */
export async function orStop<T>(child: Child, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await child.stop()
    throw error
  }
}

function tail(path: string, lines: number): string {
  if (!existsSync(path)) return '(there is no log)'
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}
