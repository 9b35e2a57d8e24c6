import { describe, expect, test } from 'vitest'
import { PowerQuery } from '../../core/protocol/index.ts'
import type { AgreementVote } from '../../core/votes/agreement/category.ts'
import { dividingAnswers } from '../../core/votes/agreement/dividing.ts'
import { fragilityOf, votesToTurn } from '../../core/votes/agreement/fragility.ts'
import { ASSUMED, paceOf, powerOf, spreadOf } from '../../core/votes/agreement/power.ts'
import { agreementOf } from '../../core/votes/agreement/report.ts'
import type { RatedAnswer } from '../../core/votes/agreement/units.ts'
import { mean } from '../../core/statistics.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { finished, point, room, TEN } from './agreement-ratings.ts'

const answer = (values: readonly number[], i = 0): RatedAnswer => ({ sampleId: `answer ${i}`, values })
const report = (votes: readonly AgreementVote[], categories: readonly string[] = []) =>
  finished(agreementOf(votes, { categories, wantedVotes: 3 }, 1))
const people = (count: number, name = 'rater'): string[] => Array.from({ length: count }, (_, i) => `${name} ${i}`)

describe('fragility: the votes that turn what the crowd says of an answer', () => {
  test.each([
    [[8], 1],
    [[10], 2],
    [[8, 7, 9], 2],
    [[2, 4, 3], 2],
    [[10, 10, 10], 4],
    [[6, 5, 6], 1],
    [[1, 10], null],
  ])('of %j: %s', (values, votes) => {
    expect(votesToTurn(values, TEN)).toBe(votes)
  })

  test('as many turn it, and one fewer do not', () => {
    const random = openRandom(5)
    for (let i = 0; i < 300; i++) {
      const values = Array.from(
        { length: 1 + Math.floor(6 * random.uniform()) },
        () => 1 + Math.floor(10 * random.uniform()),
      )
      const votes = votesToTurn(values, TEN)
      if (votes === null) continue
      const above = mean(values) > 5.5
      const after = (more: number): number => mean([...values, ...Array.from({ length: more }, () => (above ? 1 : 10))])
      expect(after(votes) > 5.5).toBe(!above)
      expect(after(votes) === 5.5).toBe(false)
      expect(above ? after(votes - 1) >= 5.5 - 1e-9 : after(votes - 1) <= 5.5 + 1e-9).toBe(true)
    }
  })

  test('of a run: over answers with two ratings or more', () => {
    const answers = [[8, 7, 9], [6, 5, 6], [1, 10], [9], [6, 6]].map(answer)
    expect(fragilityOf(answers, TEN)).toEqual({ decided: 3, undecided: 1, byOneVote: 2 / 3, medianVotes: 1 })
    expect(fragilityOf([], TEN)).toEqual({ decided: 0, undecided: 0, byOneVote: null, medianVotes: null })
  })
})

describe('answers that divide', () => {
  const usual = (count: number, votes: number, seed: number): RatedAnswer[] => {
    const random = openRandom(seed)
    return Array.from({ length: count }, (_, i) => {
      const worth = 5.5 + 2 * random.normal()
      return answer(Array.from({ length: votes }, () => point(worth + 1.4 * random.normal())), i) // prettier-ignore
    })
  }

  test('in a room that is divided on none, one is beyond chance in at most 5 of 100 cases', () => {
    const rooms = Array.from({ length: 200 }, (_, seed) => dividingAnswers(usual(100, 4, seed)))
    expect(rooms.filter((answers) => answers.some(({ beyondChance }) => beyondChance)).length).toBeLessThanOrEqual(10)
    expect(rooms[0]?.length).toBeGreaterThan(90)
  })

  test('one that half of the people love and half hate comes first, and is beyond chance', () => {
    const [first, second] = dividingAnswers([...usual(100, 4, 1), answer([1, 1, 10, 10], 100)])
    expect(first).toEqual({
      sampleId: 'answer 100',
      ...{ votes: 4, mean: 5.5, deviation: expect.closeTo(Math.sqrt(27), 9) as number, beyondChance: true },
    })
    expect(second?.beyondChance).toBe(false)
  })

  test('where everybody else is of one mind, it takes no more than that', () => {
    const agreed = Array.from({ length: 4 }, (_, i) => answer([7, 7, 7], i))
    expect(dividingAnswers([...agreed, answer([1, 10, 10], 4)])).toMatchObject([
      { sampleId: 'answer 4', beyondChance: true },
    ])
    expect(dividingAnswers(agreed)).toEqual([])
  })

  test('two votes say nothing of an answer', () => {
    expect(dividingAnswers([answer([1, 10]), ...usual(20, 2, 1)])).toEqual([])
  })
})

