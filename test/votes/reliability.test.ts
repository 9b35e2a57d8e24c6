import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RatedSample } from '../../core/votes/comparisons.ts'
import { smoothed } from '../../core/votes/factor.ts'
import { HISTORY_MOST, reliabilities, RELIABILITY_PRIOR, standingsOf } from '../../core/votes/reliability.ts'

const part = fc.double({ min: 0, max: 1, noNaN: true })
const truth = (sample: number) => ((sample * 7919) % 101) / 100

/** Each rater's way of voting, on the same samples. */
function cast(raters: Record<string, (t: number, sample: number) => number>, samples: number): RatedSample[] {
  return Array.from({ length: samples }, (_, s) => s).flatMap((s) =>
    Object.entries(raters).map(([raterId, vote]) => ({ raterId, sampleId: `s${s}`, value: vote(truth(s), s) })),
  )
}
/** A fixed jitter in [-size, size]. */
const jitter = (key: number, size: number) => (Math.abs(Math.sin(key * 12.9898) * 43758.5453) % 1) * 2 * size - size
const clamp = (x: number) => Math.min(1, Math.max(0, x))
const honest = (key: number) => (t: number, s: number) => clamp(t + jitter(key * 1000 + s, 0.15))
const many = (name: string, count: number, vote: (key: number) => (t: number, s: number) => number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name}${i}`, vote(i + name.length * 100)]))

describe('reliability', () => {
  it('is the prior for a new rater and for one whom nobody can be compared with', () => {
    const rho = reliabilities([{ raterId: 'a', sampleId: 's', value: 0.9 }])
    expect(rho.get('a')).toBe(RELIABILITY_PRIOR.value)
    expect(standingsOf([]).of('nobody')).toMatchObject({ reliability: 0.6, comparable: 0, known: false })
  })

  it('in the worked example: C 0.8 from 12 comparisons gives (8·0.6 + 12·0.8) / 20 = 0.72', () => {
    expect(smoothed(0.8, 12, RELIABILITY_PRIOR)).toBeCloseTo(0.72, 12)
  })

  it('falls to 0 for a rater who inverts, towards 0 for one who votes at random or always the same', () => {
    const rho = reliabilities(
      cast(
        {
          ...many('honest', 3, honest),
          inverts: (t) => 1 - t,
          random: (_, s) => Math.abs(jitter(s + 77, 1)),
          same: () => 0.5,
        },
        40,
      ),
    )
    for (const id of ['honest0', 'honest1', 'honest2']) expect(rho.get(id)).toBeGreaterThan(0.75)
    expect(rho.get('inverts')).toBe(0)
    expect(rho.get('random')).toBeLessThan(0.35)
    expect(rho.get('same')).toBeLessThan(0.2)
  })

  it('asks what a rater sees, not how they use the scale: who is strict, or gives only 4 to 7, is as reliable', () => {
    const votes = cast(
      {
        ...many('honest', 5, honest),
        strict: (t, s) => clamp(0.7 * honest(31)(t, s) - 0.05),
        narrow: (t, s) => 0.35 + 0.3 * honest(32)(t, s),
      },
      60,
    )
    const { of, votes: read } = standingsOf(votes)
    for (const id of ['strict', 'narrow']) expect(of(id).reliability).toBeGreaterThan(0.85)
    // What trains has their slope and offset taken out.
    const errors = votes.flatMap((vote, i) => {
      const { scale, shift } = read[i]!.own
      return vote.raterId === 'narrow'
        ? [Math.abs(scale * vote.value + shift - truth(Number(vote.sampleId.slice(1))))]
        : []
    })
    expect(errors.reduce((a, b) => a + b, 0) / errors.length).toBeLessThan(0.13)
  })

  it('tells 8 honest raters from 4 adversaries', () => {
    const rho = reliabilities(
      cast({ ...many('honest', 8, honest), ...many('adversary', 4, (key) => (t, s) => 1 - honest(key)(t, s)) }, 30),
    )
    const standings = standingsOf(
      cast({ ...many('honest', 8, honest), ...many('adversary', 4, (key) => (t, s) => 1 - honest(key)(t, s)) }, 30),
    )
    for (const [id, r] of rho) {
      if (id.startsWith('honest')) expect(r).toBeGreaterThan(0.7)
      // Four who agree with each other and oppose the others are a taste that is named.
      else expect(standings.of(id)).toMatchObject({ opposes: true })
    }
  })

  it('lies in [0, 1] whatever is cast, and depends neither on ids nor on the run of the program', () => {
    const vote = fc.record({
      raterId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      sampleId: fc.constantFrom('s', 't', 'u', 'v'),
      value: part,
    })
    const other: Record<string, string> = { a: 'zoe', b: 'yan', c: '', d: 'a', e: '__proto__' }
    fc.assert(
      fc.property(fc.array(vote, { maxLength: 40 }), (votes) => {
        const rho = reliabilities(votes)
        expect(reliabilities(votes)).toEqual(rho)
        const renamed = reliabilities(votes.map((v) => ({ ...v, raterId: other[v.raterId]! })))
        for (const [id, r] of rho) {
          expect(r).toBeGreaterThanOrEqual(0)
          expect(r).toBeLessThanOrEqual(1)
          expect(renamed.get(other[id]!)).toBe(r)
        }
      }),
    )
  })

  it('refuses values outside [0, 1], and what is no number', () => {
    for (const value of [1.5, -0.1, Number.NaN, Infinity])
      expect(() => reliabilities([{ raterId: 'a', sampleId: 's', value }])).toThrow(/value/)
    const votes = [{ raterId: 'a', sampleId: 's', value: 0.5 }]
    expect(() => standingsOf(votes, { gold: new Map([['s', 2]]) })).toThrow(/known value/)
    expect(() => standingsOf(votes, { histories: new Map([['a', { votes: -1, reliability: 1 }]]) })).toThrow(/history/)
    expect(() => standingsOf(votes, { histories: new Map([['a', { votes: 1, reliability: 3 }]]) })).toThrow(/history/)
  })
})

describe('what is known besides the votes', () => {
  it('a history elsewhere makes a newcomer known at their first vote; half a vote each, and 24 at most', () => {
    const votes = [...cast(many('honest', 4, honest), 40), { raterId: 'new', sampleId: 's39', value: truth(39) }]
    const of = (history: { votes: number; reliability: number }) =>
      standingsOf(votes, { histories: new Map([['new', history]]) }).of('new')
    expect(of({ votes: 0, reliability: 0.9 })).toMatchObject({ known: false })
    expect(of({ votes: 20, reliability: 0.9 })).toMatchObject({ known: true, comparable: 1 })
    // (1 + 24) / (1 + 24 + 8) against 40 / 48, and quality 1 at 0.8 or more.
    expect(of({ votes: 5_000, reliability: 0.95 }).weight).toBeCloseTo(
      (1 + HISTORY_MOST) / (1 + HISTORY_MOST + 8) / (40 / 48),
      2,
    )
    // A bad one follows, too.
    expect(of({ votes: 200, reliability: 0 }).weight).toBeLessThan(0.1)
  })

  it('known answers anchor the scale: seven of ten who invert can’t turn it', () => {
    const votes = cast(
      { ...many('honest', 3, honest), ...many('inverter', 7, (key) => (t, s) => 1 - honest(key)(t, s)) },
      40,
    )
    const gold = new Map(Array.from({ length: 8 }, (_, s) => [`s${s}`, truth(s)]))
    const [turned, held] = [standingsOf(votes), standingsOf(votes, { gold })]
    expect(turned.of('honest0').opposes).toBe(true)
    expect(held.of('inverter0').opposes).toBe(true)
    expect(held.of('honest0')).toMatchObject({ taste: 0, opposes: false })
    expect(held.of('honest0').reliability).toBeGreaterThan(0.8)
  })

  it('a lone rater is compared with known answers', () => {
    const votes = cast({ alone: honest(1) }, 20)
    expect(standingsOf(votes).of('alone')).toMatchObject({ comparable: 0, reliability: 0.6, known: false })
    const gold = new Map(Array.from({ length: 20 }, (_, s) => [`s${s}`, truth(s)]))
    expect(standingsOf(votes, { gold }).of('alone')).toMatchObject({ comparable: 20, known: true })
    expect(standingsOf(votes, { gold }).of('alone').reliability).toBeGreaterThan(0.8)
    const inverts = cast({ alone: (t) => 1 - t }, 20)
    expect(standingsOf(inverts, { gold }).of('alone').reliability).toBe(0)
  })
})
