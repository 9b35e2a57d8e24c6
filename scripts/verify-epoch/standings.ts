// Which votes an epoch counts, which it holds back, and how much work of one person it counts.

import type { ChainEpoch } from './chain.ts'
import { type Check, ascends, bytes, domain } from './check.ts'
import { tag, word } from './hashes.ts'
import type { Fields, Lines } from './lines.ts'

const VOTE_CREDITS = 100n
const QUALIFYING_VOTES = 10
/** Consecutive minutes, and the maximum seconds of work in them. */
const WINDOWS = [
  [10, 600],
  [61, 3_600],
] as const
const KEPT_MINUTES = 1_440

/** Checks each standing against its rule; returns what all of them release, by session. */
export function checkStandings(
  { of, former, each, say, hash, sum: total }: Check,
  epoch: ChainEpoch,
): Map<string, bigint> {
  const released = new Map<string, bigint>()
  const counted = new Map<string, bigint>()
  const seconds = new Map<string, string>()
  if (former) total('standings', of.standing.length + of.pace.length === 0, 'there are none in the former format')
  each('standing', (f, line) => {
    const { session = '', comparable = '0', answers = '0' } = f
    const [before, fresh, held] = [BigInt(f['before'] ?? 0), BigInt(f['counted'] ?? 0), BigInt(f['held'] ?? 0)]
    hash('standing', line, [
      ...domain(epoch),
      tag('attune:standing'),
      bytes(session),
      bytes(f['person']),
      ...[f['seconds'], answers, comparable, f['counted'], f['before'], f['held']].map((value) => word(value ?? 0)),
    ])
    const due = Number(comparable) < QUALIFYING_VOTES ? before + fresh : 0n
    say(
      'standing',
      line,
      held === due,
      `holds ${held} credits, but with ${comparable} comparable votes it is to hold ${due}`,
    )
    say(
      'standing',
      line,
      Number(comparable) <= QUALIFYING_VOTES,
      `says ${comparable} comparable votes, but says no more than ${QUALIFYING_VOTES}`,
    )
    say('standing', line, fresh <= VOTE_CREDITS * BigInt(answers), `counts ${fresh} credits of ${answers} answers`)
    const usual = seconds.get(session) ?? f['seconds'] ?? ''
    say(
      'standing',
      line,
      answers === '0' || usual === f['seconds'],
      `counts an answer for ${f['seconds']} s, another line of its session for ${usual}`,
    )
    if (answers !== '0') seconds.set(session, usual)
    released.set(session, (released.get(session) ?? 0n) + before + fresh - held)
    counted.set(session, (counted.get(session) ?? 0n) + fresh)
  })
  ascends('standing', of.standing, ({ session, person }) => `${session}${person}`, say)
  if (former) return released
  const votes = new Map<string, bigint>()
  for (const { fields } of of.contribution) {
    const { session = '', kind, credit = '0' } = fields ?? {}
    if (kind === '1') votes.set(session, (votes.get(session) ?? 0n) + BigInt(credit))
  }
  for (const session of new Set([...votes.keys(), ...counted.keys()])) {
    const [credits, standing] = [votes.get(session) ?? 0n, counted.get(session) ?? 0n]
    total(
      `session ${session}`,
      credits === standing,
      `its votes have ${credits} credits, its standings count ${standing}`,
    )
  }
  return released
}

/** Nobody has worked more than there is time, and all of them together as much as the standings count. */
export function checkPaces({ of, each, say, hash, sum: total }: Check, epoch: ChainEpoch): void {
  let added = 0
  each('pace', (f, line) => {
    const { before = '', worked = '' } = f
    hash('pace', line, [...domain(epoch), tag('attune:pace'), bytes(f['person']), tag(before), tag(worked)])
    const [was, is] = [minutesOf(before), minutesOf(worked)]
    say('pace', line, [before, worked].every(inOrder), 'has minutes that are not in ascending order')
    say('pace', line, worked !== '', 'says nothing')
    say(
      'pace',
      line,
      [...was].every(([at, seconds]) => (is.get(at) ?? 0) >= seconds),
      'has less in a minute than before',
    )
    for (const [at, seconds] of is) added += seconds - (was.get(at) ?? 0)
    for (const [minutes, most] of WINDOWS) {
      const over = firstOver(was, is, minutes, most)
      say('pace', line, over === null, `works more than ${most} s in the ${minutes} minutes from ${over}`)
    }
  })
  ascends('pace', of.pace, ({ person }) => person ?? '', say)
  const due = of.standing.reduce(
    (all, { fields }) => all + Number(fields?.['answers'] ?? 0) * Number(fields?.['seconds'] ?? 0),
    0,
  )
  total('paces', added === due, `${added} s of work were added, but the standings count ${due}`)
}

