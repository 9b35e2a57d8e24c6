import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StepMetrics } from '../../core/protocol/index.ts'
import { curvesOf } from '../../client/src/console/charts/curves.ts'

const timestamp = '2026-01-01T00:00:00.000Z'
const stepsFrom = (first: number, count: number): StepMetrics[] =>
  Array.from({ length: count }, (_, i) => ({ step: first + i, metrics: { rewardScore: first + i }, timestamp }))
const rewardOf = (steps: readonly StepMetrics[]) => {
  const { steps: at, series, per } = curvesOf(steps)[0]!
  return { at, per, values: series[0]!.values }
}

test('up to 200 steps each has its point; of more, a point is the mean of several', () => {
  expect(rewardOf(stepsFrom(1, 200))).toMatchObject({ per: 1, at: stepsFrom(1, 200).map(({ step }) => step) })
  const { at, per, values } = rewardOf(stepsFrom(1, 2_000))
  expect([per, at.length, at[0], values[0], at.at(-1), values.at(-1)]).toEqual([10, 200, 10, 5.5, 2_000, 1_995.5])
})

test('a point that is full stays as it is when a step comes or the oldest goes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 300, max: 400 }), (first, count) => {
      const before = rewardOf(stepsFrom(first, count))
      const after = rewardOf(stepsFrom(first + 1, count))
      const full = before.at.slice(1, -1)
      expect(after.at.filter((step) => full.includes(step))).toEqual(full)
      for (const step of full) expect(after.values[after.at.indexOf(step)]).toBe(before.values[before.at.indexOf(step)])
    }),
  )
})

test('a step without the metric is left out of its point; a point of none but such is a gap', () => {
  const none = (step: number): StepMetrics => ({ step, metrics: {}, timestamp })
  const steps = [...stepsFrom(1, 399), none(400), none(401), none(402)]
  const { at, per, values } = rewardOf(steps)
  expect(per).toBe(5)
  expect([at.slice(-2), values.slice(-2)]).toEqual([
    [400, 402],
    [397.5, null],
  ])
})
