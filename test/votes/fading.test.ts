import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fading, HALF_LIFE } from '../../core/votes/fading.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'

const votes = (perStep: number, steps: number, weight = 1) =>
  Array.from({ length: perStep * steps }, (_, i) => ({ round: 1 + Math.floor(i / perStep), weight }))

it('a vote counts half once it is eight steps old and 300 votes of full weight have come since', () => {
  const factors = fading(votes(100, 9))
  expect([factors[0], factors[800]]).toEqual([0.5, 1])
  expect(fading(votes(100, 17))[0]).toBe(0.25)
  expect(fading([])).toEqual([])
})

it('where few vote, votes keep: one a step loses half after 300 others, however many steps that takes', () => {
  expect(fading(votes(1, 301))[0]).toBe(0.5)
  expect(fading(votes(1, 51))[0]).toBeCloseTo(0.5 ** (50 / HALF_LIFE.weight), 12)
  // Time alone ages nothing.
  expect(
    fading([
      { round: 1, weight: 1 },
      { round: 900, weight: 1 },
    ])[0],
  ).toBeCloseTo(0.5 ** (1 / HALF_LIFE.weight), 12)
})

it('votes that weigh nothing make nobody’s vote older', () => {
  const flood = votes(1_000, 20, 0).map((vote) => ({ ...vote, round: vote.round + 1 }))
  expect(fading([{ round: 1, weight: 1 }, ...flood])[0]).toBe(1)
})

it('a newer vote never counts less, and none counts nothing', () => {
  const vote = fc.record({ round: fc.integer({ min: 1, max: 60 }), weight: fc.double({ min: 0, max: 1, noNaN: true }) })
  fc.assert(
    fc.property(fc.array(vote, { maxLength: 60 }), (all) => {
      const factors = fading(all)
      all.forEach((a, i) => {
        expect(factors[i]).toBeGreaterThan(0)
        expect(factors[i]).toBeLessThanOrEqual(1)
        all.forEach((b, k) => {
          if (a.round <= b.round) expect(factors[i]).toBeLessThanOrEqual(factors[k]!)
        })
      })
    }),
  )
})

it('old votes fade in the fit before its shares are bounded, and not on their answer', () => {
  const cast = Array.from({ length: 40 }, (_, step) =>
    Array.from({ length: 36 }, (_, i): CastVote => {
      const answer = Math.floor(i / 3)
      return {
        ...{
          raterId: `rater-${(i + step) % 12}`,
          sampleId: `${step}/${answer}`,
          value: ((7 * answer + 5 * step) % 11) / 11 + (i % 3) * 0.02,
          round: step + 1,
        },
        ...{ origin: 'rollout', ownQuestion: false, late: false },
      }
    }),
  ).flat()
  const [ageless, aged] = [weigh(cast), weigh(cast, fading)]
  const left = fading(cast.map(({ round }, i) => ({ round, weight: ageless.onAnswer[i]! })))
  expect(left[0]).toBeLessThan(0.25)
  expect(aged.onAnswer).toEqual(ageless.onAnswer)
  for (const i of [0, 700, cast.length - 1]) expect(aged.inFit[i]).toBeCloseTo(ageless.inFit[i]! * left[i]!, 10)
})