/**
 * Everybody's work is of the last day up to the header's minute, which is no older than any of it. Votes that count
 * nothing make it newer and are in no pace, so that it follows from these only so far.
 */
export function checkMinutes({ header, of, each, say }: Check): void {
  if (header.fields === null) return
  const newest = Number(header.fields['minute'] ?? 0)
  const minutesIn = ({ before = '', worked = '' }: Fields) => [...minutesOf(before).keys(), ...minutesOf(worked).keys()]
  const last = of.pace
    .flatMap(({ fields }) => (fields === null ? [] : minutesIn(fields)))
    .reduce((a, b) => Math.max(a, b), 0)
  say('header', header, newest >= last, `says that the newest minute is ${newest}, but somebody worked in ${last}`)
  each('pace', (f, line) => {
    const within = minutesIn(f).every((at) => at <= newest && at > newest - KEPT_MINUTES)
    say('pace', line, within, `has a minute that is not of the day up to minute ${newest}`)
  })
}

/** Standings and paces continue from where the epoch before left them. */
export function goesOn({ header, former, each, say, sum: total }: Check, previous: Lines): void {
  if (former) return
  const held = new Map(
    previous.of.standing.flatMap(({ fields }) =>
      fields === null || fields['held'] === '0' ? [] : [[`${fields['session']}${fields['person']}`, fields]],
    ),
  )
  each('standing', ({ session, person, before, comparable }, line) => {
    const was = held.get(`${session}${person}`)
    held.delete(`${session}${person}`)
    say(
      'standing',
      line,
      before === (was?.['held'] ?? '0'),
      `says ${before} held before, the epoch before ends with ${was?.['held'] ?? '0'}`,
    )
    say(
      'standing',
      line,
      Number(comparable) >= Number(was?.['comparable'] ?? 0),
      'has fewer comparable votes than in the epoch before',
    )
  })
  for (const [key, { held: credits }] of held)
    total(`standing of ${key.slice(66)}`, false, `${credits} credits that the epoch before held have gone`)
  const newest = Number(header.fields?.['minute'] ?? 0)
  say(
    'header',
    header,
    newest >= Number(previous.header.fields?.['minute'] ?? 0),
    'has an older newest minute than the epoch before',
  )
  const kept = new Map(
    previous.of.pace.flatMap(({ fields }) =>
      fields === null ? [] : [[fields['person'] ?? '', keptOf(fields, newest)]],
    ),
  )
  each('pace', ({ person = '', before }, line) => {
    const was = kept.get(person) ?? ''
    kept.delete(person)
    say('pace', line, before === was, `says ${before || 'no work'} before, the epoch before ends with ${was || 'none'}`)
  })
  for (const [person, worked] of kept)
    total(`pace of ${person}`, worked === '', `the minutes ${worked} of the epoch before have gone`)
}

/** The part of a person's minutes that is still within the last day. */
function keptOf({ worked = '' }: Fields, newest: number): string {
  return worked
    .split(',')
    .filter((pair) => Number(pair.split(':')[0]) > newest - KEPT_MINUTES && pair !== '')
    .join(',')
}

/** The first window in which something was added, and that exceeds its limit; null for none. */
function firstOver(
  was: ReadonlyMap<number, number>,
  is: ReadonlyMap<number, number>,
  minutes: number,
  most: number,
): number | null {
  for (const [at, seconds] of is) {
    if (seconds === (was.get(at) ?? 0)) continue
    for (let first = at - minutes + 1; first <= at; first++) {
      let sum = 0
      for (let minute = first; minute < first + minutes; minute++) sum += is.get(minute) ?? 0
      if (sum > most) return first
    }
  }
  return null
}

function minutesOf(text: string): Map<number, number> {
  const found = new Map<number, number>()
  for (const pair of text === '' ? [] : text.split(',')) {
    const [minute, seconds] = pair.split(':')
    found.set(Number(minute), Number(seconds))
  }
  return found
}

function inOrder(text: string): boolean {
  const minutes = text === '' ? [] : text.split(',').map((pair) => Number(pair.split(':')[0]))
  return minutes.every((minute, i) => i === 0 || minute > (minutes[i - 1] ?? 0))
}
