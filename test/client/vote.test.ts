import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits, Vote, type Sample } from '../../core/protocol/index.ts'
import { quality, compassion, EQUAL_SIDES } from '../../core/votes/value.ts'
import {
  ballotOf,
  compassionOf,
  contentOf,
  emptyBallot,
  isEmpty,
  missingSides,
  ratedCompassion,
  type Ballot,
} from '../../client/src/room/ballot.ts'
import { shortcutOf, type Key } from '../../client/src/room/keys.ts'
import { openOutbox } from '../../client/src/room/outbox.ts'
import { awaiting, nextSample, onTheTable } from '../../client/src/room/queue.ts'
import { answerTo, refusalOf, waitOf } from '../../client/src/ui/retry.ts'
import { outgoing, withdrawableFor, type SentVote } from '../../client/src/room/sent.ts'
import { sentence } from '../../client/src/ui/sentence.ts'
import { openTimers } from '../../client/src/ui/timers.ts'

const ids = {
  vote: '9b2d5b0c-53d1-4d0e-8f3a-6a1f0f6f2c11',
  a: '4be0643f-1d98-473b-97cd-ca98a65347dd',
  b: '1c6f8a0e-7d3b-4f5a-9c2e-0b1a2c3d4e5f',
  c: '0e9f2f6e-9a07-4c0b-8a34-5a4c3b2d1e0f',
}
const vote = { id: ids.vote, sessionId: 'demo', sampleId: ids.a, humanRating: 8 }

describe('ballot', () => {
  test('what is sent is a vote that the protocol accepts', () => {
    const score = fc.integer({ min: 1, max: 10 })
    const side = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(
        fc.record({
          rating: score,
          categories: fc.dictionary(fc.constantFrom('helpfulness', 'clarity'), score),
          compassion: fc.option(side),
          sides: fc.option(fc.record({ agency: side, capability: side, suffering: side }, { requiredKeys: [] })),
          tags: fc.uniqueArray(fc.constantFrom('kind', 'cold', 'clear')),
          comment: fc.string({ maxLength: limits.commentChars }),
        }),
        (ballot) => Vote.safeParse({ ...vote, ...contentOf(ballot) }).success,
      ),
    )
  })

  test('without a rating there is no vote', () => {
    expect(contentOf({ ...emptyBallot, compassion: 1, comment: 'good' })).toBeNull()
  })

  test('a category left alone is worth what the rating is worth', () => {
    expect(quality(8, [])).toBeCloseTo(quality(8, [{ name: 'helpfulness', score: 8, weight: 1 }]), 12)
  })

  test('a compassion dial that nobody touched is not sent, and 0.5 is where somebody set it there', () => {
    expect(contentOf({ ...emptyBallot, rating: 10 })).toEqual({ humanRating: 10, categories: [], tags: [] })
    expect(contentOf({ ...emptyBallot, rating: 10, compassion: 0.5 })).toMatchObject({ compassionRating: 0.5 })
  })

  test('three sides are sent all or none: what was not set is never filled in', () => {
    const sides = { agency: 0.9, capability: 0.6, suffering: 0.2 }
    const some: Ballot = { ...emptyBallot, rating: 7, sides: { agency: 0.9 } }
    expect([missingSides(emptyBallot), missingSides(some), missingSides({ ...some, sides })]).toEqual([0, 2, 0])
    expect(contentOf(some)).toEqual({ humanRating: 7, categories: [], tags: [] })
    expect(ratedCompassion({ ...some, compassion: 0.3 })).toBe(0.3)
    expect(contentOf({ ...some, sides })).toMatchObject({ compassion: sides, compassionRating: 0.7667 })
    expect(Vote.safeParse({ ...vote, compassion: { agency: 0.9 } }).success).toBe(false)
  })

  test('the three sides show the compassion that the server will compute', () => {
    const sides = { agency: 0.9, capability: 0.6, suffering: 0.2 }
    expect(compassionOf(sides)).toBeCloseTo(compassion(sides, EQUAL_SIDES), 12)
  })
})

