import { expect, test } from 'vitest'
import { castVotes, type OfflineCrowd } from '../../scripts/study/offline-crowd.ts'

const crowd = (raters: number): OfflineCrowd => ({
  ...{ raters, temper: 'honest', adversaries: 0, strangers: 0, noise: 0.1, categories: [], seed: 1 },
})
const answers = (step: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ sampleId: `${step}/${i}`, prompt: 'I am sad.', response: 'I am sorry.' }))

test.each([
  [2, 12],
  [2, 30],
  [3, 9],
  [16, 12],
  [5, 7],
])(
  'on %d answers each of %d simulated raters votes once on each, and about as often as the others',
  (count, raters) => {
    const votes = castVotes(crowd(raters), answers(1, count), Infinity)
    expect(new Set(votes.map(({ raterId, sampleId }) => `${raterId} ${sampleId}`)).size).toBe(count * raters)
    const some = castVotes(crowd(raters), answers(1, count), Math.min(raters, 2 * count))
    expect(new Set(some.map(({ raterId }) => raterId)).size, 'as many people as votes').toBe(some.length)
  },
)

test('in the course of time every simulated rater has voted beside every other one', () => {
  const met = new Set<string>()
  for (let step = 1; step <= 400; step++) {
    const votes = castVotes(crowd(12), answers(step, 2), 5)
    for (const one of votes)
      for (const other of votes) if (one.sampleId === other.sampleId) met.add(`${one.raterId} ${other.raterId}`)
  }
  expect(met.size).toBe(12 * 12)
})
