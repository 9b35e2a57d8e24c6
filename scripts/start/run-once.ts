/** Runs a command to completion; fails with the end of its output if its exit code is not 0. */
import { startChild, type ChildOptions } from './child.ts'
import { StartFault } from './fault.ts'

export async function runOnce(options: ChildOptions): Promise<void> {
  const child = await startChild(options)
  const { code, signal } = await child.exited
  if (code !== 0) {
    throw new StartFault(
      `${options.name} failed (${signal ?? `exit code ${code}`}); the end of ${options.log}:\n${child.logTail(8)}`,
    )
  }
}
