// Tallies an epoch's records: each by itself, then by its author's pace, then by
// their standing. Pure.

import type { Address, Hex } from '../hex.ts'
import type { Holder } from './balances.ts'
import { creditOf, whyNothing } from './credit.ts'
import type { NoCredit } from './reasons.ts'
import { type ContributionRecord, sessionKey } from './leaf.ts'
import type { Manifest } from './manifest.ts'
import { type Pace, minutesOf, openPace, pacePerson } from './pace.ts'
import { type Counted, type Standing, isQualified, releasedOf, standingPerson, standings } from './standing.ts'

/** The verdict on one record. */
export type Verdict = {
  credit: bigint
  /** Why a vote earned nothing; null if it earned, and for other kinds. */
  zero: NoCredit | null
  /** Its credit is held until its author has qualified. */
  held: boolean
}

export type Tally = {
  /** By record. */
  verdicts: ReadonlyMap<string, Verdict>
  standings: readonly Standing[]
  paces: ReturnType<Pace['lines']>
  /** The newest minute of anybody's work, minutes since 1970. */
  minute: number
  /** Credits that this epoch pays, by session and holder. */
  paid: ReadonlyMap<Hex, ReadonlyMap<Holder, bigint>>
}

/** The part of the previous epoch from which the tally continues. */
export type Tallied = Pick<Manifest, 'paces' | 'standings'> & { header: Pick<Manifest['header'], 'minute'> }

/** @param accounts known accounts, by payee */
export function tally(
  records: readonly ContributionRecord[],
  previous: Tallied | null,
  accounts: ReadonlyMap<Hex, Address>,
): Tally {
  const minute = records
    .filter(isPaced)
    .reduce((newest, record) => Math.max(newest, minuteOf(record)), previous?.header.minute ?? 0)
  const { sessionOf, personOf, paceOf } = names()
  const pace = openPace(
    new Map((previous?.paces ?? []).map(({ person, worked }) => [person, minutesOf(worked)])),
    minute,
  )
  const judged = records.toSorted(inTime).map((record) => ({
    record,
    session: sessionOf(record),
    person: personOf(record),
    ...judge(record, pace, paceOf(record)),
  }))
  const lines = standings(
    (previous?.standings ?? []).map((line) => ({
      ...line,
      counted: BigInt(line.counted),
      before: BigInt(line.before),
      held: BigInt(line.held),
    })),
    judged.flatMap(countedOf),
  )
  const qualified = new Set(lines.filter(isQualified).map(({ person }) => person))
  const holders = new Map(records.map((record) => [personOf(record), accounts.get(record.payee) ?? record.payee]))
  const paid = new Map<Hex, Map<Holder, bigint>>()
  const pay = (session: Hex, holder: Holder | undefined, credits: bigint): void => {
    if (credits === 0n || holder === undefined) return
    const inSession = paid.get(session) ?? new Map<Holder, bigint>()
    paid.set(session, inSession.set(holder, (inSession.get(holder) ?? 0n) + credits))
  }
  for (const line of lines) pay(line.session, holders.get(line.person), releasedOf(line))
  for (const { record, session, person, credit } of judged)
    if (record.kind !== 'feedback') pay(session, holders.get(person), credit)
  return {
    verdicts: new Map(
      judged.map(({ record, person, credit, zero }) => [
        record.recordId,
        { credit, zero, held: record.kind === 'feedback' && credit > 0n && !qualified.has(person) },
      ]),
    ),
    standings: lines,
    paces: pace.lines(),
    minute,
    paid,
  }
}

/** A record's credit by itself, and by its author's pace. */
function judge(record: ContributionRecord, pace: Pace, person: Hex): Pick<Verdict, 'credit' | 'zero'> {
  const zero = whyNothing(record)
  const credit = creditOf(record)
  if (credit === 0n || !isPaced(record)) return { credit, zero }
  const fits = pace.add(person, minuteOf(record), record.secondsPerAnswer)
  return fits ? { credit, zero } : { credit: 0n, zero: record.kind === 'feedback' ? 'pace' : null }
}

function countedOf({
  record,
  session,
  person,
  credit,
}: {
  record: ContributionRecord
  session: Hex
  person: Hex
  credit: bigint
}): Counted[] {
  if (!isPaced(record)) return []
  const { kind, secondsPerAnswer: seconds, comparable } = record
  return [
    { session, person, seconds, answers: credit > 0n ? 1 : 0, comparable, counted: kind === 'feedback' ? credit : 0n },
  ]
}

/** Whether it takes a person's time: voting, and deciding an appeal. */
function isPaced({ kind }: ContributionRecord): boolean {
  return kind === 'feedback' || kind === 'validation'
}

const minuteOf = ({ at }: ContributionRecord): number => Math.floor(at / 60)

/** Caches the hashes that records of one session, or of one person, share. */
function names() {
  const made = new Map<string, Hex>()
  const once = (key: string, make: () => Hex): Hex => {
    const known = made.get(key) ?? make()
    made.set(key, known)
    return known
  }
  const sessionOf = ({ sessionId }: ContributionRecord) => once(sessionId, () => sessionKey(sessionId))
  return {
    sessionOf,
    personOf: (record: ContributionRecord) =>
      once(`${record.payee} ${record.sessionId}`, () => standingPerson(record.payee, sessionOf(record))),
    paceOf: ({ payee }: ContributionRecord) => once(`pace ${payee}`, () => pacePerson(payee)),
  }
}

/** Earlier work first, whatever the order of the log. */
function inTime(a: ContributionRecord, b: ContributionRecord): number {
  return a.at === b.at ? (a.recordId < b.recordId ? -1 : 1) : a.at - b.at
}
