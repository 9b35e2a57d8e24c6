/**
 * A child process: leads its own group (so that Ctrl-C reaches only us), writes
 * its output to a log, is known by a pid file, and dies with us.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartFault } from './fault.ts'
import { identify, isRunning, signal, type ProcessIdentity } from './identity.ts'
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
  uid?: number
  gid?: number
  /** Each line it prints. */
  onLine?: (line: string) => void
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
  /** Asks it to stop, insists after the grace; resolves when it is gone. */
  stop: () => Promise<void>
  /** The last lines of its log. */
  logTail: (lines?: number) => string
}

/** A log starts afresh once it is larger than this, bytes; the old one is kept beside it. */
const logBytes = 10 * 1024 * 1024

export async function startChild(options: ChildOptions): Promise<Child> {
  mkdirSync(dirname(options.log), { recursive: true })
  mkdirSync(dirname(options.pidFile), { recursive: true })
  await stopLeftover(options.pidFile, options.stopSignal, options.graceMs)
  const log = openLog(options.log)
  const output = options.onLine ? 'pipe' : log
  const handle = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', output, output],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
  })
  let gone: Exit | undefined
  const exited = new Promise<Exit>((resolve) => {
    handle.once('exit', (code, signalName) => {
      gone = { code, signal: signalName }
      if (handle.pid !== undefined) {
        signal(-handle.pid, 'SIGKILL') // what it has started and left behind
        unwatch(handle.pid)
      }
      rmSync(options.pidFile, { force: true })
      resolve(gone)
    })
  })
  handle.once('close', () => closeSync(log))
  await new Promise<void>((resolve, reject) => {
    handle.once('spawn', resolve)
    handle.once('error', (error) => {
      closeSync(log)
      reject(new StartFault(`${options.name} can't be run: ${options.command}: ${error.message}`))
    })
  })
  const pid = handle.pid
  if (pid === undefined) throw new Error(`${options.name} was spawned without a pid`)
  watch(pid, options.stopSignal)
  const identity = identify(pid)
  if (identity) writeFileSync(options.pidFile, JSON.stringify(identity))
  for (const stream of [handle.stdout, handle.stderr]) {
    if (!stream) continue
    createInterface({ input: stream }).on('line', (line) => {
      writeSync(log, `${line}\n`)
      options.onLine?.(line)
    })
  }
  if (options.input !== undefined) {
    handle.stdin?.on('error', () => undefined) // it died while reading: `exited` tells
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

/** Stops the process of an earlier start, if the pid file's process is still that same one. */
export async function stopLeftover(pidFile: string, stopSignal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (!existsSync(pidFile)) return
  const identity = parseIdentity(readFileSync(pidFile, 'utf8'))
  if (identity) {
    const giveUpAt = Date.now() + graceMs
    if (isRunning(identity)) signal(-identity.pid, stopSignal)
    while (isRunning(identity)) {
      if (Date.now() > giveUpAt) signal(-identity.pid, 'SIGKILL')
      await sleep(20)
    }
  }
  rmSync(pidFile, { force: true })
}

/** Null for a file that a crash left half written. */
function parseIdentity(text: string): ProcessIdentity | null {
  const match = /^\{"pid":(\d+),"started":"([^"]+)"\}$/.exec(text)
  return match?.[1] && match[2] ? { pid: Number(match[1]), started: match[2] } : null
}

function openLog(path: string): number {
  if (existsSync(path) && statSync(path).size > logBytes) renameSync(path, `${path}.old`)
  return openSync(path, 'a', 0o600)
}

function tail(path: string, lines: number): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}
