import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { drawToken, greedyToken } from '../../lm/sampling/token-choice.ts'
import { openRandom, streamSeed, uniformAt } from '../../lm/sampling/random.ts'

const distribution = fc
  .array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 40 })
  .filter((counts) => counts.some((count) => count > 0))
  .map((counts) => {
    const total = counts.reduce((sum, count) => sum + count, 0)
    return Float32Array.from(counts, (count) => count / total)
  })

/** No sum of up to 480 equal parts comes closer to these than rounding reaches: 499 is a prime. */
const topPs = fc.oneof(
  fc.constant(1),
  fc.integer({ min: 0, max: 498 }).map((k) => (2 * k + 1) / 998),
)

describe('choosing a token', () => {
  test('top-k and top-p keep exactly the likeliest tokens that sorting would keep', () => {
    fc.assert(
      fc.property(distribution, fc.integer({ min: 0, max: 45 }), topPs, (probabilities, topK, topP) => {
        const drawn = new Set(Array.from({ length: 400 }, (_, i) => drawToken(probabilities, i / 400, { topK, topP })))
        expect([...drawn].sort((a, b) => a - b)).toEqual(sorted(probabilities, topK, topP).sort((a, b) => a - b))
      }),
    )
  })

  test('a token is drawn as often as its share of what is kept', () => {
    const probabilities = Float32Array.of(0.1, 0.4, 0.2, 0.3)
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 9000; i++) {
      const token = drawToken(probabilities, (i + 0.5) / 9000, { topK: 3, topP: 1 })
      counts[token] = (counts[token] ?? 0) + 1
    }
    expect(counts).toEqual([0, 4000, 2000, 3000])
  })

  test('the largest uniform number still draws a token that has probability', () => {
    expect(drawToken(Float32Array.of(0.5, 0.4999, 0), 1 - 2 ** -32, { topK: 0, topP: 1 })).toBe(1)
    expect(() => drawToken(new Float32Array(3), 0.5, { topK: 0, topP: 1 })).toThrow('no token has any probability')
  })

  test('greedy takes the first of the likeliest', () => {
    expect(greedyToken(Float32Array.of(0.1, 0.4, 0.4, 0.1))).toBe(1)
  })
})

describe('random numbers', () => {
  test('a generator goes on from its state', () => {
    const random = openRandom(7)
    random.normal()
    const resumed = openRandom(random.state)
    expect([resumed.uniform(), resumed.normal()]).toEqual([random.uniform(), random.normal()])
  })

  test('streams of neighbouring seeds are uniform and independent', () => {
    const size = 200
    const values = Array.from({ length: size }, (_, seed) =>
      Array.from({ length: size }, (_, index) => uniformAt(seed, index)),
    )
    const cells = new Float64Array(64)
    // Pairs down and across fall evenly into 8 × 8 cells; 63 degrees of freedom, six deviations allowed.
    for (const pair of ['across', 'down']) {
      cells.fill(0)
      for (let i = 0; i + 1 < size; i++) {
        for (let j = 0; j + 1 < size; j++) {
          const next = pair === 'across' ? values[i]?.[j + 1] : values[i + 1]?.[j]
          const cell = Math.floor((values[i]?.[j] ?? 0) * 8) * 8 + Math.floor((next ?? 0) * 8)
          cells[cell] = (cells[cell] ?? 0) + 1
        }
      }
      const expected = (size - 1) ** 2 / 64
      const statistic = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
      expect(Math.abs(statistic - 63)).toBeLessThan(6 * Math.sqrt(2 * 63))
    }
    expect(new Set(Array.from({ length: 1000 }, (_, i) => streamSeed(1, i))).size).toBe(1000)
  })
})

/** Likeliest first, lower ids first among equals; top-p of what top-k left. */
function sorted(probabilities: Float32Array, topK: number, topP: number): number[] {
  const order = Array.from(probabilities, (_, token) => token).sort(
    (a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0) || a - b,
  )
  const first = topK > 0 ? order.slice(0, topK) : order
  const target = topP < 1 ? topP * first.reduce((sum, token) => sum + (probabilities[token] ?? 0), 0) : Infinity
  let mass = 0
  const kept = first.filter((token) => {
    const wanted = mass < target
    mass += probabilities[token] ?? 0
    return wanted
  })
  return kept.filter((token) => (probabilities[token] ?? 0) > 0)
}
