/**
 * Writes to standard output, which may be a file on a full disk, or a pipe that nobody reads any
 * more: neither is a reason to stop what runs.
 */
import { fstatSync, writeSync } from 'node:fs'

export interface Terminal {
  write: (text: string) => void
  isTTY: boolean
  columns: () => number
}

export function openTerminal(): Terminal {
  // A stream gives up for good after its first error; a file is written as soon as it can be again.
  const isFile = fstatSync(1).isFile()
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  return {
    isTTY: process.stdout.isTTY,
    columns: () => process.stdout.columns ?? 80,
    write(text) {
      if (!isFile) {
        process.stdout.write(text)
        return
      }
      try {
        writeSync(1, text)
      } catch {
        // There is nowhere else to report it.
      }
    },
  }
}
