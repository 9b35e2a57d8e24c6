import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { capStrangers } from '../../core/votes/crowd.ts'
import { quality } from '../../core/votes/factor.ts'
import { standingsOf } from '../../core/votes/reliability.ts'
import { boundShares, OWN_SELF_MADE_SHARE, PRIOR_VOTES, SELF_MADE_SHARE, type Lesson } from '../../core/votes/shares.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'

const truth = (sample: string) => ([...sample].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) % 101) / 100
const MINUTE = 60_000
const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0)
const cast = (raterId: string, sampleId: string, more: Partial<CastVote> = {}): CastVote => ({
  ...{
    raterId,
    sampleId,
    value: truth(sampleId),
    at: 0,
    source: null,
    origin: 'rollout',
    ownQuestion: false,
    late: false,
  },
  ...more,
})
/** Everybody on every answer of these minutes, eight a minute. */
const everybody = (
  raters: readonly string[],
  minutes: readonly number[],
  more: (sample: string) => Partial<CastVote> = () => ({}),
) =>
  minutes.flatMap((minute) =>
    Array.from({ length: 8 }, (_, a) => `s${minute}-${a}`).flatMap((sample) =>
      raters.map((id) => cast(id, sample, { at: minute * MINUTE, ...more(sample) })),
    ),
  )
/** By their times, which votes come in. */
const inOrder = (votes: readonly CastVote[]) => [...votes].sort((a, b) => a.at - b.at)
const regulars = ['a', 'b', 'c', 'd', 'e', 'f']
const invert = (sample: string) => ({ value: 1 - truth(sample) })

describe('a vote weighs quality(ρ) n / (n + 8), relative to the room’s most trusted', () => {
  it('in the worked example: a first vote beside forty comparable ones weighs 0.11 / 0.83 of what it says', () => {
    const votes = [...everybody(['a', 'b', 'c', 'd'], [1, 2, 3, 4, 5]), cast('new', 's5-0', { at: 5 * MINUTE })]
    const { of } = standingsOf(votes)
    expect(of('a')).toMatchObject({ comparable: 40, known: true })
    expect(of('new')).toMatchObject({ comparable: 1, known: false })
    expect(of('new').weight).toBeCloseTo((quality(of('new').reliability) * (1 / 9)) / (40 / 48), 12)
    expect(of('a').weight).toBe(1)
    expect([quality(0.8), quality(0.6)]).toEqual([1, expect.closeTo(0.3164, 4)])
  })

  it('is whole for a lone rater, whom nobody can be compared with, and for all of a room of strangers', () => {
    expect(weigh(everybody(['alone'], [1, 2, 3])).onAnswer.every((w) => w === 1)).toBe(true)
    // At their first votes, as many for each, nobody is ahead of the others.
    const { onAnswer, raters } = weigh(everybody(regulars, [1]).slice(0, 12))
    expect(new Set(onAnswer).size).toBe(1)
    expect(onAnswer[0]).toBe(1)
    expect([...raters.values()].every(({ known }) => !known)).toBe(true)
  })
})

describe('standing can’t be minted', () => {
  const history = everybody(regulars, [1, 2, 3, 4])

  it('two accounts that only ever rate the same answers with each other are never known, however often they do', () => {
    const pair = [4, 5, 6, 7]
      .flatMap((minute) =>
        Array.from({ length: 100 }, (_, i) =>
          ['x', 'y'].map((id) => cast(id, `p${minute}-${i}`, { at: minute * MINUTE })),
        ),
      )
      .flat()
    const { standing } = weigh(inOrder([...history, ...everybody(regulars, [5, 6, 7]), ...pair]))
    for (const id of ['x', 'y']) {
      expect(standing(id)).toMatchObject({ comparable: 4, known: false })
      expect(standing(id).weight).toBeLessThan(0.45)
    }
    expect(standing('a').known).toBe(true)
  })

  it('nor does what they agree on by themselves outweigh what they invert before the regulars', () => {
    const pair = Array.from({ length: 300 }, (_, i) =>
      ['x', 'y'].map((id) => cast(id, `p-${i}`, { at: 4 * MINUTE })),
    ).flat()
    const votes = [...history, ...everybody(regulars, [5, 6]), ...everybody(['x', 'y'], [5, 6], invert), ...pair]
    const { standing } = weigh(inOrder(votes))
    expect(standing('x').reliability).toBeLessThan(0.1)
    expect(standing('a').reliability).toBeGreaterThan(0.85)
  })

  for (const [what, more] of Object.entries({
    'texts of their own': { origin: null },
    'answers to questions, their own or others’': { origin: 'ask' },
    'closed answers, where the crowd’s value shows': { late: true },
  } as const)) {
    it(`votes on ${what} are compared with none`, () => {
      const votes = everybody(['x', 'y', 'z'], [5, 6, 7, 8]).map((vote) => ({ ...vote, ...more }))
      const { standing } = weigh([...history, ...votes])
      expect(standing('x')).toMatchObject({ comparable: 0, weight: 0, known: false, reliability: 0.6 })
    })
  }

  it('a crowd that comes when the regulars have been gone for ten minutes is known like any that founds a room', () => {
    const second = ['u', 'v', 'w', 'x']
    const early = weigh([...history, ...everybody(second, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14], invert)])
    expect(early.standing('u')).toMatchObject({ comparable: 4, known: false })
    const { standing } = weigh([...history, ...everybody(second, [12, 13, 14, 15, 16, 17, 18], invert)])
    expect(standing('u').comparable).toBe(4 + 4 * 8)
    expect(standing('u').known).toBe(true)
    expect(standing('u').weight).toBeGreaterThan(0.8)
  })
})

