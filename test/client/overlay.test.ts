import { describe, expect, test } from 'vitest'
import type { StepMetrics, TrainingSession } from '../../core/protocol/index.ts'
import { readCourse } from '../../client/src/console/charts/course.ts'
import { letterOf, MOST_RUNS, overlaid, strokes, type OverlaidRun } from '../../client/src/console/charts/overlay.ts'

const timestamp = '2026-01-01T00:00:00.000Z'
const step = (n: number, compassion = n / 10): StepMetrics => ({
  step: n,
  metrics: { compassionScore: compassion },
  timestamp,
})
const run = (id: string, steps: readonly StepMetrics[]): OverlaidRun => ({
  session: { id, title: id, modelId: 'demo', currentStep: steps.length, totalSteps: 10 },
  steps,
  evaluations: [],
})

describe('the curves of several runs', () => {
  test('are on the same axes, over the steps of any, one line a run', () => {
    const curves = overlaid([
      run(
        'one',
        [1, 2, 3].map((n) => step(n)),
      ),
      run('two', [step(1)]),
      run('three', [step(5)]),
    ])
    const [compassion] = curves
    expect(compassion?.title).toBe('Compassion')
    expect(compassion?.steps).toEqual([1, 2, 3, 5])
    expect(compassion?.series.map(({ label, name, values }) => [label, name, values])).toEqual([
      ['A', 'one compassionScore', [0.1, 0.2, 0.3, null]],
      ['B', 'two compassionScore', [0.1, null, null, null]],
      ['C', 'three compassionScore', [null, null, null, 0.5]],
    ])
  })

  test('of which no run has a value are left out', () => {
    expect(overlaid([run('one', [step(1)])]).map(({ title }) => title)).toEqual(['Compassion'])
    expect(overlaid([run('one', [])])).toEqual([])
    expect(overlaid([])).toEqual([])
  })

  test('can be told apart by dash and colour together, neighbours by each alone, and by words', () => {
    const looks = strokes.map(({ color, dash }) => `${color} ${dash?.join(',') ?? 'solid'}`)
    expect(new Set(looks).size).toBe(MOST_RUNS)
    expect(new Set(strokes.map(({ said }) => said)).size).toBe(MOST_RUNS)
    for (const [i, stroke] of strokes.slice(1).entries()) {
      expect(stroke.color).not.toBe(strokes[i]?.color)
      expect(stroke.dash).not.toEqual(strokes[i]?.dash)
    }
    const many = overlaid(strokes.map((_, i) => run(`run-${i}`, [step(1)])))
    expect(many[0]?.series.map(({ color, dash }) => `${color} ${dash?.join(',') ?? 'solid'}`)).toEqual(looks)
    expect([0, 1, 7].map(letterOf)).toEqual(['A', 'B', 'H'])
  })
})

describe('a run’s course', () => {
  /** A server that has these steps, and gives at most what it is asked for. */
  function server(steps: readonly StepMetrics[]) {
    const asked: string[] = []
    const read = <T>(path: string): Promise<T> => {
      asked.push(path)
      const { pathname, searchParams } = new URL(path, 'http://localhost')
      if (pathname.endsWith('/evaluations')) return Promise.resolve([] as T)
      const since = Number(searchParams.get('since'))
      return Promise.resolve(steps.filter((each) => each.step > since).slice(0, Number(searchParams.get('limit'))) as T)
    }
    return { asked, read }
  }
  const stepsTo = (last: number, value?: number) => Array.from({ length: last }, (_, i) => step(i + 1, value))
  const at = (currentStep: number): Pick<TrainingSession, 'id' | 'currentStep'> => ({ id: 'demo', currentStep })

  test('is read whole, however long it is', async () => {
    const { asked, read } = server(stepsTo(20_001))
    const { steps } = await readCourse(read, at(20_001), undefined)
    expect(steps.map((each) => each.step)).toEqual(stepsTo(20_001).map((each) => each.step))
    expect(asked.filter((path) => path.startsWith('/api/metrics/'))).toHaveLength(3)
  })

  test('is read on from what is known, with the latest steps anew, since they may have been made again', async () => {
    const { asked, read } = server(stepsTo(210, 0.9))
    const known = { steps: stepsTo(200, 0.1), evaluations: [] }
    const { steps } = await readCourse(read, at(210), known)
    expect(asked).toContain('/api/metrics/demo?since=140&limit=10000')
    expect(steps.map((each) => each.metrics.compassionScore)).toEqual([
      ...Array.from({ length: 140 }, () => 0.1),
      ...Array.from({ length: 70 }, () => 0.9),
    ])
  })

  test('of a run that was taken back ends where it is now', async () => {
    const { read } = server(stepsTo(100, 0.9))
    const { steps } = await readCourse(read, at(100), { steps: stepsTo(500, 0.9), evaluations: [] })
    expect(steps).toEqual(stepsTo(100, 0.9))
  })
})
