// Qualification: credits of votes are held until their author has qualified in the session,
// and are then paid, including earlier ones. Pure; the held credits between epochs are in the manifest.

import type { Hex } from '../hex.ts'
import { wordsHash } from './hash.ts'

/**
 * A person needs this many comparable votes in a session before any of their
 * votes there is paid. It is per session: qualifying in a session of one's own gains nothing elsewhere.
 */
export const QUALIFYING_VOTES = 10

/** A person's credits in one session, in one epoch. */
export type Standing = {
  /** keccak-256 of the session's id. */
  session: Hex
  person: Hex
  /** The session's time per answer, for pace.ts. */
  seconds: number
  /** Counted pieces of work: votes, corrections and validations. */
  answers: number
  /** Their comparable votes in the session, up to QUALIFYING_VOTES. */
  comparable: number
  /** Credits of votes: counted in this epoch, held from before, and held after it. */
  counted: bigint
  before: bigint
  held: bigint
}

/** The counted work of a person in a session, in one epoch. */
export type Counted = Pick<Standing, 'session' | 'person' | 'seconds' | 'answers' | 'comparable' | 'counted'>

/**
 * Everybody's standing after an epoch, in ascending order of session and person; without empty
 * ones.
 */
export function standings(before: readonly Standing[], counted: readonly Counted[]): Standing[] {
  const lines = new Map<string, Standing>()
  for (const { session, person, seconds, comparable, held } of before) {
    if (held > 0n)
      lines.set(session + person, { session, person, seconds, answers: 0, comparable, counted: 0n, before: held, held })
  }
  for (const { session, person, seconds, answers, comparable, counted: credits } of counted) {
    const line = lines.get(session + person) ?? {
      session,
      person,
      seconds,
      answers: 0,
      comparable: 0,
      counted: 0n,
      before: 0n,
      held: 0n,
    }
    const known = Math.min(QUALIFYING_VOTES, Math.max(line.comparable, comparable))
    const sum = line.counted + credits
    lines.set(session + person, { ...line, seconds, answers: line.answers + answers, comparable: known, counted: sum })
  }
  return [...lines]
    .map(([key, line]) => [key, { ...line, held: isQualified(line) ? 0n : line.before + line.counted }] as const)
    .filter(([, { answers, counted: credits, before: held }]) => answers > 0 || credits > 0n || held > 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, line]) => line)
}

/** The credits that an epoch pays out. */
export const releasedOf = ({ before, counted, held }: Pick<Standing, 'before' | 'counted' | 'held'>): bigint =>
  before + counted - held

export const isQualified = ({ comparable }: Pick<Standing, 'comparable'>): boolean => comparable >= QUALIFYING_VOTES

/** A person's pseudonym in a session's standings, different in every session. */
export function standingPerson(payee: Hex, session: Hex): Hex {
  return wordsHash([payee, session])
}