describe('the guideline is the problem where reliable raters disagree', () => {
  const scores = (clear: number, vague: number) => [
    { name: 'clear', score: point(clear) },
    { name: 'vague', score: point(vague) },
  ]

  test('on a category: they agree on everything else', () => {
    const votes = room(people(6), 60, ({ worth, noise }) => ({
      rating: point(worth + 0.7 * noise()),
      categories: scores(worth + 0.7 * noise(), 5.5 + 3 * noise()),
    }))
    const { categories } = report(votes, ['clear', 'vague'])
    expect(categories.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['rating', 'good'],
      ['clear', 'good'],
      ['vague', 'chance'],
      ['compassion', 'unrated'],
    ])
    expect(categories.map(({ guideline }) => guideline)).toEqual([
      null,
      null,
      expect.stringMatching(/^Even the 6 reliable raters disagree on it \(alpha -?0\.\d\d, at most 0\.\d\d\)/),
      null,
    ])
  })

  test.each([
    ['two of them are too few', 2, 60, 3, false],
    ['three are enough', 3, 60, 3, true],
    ['where their interval reaches what is enough for conclusions, they may agree', 6, 12, 1.8, false],
    ['as they may by fewer answers than ten', 6, 9, 3, false],
  ])('on a category: %s', (_, raters, answers, vagueness, isBlamed) => {
    const votes = room(people(raters), answers, ({ worth, noise }) => ({
      rating: point(worth + 0.7 * noise()),
      categories: scores(worth, worth + vagueness * noise()),
    }))
    const vague = report(votes, ['vague']).categories[1]
    expect(vague?.estimates.alphaOrdinal.value).toBeLessThan(0.667)
    expect(vague?.guideline !== null).toBe(isBlamed)
  })

  test('not where unreliable raters are why: alpha is low then, too, and no guideline is blamed', () => {
    const careless = people(8, 'careless')
    const votes = room([...people(5), ...careless], 60, ({ raterId, worth, noise }) => {
      const sees = careless.includes(raterId) ? 5.5 + 3 * noise() : worth + 0.7 * noise()
      return { rating: point(sees), categories: scores(sees, 5.5 + 3 * noise()) }
    })
    const { categories } = report(votes, ['clear', 'vague'])
    expect(categories.slice(0, 2).map(({ verdict, guideline }) => [verdict, guideline])).toEqual([
      ['low', null],
      ['low', null],
    ])
    // There are reliable ones, who speak up where they should.
    expect(categories[2]?.guideline).toMatch(/^Even the 5 reliable raters disagree/)
  })

  test('on an answer: where they divide, and not where unreliable raters do', () => {
    const careless = people(6, 'careless')
    const votes = room([...people(6), ...careless], 60, ({ raterId, answer, worth, noise }) => {
      const half = Number(raterId.split(' ')[1]) % 2 === 0 ? 1 : 10
      const isCareless = careless.includes(raterId)
      // Careless people give what they like: they are not known by it.
      if (isCareless) return { rating: answer === 20 ? half : point(5.5 + 0.5 * noise()) }
      return { rating: answer === 10 ? half : point(worth + 0.7 * noise()) }
    })
    const { dividing } = report(votes)
    const found = new Map(dividing.map((one) => [one.sampleId, one]))
    expect(found.get('answer 10')).toMatchObject({ beyondChance: true, guideline: true })
    expect(found.get('answer 20')).toMatchObject({ beyondChance: true, guideline: false })
    expect(dividing.filter(({ guideline }) => guideline)).toHaveLength(1)
  })
})

