// Limits the work of one person that is counted, over all sessions and
// epochs. Pure; the state between epochs is in the manifest.

import { LedgerError } from '../errors.ts'
import type { Hex } from '../hex.ts'
import { textHash, wordsHash } from './hash.ts'

/** Seconds of counted work by the clock's minute, minutes since 1970. */
export type Worked = ReadonlyMap<number, number>

/**
 * In any window of this many clock minutes, a person's counted work is at most this many
 * seconds. Any hour touches 61 of the clock's minutes, so that nobody is
 * paid for more than an hour of any hour, wherever it begins; the shorter
 * window bounds a burst.
 */
export const PACE_WINDOWS = [
  { minutes: 10, seconds: 600 },
  { minutes: 61, seconds: 3_600 },
] as const

/**
 * Minutes of work that the manifest keeps: a day. Older work, when it is recorded, counts in the oldest of
 * them.
 */
export const PACE_KEPT = 1_440

/**
 * Opens the state of everybody's pace, to which an epoch adds. `minute` is the
 * newest minute of anybody's work up to this epoch.
 */
export function openPace(before: ReadonlyMap<Hex, Worked>, minute: number): Pace {
  const oldest = minute - PACE_KEPT + 1
  const kept = new Map(
    [...before].map(([person, worked]) => [person, new Map([...worked].filter(([at]) => at >= oldest))]),
  )
  const added = new Map([...kept].map(([person, worked]) => [person, new Map(worked)]))
  return {
    add(person, at, seconds) {
      const worked = added.get(person) ?? new Map<number, number>()
      const counted = Math.max(at, oldest)
      if (!fits(worked, counted, seconds)) return false
      added.set(person, worked.set(counted, (worked.get(counted) ?? 0) + seconds))
      return true
    },
    lines: () =>
      [...added]
        .filter(([, worked]) => worked.size > 0)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([person, worked]) => ({
          person,
          before: minutesText(kept.get(person) ?? new Map()),
          worked: minutesText(worked),
        })),
  }
}

export type Pace = {
  /** Counts seconds of a person's work in a minute, all or nothing; false if they do not fit. */
  add(person: Hex, minute: number, seconds: number): boolean
  /** Everybody's, in ascending order. */
  lines(): { person: Hex; before: string; worked: string }[]
}

/** A person's pseudonym in pace lines, used in no other line. */
export function pacePerson(payee: Hex): Hex {
  return wordsHash([payee, PACE_TAG])
}

const PACE_TAG = textHash('attune:pace')

/** `29453210:60,29453211:6`, in ascending order of minutes. */
export function minutesText(worked: Worked): string {
  return [...worked]
    .sort(([a], [b]) => a - b)
    .map(([minute, seconds]) => `${minute}:${seconds}`)
    .join(',')
}

/** The inverse. Throws `bad-manifest`. */
export function minutesOf(text: string): Map<number, number> {
  const pairs = text === '' ? [] : text.split(',').map((pair) => pair.split(':').map(Number))
  return new Map(
    pairs.map(([minute, seconds]) => {
      if (
        minute === undefined ||
        seconds === undefined ||
        !Number.isSafeInteger(minute) ||
        !Number.isSafeInteger(seconds)
      ) {
        throw new LedgerError('bad-manifest', `minutes of work are minute:seconds, not ${text}`)
      }
      return [minute, seconds]
    }),
  )
}

/** Whether every window that contains the minute has room for these seconds. */
function fits(worked: Worked, minute: number, more: number): boolean {
  return PACE_WINDOWS.every(({ minutes, seconds }) => {
    let sum = more
    for (let at = minute - minutes + 1; at <= minute; at++) sum += worked.get(at) ?? 0
    for (let first = minute - minutes + 1; ; first++) {
      if (sum > seconds) return false
      if (first === minute) return true
      sum += (worked.get(first + minutes) ?? 0) - (worked.get(first) ?? 0)
    }
  })
}
