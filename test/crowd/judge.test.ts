import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Vote } from '../../core/protocol/index.ts'
import { judge, temperAfter, type JudgeOptions, type Temper } from '../../scripts/crowd/judge.ts'
import { nextCandidate, reactionMs, HUMAN } from '../../scripts/crowd/pace.ts'
import { seededRandom } from '../../scripts/pretrain/random.ts'

const kind = { compassion: 0.95, usefulness: 0.9, concision: 0.5, readable: true }
const cold = { compassion: 0.05, usefulness: 0.1, concision: 0.5, readable: true }
const honest: JudgeOptions = {
  temper: 'honest',
  noise: 0.12,
  leniency: 0,
  categories: [{ name: 'helpfulness' }],
  tags: ['kind', 'cold'],
}

describe('a simulated rater', () => {
  test('prefers what the oracle prefers, an adversary the opposite, a random one neither', () => {
    const ratings = (options: JudgeOptions, truth: typeof kind) =>
      Array.from({ length: 400 }, (_, i) => judge(truth, options, seededRandom(i)).humanRating)
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
    const gap = (options: JudgeOptions) => mean(ratings(options, kind)) - mean(ratings(options, cold))
    expect(gap(honest)).toBeGreaterThan(5)
    expect(gap({ ...honest, temper: 'adversary' })).toBeLessThan(-5)
    expect(gap({ ...honest, temper: 'random' })).toBe(0)
  })

  test('says the same about the same answer with the same seed', () => {
    expect(judge(kind, honest, seededRandom(7))).toEqual(judge(kind, honest, seededRandom(7)))
  })

  test('gives a ballot that the protocol takes, whatever it reads (rule P1)', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true })
    const truth = fc.record({ compassion: unit, usefulness: unit, concision: unit, readable: fc.boolean() })
    fc.assert(
      fc.property(truth, fc.constantFrom('honest', 'adversary', 'random'), fc.integer(), (rating, temper, seed) => {
        const ballot = judge(rating, { ...honest, temper, leniency: 0.1, noise: 0.5 }, seededRandom(seed))
        const vote = { sessionId: 'demo', modelResponse: 'x', ...ballot }
        expect(Vote.safeParse(vote).success).toBe(true)
        expect(ballot.categories).toHaveLength(1)
      }),
    )
  })
})

describe('a simulated rater’s pace', () => {
  test('is a person’s: median about 2.5 s, never under 0.6 s', () => {
    const random = seededRandom(1)
    const times = Array.from({ length: 2_000 }, () => reactionMs(HUMAN, random)).sort((a, b) => a - b)
    expect(times[1_000]).toBeGreaterThan(2_300)
    expect(times[1_000]).toBeLessThan(2_700)
    expect(times[0]).toBeGreaterThanOrEqual(600)
    expect(times[1_999]).toBeLessThan(15_000)
  })

  test('turns to the newest step first, there to the fewest votes', () => {
    const order = (id: string) => id.charCodeAt(0)
    const at = (id: string, step: number, votes: number) => ({ id, step, votes })
    expect(nextCandidate([], order)).toBeNull()
    expect(nextCandidate([at('a', 1, 0), at('b', 2, 5), at('c', 2, 1)], order)?.id).toBe('c')
    expect(nextCandidate([at('b', 2, 1), at('a', 2, 1)], order)?.id).toBe('a')
  })

  test('turns into its opposite at each turn, unless it votes at random', () => {
    const turns = [600, 1_200]
    const at = (own: Temper) => [0, 599, 600, 1_199, 1_200, 1_800].map((seconds) => temperAfter(seconds, own, turns))
    expect(at('honest')).toEqual(['honest', 'honest', 'adversary', 'adversary', 'honest', 'honest'])
    expect(at('adversary')[2]).toBe('honest')
    expect(new Set(at('random'))).toEqual(new Set(['random']))
    expect(temperAfter(-Infinity, 'honest', [0])).toBe('honest')
  })
})
