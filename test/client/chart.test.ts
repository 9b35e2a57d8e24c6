import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Evaluation, StepMetrics } from '../../core/protocol/index.ts'
import { curvesTable, stepsTable } from '../../client/src/console/charts/curves-table.ts'
import { curvesOf, type Curve, type Series } from '../../client/src/console/charts/curves.ts'
import { evaluationCurves } from '../../client/src/console/charts/evaluation-curves.ts'
import { isPositive, logRangeOf, logTicks } from '../../client/src/console/charts/log-axis.ts'
import { cursorAfter, readoutOf, valuesAt } from '../../client/src/console/charts/readout.ts'
import { smoothed } from '../../client/src/console/charts/smoothing.ts'
import { readRepositoryFile } from '../helpers/repository.ts'

const timestamp = '2026-01-01T00:00:00.000Z'
const curve = (series: Partial<Series>[], more: Partial<Curve> = {}): Curve => ({
  title: 'Reward',
  meaning: '',
  steps: [1, 2, 3],
  per: 1,
  format: (value) => value.toFixed(2),
  unit: 'value',
  span: 0.2,
  ...more,
  series: series.map((one) => ({ label: 'reward', name: 'rewardScore', color: 'accent', values: [], ...one })),
})

describe('smoothing', () => {
  const numbers = fc.array(fc.option(fc.double({ min: -10, max: 10, noNaN: true })), { maxLength: 60 })
  const weights = fc.double({ min: 0, max: 0.99, noNaN: true })

  test('is the weighted mean of what was so far, the latest weighing most, with the gaps where they were', () => {
    fc.assert(
      fc.property(numbers, weights, (values, weight) => {
        smoothed(values, weight).forEach((smooth, i) => {
          if (values[i] === null) return expect(smooth).toBeNull()
          const known = values.slice(0, i + 1).filter((value) => value !== null)
          const weigh = known.map((_, at) => weight ** (known.length - 1 - at))
          const sum = known.reduce((total, value, at) => total + value * (weigh[at] ?? 0), 0)
          expect(smooth).toBeCloseTo(sum / weigh.reduce((total, one) => total + one, 0), 6)
        })
      }),
    )
  })

  test('begins at the first value, and of weight 0 changes nothing', () => {
    expect(smoothed([null, 4, 6], 0.9)[1]).toBeCloseTo(4)
    expect(smoothed([4, null, 6], 0)).toEqual([4, null, 6])
  })
})

describe('a logarithmic axis', () => {
  test('is for curves of which all known values are above 0', () => {
    expect(isPositive(curve([{ values: [null, 0.1, 2] }]))).toBe(true)
    expect(isPositive(curve([{ values: [1] }, { values: [0] }]))).toBe(false)
  })

  test('holds its values, and has at least two ticks within, few enough to be read', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        fc.double({ min: 1, max: 1e9, noNaN: true }),
        (low, factor) => {
          const [from, to] = logRangeOf(low, low * factor)
          const ticks = logTicks(from, to)
          expect(from).toBeLessThan(low)
          expect(to).toBeGreaterThan(low * factor)
          expect(ticks.length).toBeGreaterThanOrEqual(2)
          expect(ticks.length).toBeLessThanOrEqual(5)
          for (const tick of ticks) expect(tick >= from && tick <= to, `${tick} in ${from}–${to}`).toBe(true)
          expect(ticks).toEqual([...new Set(ticks)].sort((a, b) => a - b))
        },
      ),
    )
  })

  test('has ticks that are round', () => {
    expect(logTicks(0.5, 60)).toEqual([1, 3, 10, 30])
    expect(logTicks(0.5, 600)).toEqual([1, 10, 100])
    expect(logTicks(0.5, 6)).toEqual([0.5, 1, 2, 5])
    expect(logTicks(1e-5, 1e6)).toEqual([1e-3, 1, 1e3, 1e6])
    expect(logTicks(0.42, 0.9)).toEqual([0.5, 0.6, 0.7, 0.8, 0.9])
  })
})

