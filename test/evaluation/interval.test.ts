import fc from 'fast-check'
import { expect, test } from 'vitest'
import { estimate, winRate } from '../../trainer/evaluation/interval.ts'

test('a win rate of 3 wins, 2 ties and 5 losses is 0.4, within Wilson’s interval of 4 in 10', () => {
  const { share, low, high } = winRate([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
  expect(share).toBeCloseTo(0.4, 12)
  // R: prop.test(4, 10, correct = FALSE)
  expect(low).toBeCloseTo(0.1681803, 6)
  expect(high).toBeCloseTo(0.6873262, 6)
})

test('nothing but wins is not certainty, and an answer beside itself is ½', () => {
  const all = winRate(Array<number>(32).fill(1), Array<number>(32).fill(0))
  expect(all).toMatchObject({ share: 1, high: 1 })
  expect(all.low).toBeCloseTo(0.8928, 3)
  expect(winRate([0.2, 0.7], [0.2, 0.7]).share).toBe(0.5)
})

test('the interval holds the share, and swapping sides mirrors it', () => {
  const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), { minLength: 2 })
  fc.assert(
    fc.property(pairs, (pairs) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)]
      const [one, other] = [winRate(a, b), winRate(b, a)]
      expect(one.low).toBeLessThanOrEqual(one.share + 1e-12)
      expect(one.high).toBeGreaterThanOrEqual(one.share - 1e-12)
      expect(one.share + other.share).toBeCloseTo(1, 12)
      expect(one.low + other.high).toBeCloseTo(1, 9)
    }),
  )
})

test('a mean comes with its standard error', () => {
  expect(estimate([1, 2, 3, 4])).toEqual({ mean: 2.5, error: expect.closeTo(0.6454972, 6) })
})