describe('how long it takes', () => {
  const asked = PowerQuery.parse({})
  const spread = { betweenRaters: 0.2, betweenAnswers: 0.3, measured: true }
  const pace = { people: 12, votesPerMinute: 4, votesPerAnswer: 3 }

  test('the formula, by hand', () => {
    // 1.96² (0.09 + 0.04 / 3) / 0.05² = 158.8
    expect(powerOf(spread, pace, asked)).toEqual({
      ...{ ...pace, ...spread, halfWidth: 0.05, answers: 159, votes: 477, minutes: 477 / 48 },
      sentence:
        'With 12 people, 4 votes a minute each and 3 on an answer, it takes 10 minutes (477 votes on 159 answers) to know the mean value to ±0.05 (95 %).',
    })
  })

  test('what is asked for goes before what is measured; nobody votes twice on an answer; what is assumed is said', () => {
    const power = powerOf(ASSUMED, pace, PowerQuery.parse({ people: '1', votesPerMinute: '10', votesPerAnswer: '5' }))
    expect(power).toMatchObject({ people: 1, votesPerMinute: 10, votesPerAnswer: 1, measured: false })
    expect(power.sentence).toMatch(/^With one person, 10 votes a minute and 1 on an answer, .* as is usual: too few/)
    expect(ASSUMED.betweenRaters).toBeCloseTo(0.172, 3)
  })

  test('after so many answers, means lie within the half-width in 95 of 100 repetitions', () => {
    const { answers } = powerOf(spread, pace, asked)
    const random = openRandom(3)
    const means = Array.from({ length: 2_000 }, () =>
      mean(
        Array.from({ length: answers }, () => {
          const worth = 0.3 * random.normal()
          return mean([1, 2, 3].map(() => worth + 0.2 * random.normal()))
        }),
      ),
    )
    const within = means.filter((value) => Math.abs(value) <= 0.05).length / means.length
    expect(within).toBeGreaterThan(0.935)
    expect(within).toBeLessThan(0.965)
  })

  test('the spread between raters and between answers, by the analysis of variance', () => {
    // Within: 12 · 0.02 / 12 = 0.02. Between: 12 · 2 · 0.09 / 11 = 0.19636; (0.19636 - 0.02) / 2 = 0.08818.
    const even = Array.from({ length: 12 }, (_, i) => answer(i < 6 ? [0, 0.2] : [0.6, 0.8], i))
    const { betweenRaters, betweenAnswers, measured } = spreadOf(even)
    expect(betweenRaters ** 2).toBeCloseTo(0.02, 12)
    expect(betweenAnswers ** 2).toBeCloseTo(0.08818, 5)
    expect(measured).toBe(true)
    expect(spreadOf(even.slice(0, 4))).toBe(ASSUMED)
    // Twelve votes and two: within 0.14 / 12, between 12 · 0.0857² + 2 · 0.5143² = 0.61714, m₀ = 14 - 148 / 14 = 3.4286.
    const uneven = spreadOf([answer(Array.from({ length: 12 }, (_, i) => (i % 2) / 5)), answer([0.6, 0.8])])
    expect(uneven.betweenRaters ** 2).toBeCloseTo(0.14 / 12, 12)
    expect(uneven.betweenAnswers ** 2).toBeCloseTo(0.1766, 4)
  })

  test('it is found again where answers have different numbers of votes', () => {
    const random = openRandom(8)
    const answers = Array.from({ length: 4_000 }, (_, i) => {
      const worth = 0.3 * random.normal()
      return answer(Array.from({ length: 1 + (i % 5) }, () => worth + 0.2 * random.normal()), i) // prettier-ignore
    })
    const { betweenRaters, betweenAnswers } = spreadOf(answers)
    expect(betweenRaters).toBeCloseTo(0.2, 2)
    expect(betweenAnswers).toBeCloseTo(0.3, 2)
  })

  test('the pace is that of the last ten minutes with votes', () => {
    const minute = 60_000
    const cast = (raterId: string, sampleId: string, at: number) => ({ raterId, sampleId, at: at * minute })
    // Two people, and six votes in five minutes; what was an hour earlier is over.
    const votes = [
      cast('Cleo', 'a', 0),
      ...[60, 62, 64, 65].map((at, i) => cast('Ann', `b${i}`, at)),
      ...[61, 63].map((at, i) => cast('Ben', `b${i}`, at)),
    ]
    expect(paceOf(votes, 3)).toEqual({ people: 2, votesPerMinute: 6 / 2 / 5, votesPerAnswer: 7 / 5 })
    expect(paceOf([], 3)).toEqual({ people: 1, votesPerMinute: 10, votesPerAnswer: 3 })
    // Votes of one moment are no pace of infinitely many.
    expect(paceOf([cast('Ann', 'a', 5)], 3).votesPerMinute).toBe(1)
  })
})
