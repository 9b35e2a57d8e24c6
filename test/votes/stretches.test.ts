import { expect, it } from 'vitest'
import { changesOf } from '../../core/votes/stretches.ts'
import { normal, seededRandom } from '../../scripts/pretrain/random.ts'

/** Votes that follow what others think by these slopes, one after the other. */
function voted(slopes: readonly number[], seed: number) {
  const random = seededRandom(seed)
  const x = slopes.map(() => random() - 0.5)
  const y = slopes.map((slope, i) => slope * x[i]! + 0.15 * normal(random))
  return changesOf(
    x,
    y,
    slopes.map(() => 0.9),
  )
}
const times = (slope: number, count: number) => Array.from({ length: count }, () => slope)

it('who turns is two raters from about the vote at which they turned', () => {
  const cuts = voted([...times(1, 30), ...times(-1, 30)], 1)
  expect(cuts).toHaveLength(1)
  expect(Math.abs(cuts[0]! - 30)).toBeLessThanOrEqual(3)
})

it('who turns twice is three, and who drifts is several', () => {
  expect(voted([...times(1, 30), ...times(-1, 30), ...times(1, 30)], 2)).toHaveLength(2)
  const drift = Array.from({ length: 90 }, (_, i) => 1 - (2 * i) / 89)
  expect(voted(drift, 3).length).toBeGreaterThanOrEqual(1)
})

it('who does not change is cut once in a hundred at most', () => {
  let cut = 0
  for (let seed = 1; seed <= 300; seed++) if (voted(times(1, 60), seed).length > 0) cut++
  expect(cut).toBeLessThanOrEqual(3)
})

it('few votes are never cut, and none are no trouble', () => {
  expect(changesOf([], [], [])).toEqual([])
  expect(voted([...times(1, 5), ...times(-1, 5)], 4)).toEqual([])
})