describe('V2: a vote keeps its id until it is acknowledged', () => {
  const store = () => {
    const map = new Map<string, string>()
    return {
      getItem: (key: string) => map.get(key) ?? null,
      setItem: (key: string, value: string) => void map.set(key, value),
      removeItem: (key: string) => void map.delete(key),
    }
  }

  test('it outlives a reload, and is gone once it is acknowledged', () => {
    const storage = store()
    openOutbox(storage, 'demo').add(vote)
    const reloaded = openOutbox(storage, 'demo')
    expect(reloaded.all()).toEqual([vote])
    reloaded.remove(vote.id)
    expect(openOutbox(storage, 'demo').all()).toEqual([])
  })

  test('added twice it is there once; another session does not see it (V4)', () => {
    const storage = store()
    const outbox = openOutbox(storage, 'demo')
    outbox.add(vote)
    outbox.add(vote)
    expect(outbox.all()).toHaveLength(1)
    expect(openOutbox(storage, 'other').all()).toEqual([])
  })
})

describe('V5: ten seconds to withdraw', () => {
  const stored: SentVote = { ...outgoing(vote), state: 'stored', storedAt: 1_000, value: 0.7, late: false }

  test('the countdown runs from the acknowledgement and ends before the server’s', () => {
    expect(withdrawableFor(stored, 1_000, limits.withdrawMs)).toBeLessThan(limits.withdrawMs)
    expect(withdrawableFor(stored, 6_000, limits.withdrawMs)).toBeGreaterThan(0)
    expect(withdrawableFor(stored, 11_000, limits.withdrawMs)).toBe(0)
  })

  test('a vote that waits can be withdrawn, one that was withdrawn can’t be again', () => {
    expect(withdrawableFor(outgoing(vote), 1e12, limits.withdrawMs)).toBeGreaterThan(0)
    expect(withdrawableFor({ ...outgoing(vote), state: 'withdrawn' }, 0, limits.withdrawMs)).toBe(0)
  })
})

describe('the queue', () => {
  const sample = (id: string, step: number, status: Sample['status']): Sample => ({
    id,
    sessionId: 'demo',
    step,
    origin: 'rollout',
    prompt: 'p',
    response: 'r',
    policyVersion: step,
    status,
    crowd: null,
    mine: null,
    timestamp: '2026-01-01T00:00:00.000Z',
  })

  const rater = (...done: string[]) => ({ done: new Set(done), asked: new Set<string>() })

  test('the newest step comes first, and in it the answer with the fewest votes', () => {
    const samples = [sample(ids.a, 1, 'open'), sample(ids.b, 2, 'open'), sample(ids.c, 2, 'open')]
    expect(awaiting(samples, { [ids.b]: 3, [ids.c]: 1 }, rater()).map((s) => s.id)).toEqual([ids.c, ids.b, ids.a])
  })

  test('the answer to one’s own question comes before all', () => {
    const samples = [{ ...sample(ids.a, 1, 'open'), origin: 'ask' as const }, sample(ids.b, 2, 'open')]
    expect(nextSample(samples, {}, { done: new Set(), asked: new Set([ids.a]) })?.id).toBe(ids.a)
  })

  test('what was voted on or skipped is not offered again', () => {
    const samples = [
      sample(ids.a, 1, 'open'),
      { ...sample(ids.b, 1, 'open'), mine: { feedbackId: ids.vote, humanRating: 8, compassionRating: 1 } },
    ]
    expect(nextSample(samples, {}, rater(ids.a))).toBeNull()
  })

  test('with nothing open the answer being written is shown', () => {
    expect(nextSample([sample(ids.a, 1, 'closed'), sample(ids.b, 2, 'streaming')], {}, rater())?.id).toBe(ids.b)
  })

  test('on the table are the answers that are open, of whatever step, and the one that is being read', () => {
    const samples = [sample(ids.a, 1, 'open'), sample(ids.b, 1, 'closed'), sample(ids.c, 2, 'closed')]
    expect(onTheTable(samples, null).map((s) => s.id)).toEqual([ids.a])
    expect(onTheTable(samples, ids.c).map((s) => s.id)).toEqual([ids.a, ids.c])
  })
})

