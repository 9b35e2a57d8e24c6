// What is checked, and what was found.

import type { ChainEpoch } from './chain.ts'
import { doubleHash, word } from './hashes.ts'
import type { Fields, Kind, Line, Lines } from './lines.ts'

/** `line` counts from 1; Infinity for what the lines add up to. */
export type Finding = { line: number; where: string; problem: string }

/** What is checked, and what was found. */
export type Check = Lines & {
  /** Of lines that are not as they were recorded, whatever else is wrong. */
  damaged: Finding[]
  wrong: Finding[]
  /** Whether a line's fields hash to its leaf. */
  hash(kind: Kind, line: Line, words: readonly string[]): void
  say(kind: Kind | 'header', line: Line, ok: boolean, problem: string): void
  sum(where: string, ok: boolean, problem: string): void
  /** Calls with each readable line of a kind; reports unreadable ones. */
  each(kind: Kind, look: (fields: Fields, line: Line) => void): void
}

export function openCheck(lines: Lines): Check {
  const damaged: Finding[] = []
  const wrong: Finding[] = []
  const finding = (kind: Kind | 'header', line: Line, problem: string): Finding => ({
    line: line.number,
    where: kind === 'header' ? 'header (line 1)' : `${kind} ${line.place} (line ${line.number})`,
    problem,
  })
  return {
    ...lines,
    damaged,
    wrong,
    hash(kind, line, words) {
      const leaf = doubleHash(words)
      if (leaf !== line.fields?.['leaf'])
        damaged.push(finding(kind, line, `its fields hash to ${leaf}, not to its leaf ${line.fields?.['leaf']}`))
    },
    say(kind, line, ok, problem) {
      if (!ok) wrong.push(finding(kind, line, problem))
    },
    sum: (where, ok, problem) => {
      if (!ok) wrong.push({ line: Infinity, where, problem })
    },
    each(kind, look) {
      for (const line of lines.of[kind]) {
        if (line.fields === null) damaged.push(finding(kind, line, `is not a ${kind} line`))
        else look(line.fields, line)
      }
    },
  }
}

/** Reports lines that do not follow the one before them. */
export function ascends(
  kind: Kind,
  lines: readonly Line[],
  keyOf: (fields: Fields) => string,
  say: Check['say'],
): void {
  for (const [i, line] of lines.entries()) {
    const before = lines[i - 1]?.fields
    if (line.fields !== null && before)
      say(kind, line, keyOf(line.fields) > keyOf(before), 'is not above the one before it')
  }
}

/** The words that begin every leaf. */
export function domain({ chainId, ledger, epochId }: ChainEpoch): string[] {
  return [word(chainId), word(ledger), word(epochId)]
}

export function bytes(hash: string | undefined): string {
  return (hash ?? '').slice(2)
}
