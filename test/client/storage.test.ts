import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { emptyBallot, type Ballot } from '../../client/src/room/ballot.ts'
import { forgetDesk, openDesk } from '../../client/src/room/desk.ts'
import { openOutbox } from '../../client/src/room/outbox.ts'
import { openStorage, type Store, type StorageTrouble } from '../../client/src/ui/storage.ts'

const inMemory = (): Store & { map: Map<string, string> } => {
  const map = new Map<string, string>()
  return {
    map,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  }
}
const fail = (name: string) => (): never => {
  throw Object.assign(new Error(name), { name })
}
const troubleOf = (storage: ReturnType<typeof openStorage>): StorageTrouble[] => {
  const told: StorageTrouble[] = []
  storage.onTrouble((trouble) => told.push(trouble))
  return told
}

describe('no state of a browser’s storage stops the page', () => {
  const denied: [string, () => Store | undefined][] = [
    ['its access is refused', fail('SecurityError')],
    ['there is none', () => undefined],
    [
      'each use is refused',
      () => ({ getItem: fail('SecurityError'), setItem: fail('SecurityError'), removeItem: fail('SecurityError') }),
    ],
  ]
  test.each(denied)('%s: what is kept is kept while the page is open, and the reader is told', (_, open) => {
    const storage = openStorage(open)
    expect(storage.getItem('a')).toBeNull()
    storage.setItem('a', '1')
    expect(storage.getItem('a')).toBe('1')
    storage.removeItem('a')
    expect(storage.getItem('a')).toBeNull()
    expect(troubleOf(storage)).toEqual(['refused'])
  })

  test('it is full: the new text stands before the old one, which comes back no more', () => {
    const browser = inMemory()
    const storage = openStorage(() => browser)
    storage.setItem('a', 'old')
    browser.setItem = fail('QuotaExceededError')
    storage.setItem('a', 'new')
    expect(storage.getItem('a')).toBe('new')
    expect(troubleOf(storage)).toEqual(['full'])
    storage.removeItem('a')
    expect(storage.getItem('a')).toBeNull()
    expect(browser.map.has('a')).toBe(false)
  })

  test('room again, it keeps again', () => {
    const browser = inMemory()
    const { setItem } = browser
    const storage = openStorage(() => browser)
    browser.setItem = fail('QuotaExceededError')
    storage.setItem('a', '1')
    browser.setItem = setItem
    storage.setItem('a', '2')
    expect(browser.map.get('a')).toBe('2')
  })

  test.each(['{', '', 'null', '[]', '{"n":"x"}', 'undefined', '\u0000'])(
    '%j is damaged: it is dropped, and the reader is told',
    (text) => {
      const browser = inMemory()
      browser.map.set('a', text)
      const storage = openStorage(() => browser)
      expect(storage.readJson('a', z.object({ n: z.number() }))).toBeNull()
      expect(browser.map.has('a')).toBe(false)
      expect(troubleOf(storage)).toEqual(['damaged'])
    },
  )

  test('a damaged outbox is an empty one, and takes the next vote', () => {
    const browser = inMemory()
    browser.map.set('attune.outbox.demo', '{"half":')
    const outbox = openOutbox(
      openStorage(() => browser),
      'demo',
    )
    expect(outbox.all()).toEqual([])
    const vote = {
      id: '9b2d5b0c-53d1-4d0e-8f3a-6a1f0f6f2c11',
      sessionId: 'demo',
      sampleId: '4be0643f-1d98-473b-97cd-ca98a65347dd',
      humanRating: 8,
    }
    outbox.add(vote)
    expect(outbox.all()).toHaveLength(1)
  })
})

describe('a half-written vote is kept', () => {
  const half: Ballot = { ...emptyBallot, rating: 7, tags: ['kind'], comment: 'I was in the middle of' }

  test('over a reload, for its answer, its session and its person alone', () => {
    const storage = openStorage(inMemory)
    const shared = inMemory()
    const open = (user: string, session: string) =>
      openDesk(
        openStorage(() => shared),
        user,
        session,
      )
    open('ann', 'demo').save('s1', half)
    expect(open('ann', 'demo').draft('s1')).toEqual(half)
    expect(open('ann', 'demo').draft('s2')).toBeNull()
    expect(open('ann', 'other').draft('s1')).toBeNull()
    expect(open('ben', 'demo').draft('s1')).toBeNull()
    expect(openDesk(storage, 'ann', 'demo').draft('s1')).toBeNull()
  })

  test('until it is sent, emptied, or its author signs out', () => {
    const storage = openStorage(
      (
        (shared) => () =>
          shared
      )(inMemory()),
    )
    const desk = openDesk(storage, 'ann', 'demo')
    desk.save('s1', half)
    desk.discard('s1')
    expect(desk.draft('s1')).toBeNull()
    desk.save('s1', half)
    desk.save('s1', emptyBallot)
    expect(desk.draft('s1')).toBeNull()
    desk.save('s1', half)
    desk.skip('s2')
    forgetDesk(storage, 'ann')
    expect([desk.draft('s1'), desk.skipped()]).toEqual([null, []])
  })

  test('and what was passed over stays passed over', () => {
    const shared = inMemory()
    const open = () =>
      openDesk(
        openStorage(() => shared),
        'ann',
        'demo',
      )
    open().skip('s1')
    open().skip('s2')
    open().skip('s1')
    expect(open().skipped()).toEqual(['s2', 's1'])
    open().unskip('s2')
    expect(open().skipped()).toEqual(['s1'])
  })

  test('within bounds: of number, of size, of age', () => {
    const shared = inMemory()
    let now = 1e12
    const desk = openDesk(
      openStorage(() => shared),
      'ann',
      'demo',
      () => now,
    )
    for (let i = 0; i < 70; i++) desk.save(`s${i}`, { ...half, comment: 'x'.repeat(2_000) })
    for (let i = 0; i < 500; i++) desk.skip(`s${i}`)
    const [text = ''] = shared.map.values()
    expect(text.length).toBeLessThan(200_000)
    expect(desk.draft('s69')).not.toBeNull()
    expect(desk.draft('s0')).toBeNull()
    expect(desk.skipped().length).toBeLessThan(500)
    now += 30 * 24 * 3_600_000
    expect(desk.draft('s69')).toBeNull()
    expect(desk.skipped()).toEqual([])
  })

  test.each(['7', '{"drafts":{}}', '{"drafts":[{"sampleId":1}],"skipped":[]}', '{"drafts":[],"skipped":[null]}'])(
    'a desk kept as %s is an empty one',
    (text) => {
      const shared = inMemory()
      shared.map.set('attune.desk.ann', text)
      const desk = openDesk(
        openStorage(() => shared),
        'ann',
        'demo',
      )
      expect(desk.draft('s1')).toBeNull()
      desk.save('s1', half)
      expect(desk.draft('s1')).toEqual(half)
    },
  )
})