describe('the keyboard', () => {
  const key = (name: string, more: Partial<Key> = {}): Key => ({
    key: name,
    code: '',
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    shiftKey: false,
    repeat: false,
    isComposing: false,
    ...more,
  })

  test('digits rate, 0 is ten', () => {
    expect(shortcutOf(key('7'), 'page')).toEqual({ do: 'rate', rating: 7 })
    expect(shortcutOf(key('0'), 'control')).toEqual({ do: 'rate', rating: 10 })
  })

  test('Enter submits, S skips, Z takes back', () => {
    expect(['Enter', 's', 'Z'].map((name) => shortcutOf(key(name), 'page')?.do)).toEqual(['submit', 'skip', 'undo'])
  })

  test('the arrows rate compassion, and Backspace or Delete leave it unrated again', () => {
    expect(['ArrowLeft', 'ArrowRight'].map((name) => shortcutOf(key(name), 'page'))).toEqual([
      { do: 'compassion', by: -1 },
      { do: 'compassion', by: 1 },
    ])
    for (const name of ['Backspace', 'Delete']) {
      expect([shortcutOf(key(name), 'page'), shortcutOf(key(name), 'control')]).toEqual(
        Array(2).fill({ do: 'clear-compassion' }),
      )
      expect(shortcutOf(key(name), 'typing')).toBeNull()
    }
  })

  test('no key acts while a comment is being written, but Ctrl+Enter', () => {
    expect(['7', '0', 's', 'z', 'Enter', 'ArrowLeft'].map((name) => shortcutOf(key(name), 'typing'))).toEqual(
      Array(6).fill(null),
    )
    expect(shortcutOf(key('Enter', { ctrlKey: true }), 'typing')).toEqual({ do: 'submit' })
  })

  test('switched off, no single key acts, and Ctrl+Enter still sends', () => {
    const names = ['7', 's', 'z', 'Enter', 'Backspace', 'ArrowLeft']
    expect(names.map((name) => shortcutOf(key(name), 'page', false))).toEqual(names.map(() => null))
    expect(shortcutOf(key('Enter', { ctrlKey: true }), 'page', false)).toEqual({ do: 'submit' })
  })

  test('Enter on a button is the button’s, the arrows on a slider are the slider’s', () => {
    expect(shortcutOf(key('Enter'), 'control')).toBeNull()
    expect(shortcutOf(key('ArrowRight'), 'control')).toBeNull()
  })

  test('a key that is held down submits once; with a modifier it is the browser’s', () => {
    expect(shortcutOf(key('Enter', { repeat: true }), 'page')).toBeNull()
    expect(shortcutOf(key('s', { ctrlKey: true }), 'page')).toBeNull()
  })

  const typed = (name: string, code: string, more: Partial<Key> = {}) =>
    shortcutOf(key(name, { code, ...more }), 'page')

  test('on a French keyboard the row of digits rates without Shift, and with it', () => {
    const row = ['à', '&', 'é', '"', "'", '(', '-', 'è', '_', 'ç']
    row.forEach((name, digit) =>
      expect(typed(name, `Digit${digit}`), name).toEqual({ do: 'rate', rating: digit || 10 }),
    )
    expect(typed('7', 'Digit7', { shiftKey: true })).toEqual({ do: 'rate', rating: 7 })
    // The keys that say A and Z there lie where Q and W are elsewhere: what is printed counts.
    expect(typed('z', 'KeyW')).toEqual({ do: 'undo' })
    expect(typed('w', 'KeyZ')).toBeNull()
  })

  test('S and Z lie where they lie on Cyrillic, Arabic, Greek and Hebrew keyboards', () => {
    for (const [skip, undo] of [
      ['ы', 'я'],
      ['س', 'ئ'],
      ['σ', 'ζ'],
      ['ד', 'ז'],
      ['ㄴ', 'ㅋ'],
    ] as const) {
      expect(typed(skip, 'KeyS'), skip).toEqual({ do: 'skip' })
      expect(typed(undo, 'KeyZ'), undo).toEqual({ do: 'undo' })
    }
    expect(typed('ё', 'Backquote')).toBeNull()
  })

  test('on Latin layouts the letter counts, not its place (QWERTZ, Dvorak)', () => {
    expect(typed('z', 'KeyY')).toEqual({ do: 'undo' })
    expect(typed('y', 'KeyZ')).toBeNull()
    expect(typed('s', 'Semicolon')).toEqual({ do: 'skip' })
    expect(typed('o', 'KeyS')).toBeNull()
  })

  test('digits of every script rate, and those of the block of digits while they are digits', () => {
    for (const digits of ['٠١٢٣٤٥٦٧٨٩', '۰۱۲۳۴۵۶۷۸۹', '०१२३४५६७८९']) {
      ;[...digits].forEach((name, digit) =>
        expect(typed(name, `Digit${digit}`), name).toEqual({ do: 'rate', rating: digit || 10 }),
      )
    }
    expect(typed('4', 'Numpad4')).toEqual({ do: 'rate', rating: 4 })
    expect(typed('ArrowLeft', 'Numpad4')).toEqual({ do: 'compassion', by: -1 })
    expect(typed('End', 'Numpad1')).toBeNull()
  })

  test('what is written with Shift or AltGr is no digit and no letter', () => {
    expect(typed('!', 'Digit1', { shiftKey: true })).toBeNull()
    expect(typed('ß', 'KeyS', { getModifierState: (name) => name === 'AltGraph' })).toBeNull()
    expect(typed('@', 'Digit2', { ctrlKey: true, altKey: true })).toBeNull()
  })

  test('no key acts while a character is composed, has been used already, or is held down', () => {
    expect(typed('7', 'Digit7', { isComposing: true })).toBeNull()
    expect(typed('Process', 'Digit7', { keyCode: 229 })).toBeNull()
    expect(typed('Dead', 'Digit6')).toBeNull()
    expect(typed('s', 'KeyS', { defaultPrevented: true })).toBeNull()
    expect(['7', 's', 'z'].map((name) => typed(name, '', { repeat: true }))).toEqual([null, null, null])
  })

  test('a named key is no letter, wherever it lies', () => {
    expect(typed('Escape', 'KeyS')).toBeNull()
    expect(typed('Unidentified', 'KeyS')).toEqual({ do: 'skip' })
  })
})