describe('the readout', () => {
  test('says the step and each curve’s value; what is not known there is a dash', () => {
    const two = curve([{ values: [0.4, 0.44, 0.5] }, { label: 'people', values: [0.6, null, 0.7] }])
    expect(readoutOf(two, 1)).toBe('step 2: reward 0.44, people –')
    expect(readoutOf(curve([{ values: [0.4, 0.44, 0.5] }]), 2)).toBe('step 3: 0.50')
  })

  test('says the last known value of a curve that is seldom known, and of which step it is', () => {
    const sparse = curve([{ values: [null, 0.44, null], sparse: true }])
    expect([0, 1, 2].map((index) => readoutOf(sparse, index))).toEqual([
      'step 1: –',
      'step 2: 0.44',
      'step 3: 0.44 (step 2)',
    ])
  })

  test('says the smoothed value beside the curve’s own, and the steps that a point is the mean of', () => {
    expect(readoutOf(curve([{ values: [0, 1, 1] }]), 1, 0.5)).toBe('step 2: 1.00 (smoothed 0.67)')
    const steps = Array.from({ length: 1_997 }, (_, i) => ({ step: i + 1, metrics: { rewardScore: 0.5 }, timestamp }))
    const [reward] = curvesOf(steps)
    expect(reward && [0, 1, 199].map((index) => readoutOf(reward, index))).toEqual([
      'steps 1–10: 0.50',
      'steps 11–20: 0.50',
      'steps 1,991–1,997: 0.50',
    ])
  })

  test('of many curves is a value for each: the latest, or those of a point, smoothed', () => {
    const three = curve([{ values: [0, 1, null] }, { values: [0.5, null, 0.7] }, { values: [] }])
    expect(valuesAt(three, null)).toEqual(['1.00', '0.70', '–'])
    expect(valuesAt(three, 1)).toEqual(['1.00', '–', '–'])
    expect(valuesAt(three, 1, 0.5)).toEqual(['0.67', '–', '–'])
  })

  test('follows the keys within the chart, from the last point on', () => {
    expect(['ArrowLeft', 'ArrowRight', 'Home', 'End', 'PageDown'].map((key) => cursorAfter(key, null, 5))).toEqual([
      4, 5, 0, 5, 0,
    ])
    expect(cursorAfter('ArrowRight', 2, 5)).toBe(3)
    expect(cursorAfter('Escape', 2, 5)).toBeNull()
    expect(cursorAfter('7', 2, 5)).toBeUndefined()
  })
})

const step = (n: number, metrics: StepMetrics['metrics']): StepMetrics => ({ step: n, metrics, timestamp })

test('a chart’s unit is that of its first metric in docs/METRICS.md, and all of its metrics are there', () => {
  const units = new Map(
    [...readRepositoryFile('docs/METRICS.md').matchAll(/^\| `([^`]+)` \| .* \| ([^|]+) \|$/gm)].map(
      ([, name = '', unit = '']) => [name, unit],
    ),
  )
  const evaluated = evaluationCurves([{ step: 0, metrics: {}, setAside: false } as unknown as Evaluation], [])
  const curves = [...curvesOf([step(1, {})]), ...evaluated]
  expect(curves.length).toBeGreaterThan(10)
  for (const { title, unit, series } of curves) {
    expect(units.get(series[0]?.name ?? ''), title).toBe(unit)
    for (const { name } of series) expect(units.has(name), name).toBe(true)
  }
})

describe('what is saved of charts', () => {
  test('is a row a step and a column a metric, over the steps of all of them', () => {
    const saved = curvesTable([
      curve([{ values: [0.1, null, 0.3] }]),
      curve([{ name: 'eval/value', values: [0.5, 0.6] }], { steps: [0, 2] }),
    ])
    expect(saved).toEqual({
      columns: ['step', 'rewardScore', 'eval/value'],
      rows: [
        [0, null, 0.5],
        [1, 0.1, null],
        [2, null, 0.6],
        [3, 0.3, null],
      ],
    })
  })

  test('is every metric of every step', () => {
    expect(stepsTable([step(1, { votes: 3 }), step(2, { loss: 0.5 })])).toEqual({
      columns: ['step', 'timestamp', 'loss', 'votes'],
      rows: [
        [1, timestamp, null, 3],
        [2, timestamp, 0.5, null],
      ],
    })
  })
})
