/**
 * No child outlives this process, not even after `kill -9`: a tiny shell holds
 * the other end of a pipe, and when the pipe closes it stops whatever is still
 * on its list. It needs no polling and no help from the children.
 */
import { spawn, type ChildProcess } from 'node:child_process'

// "+ pid SIGNAL" adds a process group, "- pid" removes it. At the end: each one's own stop signal, up to ten seconds of
// grace, then SIGKILL.
const script = `
list=''
while read -r what pid how; do
  case "$what" in
    +) list="$list $pid:$how" ;;
    -) kept=''
       for entry in $list; do [ "\${entry%%:*}" = "$pid" ] || kept="$kept $entry"; done
       list="$kept" ;;
  esac
done
for entry in $list; do kill -"\${entry##*:}" -"\${entry%%:*}" 2>/dev/null; done
tries=0
while [ $tries -lt 100 ]; do
  left=''
  for entry in $list; do kill -0 -"\${entry%%:*}" 2>/dev/null && left="$left $entry"; done
  [ -z "$left" ] && exit 0
  sleep 0.1
  tries=$((tries + 1))
done
for entry in $left; do kill -KILL -"\${entry%%:*}" 2>/dev/null; done
`

let shell: ChildProcess | undefined

function tell(line: string): void {
  if (!shell || shell.exitCode !== null || shell.signalCode !== null) {
    shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' })
    shell.unref()
    const pipe = shell.stdin
    if (pipe && 'unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
    pipe?.on('error', () => {
      // The shell was killed: the next line starts another. Children keep their pid files.
      shell = undefined
    })
  }
  shell.stdin?.write(`${line}\n`)
}

/** The group led by `pid` is to be stopped with this signal when this process is gone. */
export function watch(pid: number, stopSignal: NodeJS.Signals): void {
  tell(`+ ${pid} ${stopSignal.slice(3)}`)
}

export function unwatch(pid: number): void {
  if (shell) tell(`- ${pid}`)
}

export function watchdogPid(): number | undefined {
  return shell?.pid
}
