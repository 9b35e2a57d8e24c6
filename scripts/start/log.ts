/**
 * A child's log. It never fails: if the disk is full, lines are lost, which is reported once in a while, and logging
 * resumes by itself when there is space again.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorText } from './fault.ts'

export interface Log {
  /** For a child that writes to it directly. */
  fd: number
  write: (line: string) => void
  close: () => void
}

/** A log starts afresh once it is larger than this, bytes; the old one is kept beside it. */
const logBytes = 10 * 1024 * 1024

export function openLog(path: string, onTrouble: (message: string) => void): Log {
  let fd = open(path, onTrouble)
  let size = existsSync(path) ? statSync(path).size : 0
  let lost = 0
  const write = (line: string): void => {
    const text = `${line}\n`
    try {
      if (size > logBytes) {
        closeSync(fd)
        fd = open(path, onTrouble)
        size = 0
      }
      if (lost > 0) writeSync(fd, `(${lost} lines are lost: they could not be written)\n`)
      lost = 0
      size += writeSync(fd, text)
    } catch (error) {
      lost++
      onTrouble(unwritable(path, error))
    }
  }
  return {
    get fd() {
      return fd
    },
    write,
    close: () => closeSync(fd),
  }
}

function open(path: string, onTrouble: (message: string) => void): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    if (existsSync(path) && statSync(path).size > logBytes) renameSync(path, `${path}.old`)
    return openSync(path, 'a', 0o600)
  } catch (error) {
    onTrouble(unwritable(path, error))
    return openSync('/dev/null', 'a')
  }
}

const unwritable = (path: string, error: unknown): string =>
  `${path} can't be written (${errorText(error)}): free some space on its disk; what is logged until then is lost`