describe('after the server has closed or refused a connection', () => {
  test('waits grow, are spread over a crowd, and end at a minute', () => {
    const waits = Array.from({ length: 12 }, (_, n) => waitOf(n, { code: 'unavailable' }, 0.5))
    expect(waits).toEqual([...waits].sort((a, b) => a - b))
    expect(waits[0]).toBeGreaterThan(0)
    expect(waits.at(-1)).toBe(60_000)
    expect(waitOf(3, { code: 'unavailable' }, 0.99)).toBeGreaterThan(waitOf(3, { code: 'unavailable' }, 0))
  })

  test('the server’s own word of when is kept, and a crowd is not made bigger', () => {
    expect(waitOf(0, { code: 'unavailable', retryAfter: 40 }, 0)).toBe(40_000)
    expect(waitOf(0, { code: 'too-frequent' }, 0)).toBeGreaterThanOrEqual(15_000)
  })

  test('a refusal that stays is not tried again: sign-in once, exclusion never', () => {
    expect(answerTo({ code: 'unauthenticated' }, false)).toBe('renew')
    expect(answerTo({ code: 'unauthenticated' }, true)).toBe('stop')
    expect(answerTo({ code: 'forbidden' }, false)).toBe('stop')
    expect(answerTo({ code: 'too-frequent' }, true)).toBe('wait')
  })

  test('the reason is read from the handshake’s error, whatever it looks like', () => {
    expect(
      refusalOf(
        Object.assign(new Error('no'), { data: { code: 'forbidden', message: 'you are excluded', retryAfter: 3 } }),
      ),
    ).toEqual({ code: 'forbidden', message: 'you are excluded', retryAfter: 3 })
    for (const odd of [
      new Error('xhr poll error'),
      'gone',
      null,
      { data: 7 },
      Object.assign(new Error('x'), { data: { code: 'nonsense' } }),
    ]) {
      expect(refusalOf(odd)).toMatchObject({ code: 'unavailable' })
    }
  })

  test('what the server says is said as a sentence', () => {
    expect(['the session is paused', 'Done.', ' no such vote ', ''].map(sentence)).toEqual([
      'The session is paused.',
      'Done.',
      'No such vote.',
      'The server gave no reason.',
    ])
  })
})

test('a refused vote goes back to its card as it was filled in', () => {
  const ballot: Ballot = {
    rating: 7,
    categories: { helpfulness: 4 },
    compassion: 0.8,
    sides: null,
    tags: ['kind'],
    comment: 'because',
  }
  expect(ballotOf({ ...vote, ...(contentOf(ballot) ?? { humanRating: 1 }) })).toEqual(ballot)
  const sided: Ballot = { ...ballot, compassion: null, sides: { agency: 0.1, capability: 0.2, suffering: 0.3 } }
  expect(ballotOf({ ...vote, ...(contentOf(sided) ?? { humanRating: 1 }) })).toEqual(sided)
  expect(isEmpty({ ...emptyBallot, comment: '  ' })).toBe(true)
})

test('nothing that was put off happens after the end', async () => {
  const timers = openTimers()
  const happened: string[] = []
  timers.later(0, () => happened.push('before'))
  const giveUp = timers.later(0, () => happened.push('given up'))
  giveUp()
  await new Promise((resolve) => setTimeout(resolve, 5))
  timers.later(0, () => happened.push('after'))
  timers.close()
  timers.later(0, () => happened.push('later'))
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(happened).toEqual(['before'])
})
