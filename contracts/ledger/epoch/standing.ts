// Who is paid yet: credits of votes are held until their author has qualified
// in the session, and then paid, those of before with them. Pure; what is held
// between epochs is in the manifest.

import type { Hex } from '../hex.ts'
import { wordsHash } from './hash.ts'

/**
 * So many votes of a person in a session must have been comparable with
 * others' before any of their votes there is paid. It is by session: who
 * qualifies in a session of their own has gained nothing elsewhere.
 */
export const QUALIFYING_VOTES = 10

/** A person's credits in one session, in one epoch. */
export type Standing = {
  /** keccak-256 of the session's id. */
  session: Hex
  person: Hex
  /** The session's: what pace.ts counts an answer for. */
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

/** What an epoch has counted of a person in a session. */
export type Counted = Pick<Standing, 'session' | 'person' | 'seconds' | 'answers' | 'comparable' | 'counted'>

/**
 * Everybody's standing after an epoch, in ascending order of session and person; without those of whom there is nothing
 * to say.
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

/** What an epoch pays of it. */
export const releasedOf = ({ before, counted, held }: Pick<Standing, 'before' | 'counted' | 'held'>): bigint =>
  before + counted - held

export const isQualified = ({ comparable }: Pick<Standing, 'comparable'>): boolean => comparable >= QUALIFYING_VOTES

/** Who it is in a session's standings: a number that no other session's has. */
export function standingPerson(payee: Hex, session: Hex): Hex {
  return wordsHash([payee, session])
}