describe('strangers’ joint share of an answer', () => {
  const known = (weight: number) => ({ weight, known: true })
  const strangers = (count: number, weight: number) => Array.from({ length: count }, () => ({ weight, known: false }))

  it('is at most a third once three known raters voted: in the worked example forty of 0.1 weigh 0.03 each', () => {
    const weights = capStrangers([known(0.9), known(0.8), known(0.7), ...strangers(40, 0.1)], true)
    expect(weights.slice(0, 3)).toEqual([0.9, 0.8, 0.7])
    expect(weights[3]).toBeCloseTo(0.03, 12)
    expect(sum(weights.slice(3)) / sum(weights)).toBeCloseTo(1 / 3, 12)
  })
  it('is one trusted vote’s where fewer did in a room that has known raters, and theirs in one that has none', () => {
    expect(sum(capStrangers([known(0.9), ...strangers(40, 0.1)], true).slice(1))).toBeCloseTo(1, 12)
    expect(sum(capStrangers(strangers(40, 0.1), false))).toBeCloseTo(4, 12)
  })
  it('holds for whatever weights, and never raises one', () => {
    const vote = fc.record({ weight: fc.double({ min: 0, max: 1, noNaN: true }), known: fc.boolean() })
    fc.assert(
      fc.property(fc.array(vote, { maxLength: 40 }), fc.boolean(), (votes, established) => {
        const weights = capStrangers(votes, established)
        expect(weights.every((w, i) => w <= votes[i]!.weight + 1e-12)).toBe(true)
        const joint = sum(weights.filter((_, i) => !votes[i]!.known))
        if (votes.filter((v) => v.known).length >= 3) expect(joint).toBeLessThanOrEqual(sum(weights) / 3 + 1e-9)
      }),
    )
  })
})

describe('shares of what the reward model learns from', () => {
  const lessons = (raterId: string, count: number, selfMade = false): Lesson[] =>
    Array.from({ length: count }, () => ({ raterId, weight: 1, selfMade }))
  const weighOf = (all: readonly Lesson[], weights: readonly number[], of: (l: Lesson) => boolean) =>
    sum(weights.filter((_, i) => of(all[i]!)))

  it('in the worked example 3,070 texts of one author weigh 5.67 beside fifty votes', () => {
    const all = [...Array.from({ length: 10 }, (_, i) => lessons(`r${i}`, 5)).flat(), ...lessons('author', 3_070, true)]
    const weights = boundShares(all, 10)
    expect(weighOf(all, weights, (l) => l.selfMade)).toBeCloseTo(51 / 9, 9)
    expect(weighOf(all, weights, (l) => !l.selfMade)).toBe(50)
  })
  it('leave self-made evidence a tenth an author and a fifth in all, and a known author among several a quarter of the rest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 200 })), {
          minLength: 8,
          maxLength: 14,
        }),
        (counts) => {
          const all = counts.flatMap(([votes, texts], i) => [
            ...lessons(`r${i}`, votes),
            ...lessons(`r${i}`, texts, true),
          ])
          const weights = boundShares(all, counts.length)
          const total = sum(weights) + PRIOR_VOTES
          expect(weighOf(all, weights, (l) => l.selfMade)).toBeLessThanOrEqual(SELF_MADE_SHARE * total + 1e-9)
          const ordinary = weighOf(all, weights, (l) => !l.selfMade)
          for (let i = 0; i < counts.length; i++) {
            expect(weighOf(all, weights, (l) => l.selfMade && l.raterId === `r${i}`)).toBeLessThanOrEqual(
              OWN_SELF_MADE_SHARE * total + 1e-9,
            )
            expect(weighOf(all, weights, (l) => !l.selfMade && l.raterId === `r${i}`)).toBeLessThanOrEqual(
              ordinary / 4 + 1e-6,
            )
          }
          expect(weights.every((w) => w <= 1 + 1e-12)).toBe(true)
        },
      ),
      { numRuns: 25 },
    )
  })
  it('leave a lone rater alone, and one whom only strangers join', () => {
    const lone = lessons('alone', 50)
    expect(boundShares(lone, 1)).toEqual(lone.map(() => 1))
    const joined = [...lone, ...lessons('b', 1), ...lessons('c', 1)]
    expect(boundShares(joined, 1)).toEqual(joined.map(() => 1))
  })
})
