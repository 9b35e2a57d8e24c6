/** One of Attune's own processes: server, trainer or recorder. */
import { join } from 'node:path'
import { startChild, type Child } from './child.ts'

export interface NodeChildOptions {
  name: string
  /** Below the repository's root. */
  entry: string
  root: string
  dir: string
  env: NodeJS.ProcessEnv
  graceMs: number
  /** Receives what it logs as a warning or an error. */
  onTrouble: (message: string) => void
}

export function startNodeChild({ name, entry, root, dir, env, graceMs, onTrouble }: NodeChildOptions): Promise<Child> {
  return startChild({
    name,
    command: process.execPath,
    args: ['--import', 'tsx', join(root, entry)],
    env,
    cwd: root,
    log: join(dir, 'logs', `${name}.log`),
    pidFile: join(dir, 'run', `${name}.json`),
    stopSignal: 'SIGTERM',
    graceMs,
    onTrouble,
    onLine: (line) => {
      const message = troubleIn(line)
      if (message) onTrouble(`${name}: ${message}`)
    },
  })
}

/** The message of a pino line of level warn or above, or of a line that a process prints before it exits. */
function troubleIn(line: string): string | null {
  if (!line.startsWith('{')) return /can't start|Error: /.test(line) ? line.trim() : null
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return line
    throw error
  }
  if (
    entry === null ||
    typeof entry !== 'object' ||
    !('level' in entry) ||
    typeof entry.level !== 'number' ||
    entry.level < 40
  )
    return null
  const said = 'msg' in entry && typeof entry.msg === 'string' ? entry.msg : ''
  const cause =
    'err' in entry && entry.err !== null && typeof entry.err === 'object' && 'message' in entry.err
      ? String(entry.err.message)
      : ''
  return [said, cause].filter((part, index, parts) => part !== '' && parts.indexOf(part) === index).join(': ') || line
}
