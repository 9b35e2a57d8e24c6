import { describe, expect, it } from 'vitest'
import { creditOf, whyNothing } from '../../contracts/ledger/epoch/credit.ts'
import { type ContributionRecord } from '../../contracts/ledger/epoch/leaf.ts'
import { noCreditReasons } from '../../contracts/ledger/epoch/reasons.ts'
import { GOOD_VOTE } from '../helpers/ledger.ts'

describe('credits', () => {
  const of = (
    kind: ContributionRecord['kind'],
    payload: ContributionRecord['payload'],
    usedInStep: number | null = null,
  ) => creditOf({ kind, payload, usedInStep })

  it('are those of the table', () => {
    expect(of('feedback', GOOD_VOTE, 12)).toBe(100n)
    expect(of('feedback', { ...GOOD_VOTE, corrects: 'a vote', credit: 60 })).toBe(60n)
    expect(of('compute', { milliHours: 1_500, qualityBps: 8_000 })).toBe(120n)
    expect(of('training', { milliHours: 1, qualityBps: 10_000 })).toBe(0n)
    expect(of('validation', { qualityBps: 9_999 })).toBe(99n)
  })

  it('are none for a vote on a text or a closed answer, of no weight, that no update used or that changed nothing; and each has its reason', () => {
    const why = (more: ContributionRecord['payload'], usedInStep: number | null = 12) => {
      const record = { kind: 'feedback' as const, payload: { ...GOOD_VOTE, ...more }, usedInStep }
      expect(creditOf(record)).toBe(0n)
      return whyNothing(record)
    }
    expect(why({ produced: false })).toBe('text')
    expect(why({ late: true })).toBe('closed')
    expect(why({ weight: null, reliability: null, updated: null }, null)).toBe('unused')
    expect(why({ weight: 0 })).toBe('no-weight')
    expect(why({ reliability: 0 })).toBe('no-weight')
    expect(why({ updated: false })).toBe('no-change')
    // An appeal makes neither a text an answer nor a late vote an early one.
    expect(why({ corrects: 'a vote', credit: 100, produced: false })).toBe('text')
    expect(why({ corrects: 'a vote', credit: 100, late: true })).toBe('closed')
    expect(whyNothing({ kind: 'validation', payload: {}, usedInStep: null })).toBeNull()
  })

  it('C6: pay follows use: at weight 0 nothing, at any weight above 0 the whole, and an upheld appeal makes up for it', () => {
    const earns = (weight: number) => of('feedback', { ...GOOD_VOTE, weight }, 12)
    expect([0, Number.MIN_VALUE, 0.002, 1].map(earns)).toEqual([0n, 100n, 100n, 100n])
    expect(noCreditReasons['no-weight'].appealable).toBe(true)
    expect(of('feedback', { ...GOOD_VOTE, weight: 0, corrects: 'a vote', credit: 100 })).toBe(100n)
  })

  it('are refused, not guessed, where a measure is missing or out of range', () => {
    const bad: ContributionRecord['payload'][] = [
      {},
      { milliHours: 1 },
      { milliHours: -1, qualityBps: 1 },
      { milliHours: 1, qualityBps: 10_001 },
      { milliHours: 0.5, qualityBps: 1 },
    ]
    for (const payload of bad) {
      expect(() => of('compute', payload)).toThrow(expect.objectContaining({ code: 'bad-record' }))
    }
    for (const name of Object.keys(GOOD_VOTE)) {
      expect(() => of('feedback', { ...GOOD_VOTE, [name]: null }, 12), name).toThrow(
        expect.objectContaining({ code: 'bad-record' }),
      )
    }
  })
})
