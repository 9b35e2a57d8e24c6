import { PNG } from 'pngjs'
import { describe, expect, test } from 'vitest'
import { drawChart } from '../../scripts/study/chart.ts'
import { findChromium } from '../../scripts/study/chromium.ts'
import { compassionChange, type Evaluation } from '../../scripts/study/evaluate.ts'
import { hackingCriteria, type HackingRun } from '../../scripts/study/hacking.ts'
import { criteriaOf as enduranceCriteria, type EnduranceRun } from '../../scripts/study/endurance.ts'
import { criteriaOf } from '../../scripts/study/learning.ts'
import type { StudyRun } from '../../scripts/study/run.ts'
import { table } from '../../scripts/study/table.ts'

const evaluation = (change: Partial<Evaluation>): Evaluation => ({
  prompts: 64,
  answers: 256,
  compassion: 0.5,
  compassionError: 0.01,
  usefulness: 0.4,
  readable: 0.97,
  kl: 0,
  byPrompt: [0.4, 0.6],
  strange: { compassion: 0.5, readable: 0.92 },
  ...change,
})
const run = (change: Partial<StudyRun>): StudyRun => ({
  seed: 1,
  votesBy: 'oracle',
  before: evaluation({}),
  after: evaluation({ compassion: 0.85, kl: 3 }),
  change: { mean: 0.35, error: 0.01 },
  targetKl: 6,
  meanKl: 2,
  lastKl: 4,
  steps: 14,
  crowd: {
    simulated: true,
    session: 'demo',
    raters: 12,
    adversaries: 0,
    votesBy: 'oracle',
    seed: 1,
    ended: null,
    seconds: 180,
    totalSeconds: 200,
    sent: 10,
    acknowledged: 10,
    withdrawn: 0,
    used: 10,
    usedBySocket: 10,
    rejected: {},
    tooLate: 0,
    reconnects: 0,
    caughtUp: 0,
    snapshots: 12,
    ackMs: null,
    gradientMs: null,
    settledMs: null,
    eventsPerSocketPerSecond: 1,
    steps: [],
    before: null,
    after: null,
  },
  ...change,
})
const failing = (change: Partial<StudyRun>) =>
  criteriaOf([run(change)])
    .filter(({ holds }) => !holds)
    .map(({ rule }) => rule)

describe('the learning study', () => {
  test('names the criterion that a run fails, and only that', () => {
    expect(failing({})).toEqual([])
    expect(failing({ after: evaluation({ compassion: 0.79 }) })).toEqual([
      expect.stringContaining('compassion on held-out prompts'),
    ])
    expect(failing({ after: evaluation({ compassion: 0.9, readable: 0.89 }) })).toEqual([
      expect.stringContaining('readable'),
    ])
    for (const kl of [{ meanKl: 6 }, { lastKl: 6.1 }, { after: evaluation({ compassion: 0.9, kl: 7 }) }]) {
      expect(failing(kl)).toEqual([expect.stringContaining('mean KL')])
    }
  })

  test('asks of all runs together what one says too little of: that answers to new situations stay readable', () => {
    const fall = (...after: number[]) =>
      criteriaOf(
        after.map((readable) =>
          run({ after: evaluation({ compassion: 0.85, strange: { compassion: 0.8, readable } }) }),
        ),
      ).filter(({ holds }) => !holds)
    expect(fall(0.92, 0.87)).toEqual([])
    expect(fall(0.89, 0.88)).toEqual([expect.objectContaining({ found: '3.5 ± 0.5 points' })])
    expect(fall(0.5)).toEqual([])
  })

  test('asks of the control only that it does not rise', () => {
    const control = (mean: number, error: number) =>
      failing({ votesBy: 'random', after: evaluation({}), change: { mean, error } })
    expect(control(-0.1, 0.01)).toEqual([])
    expect(control(0.06, 0.02)).toEqual([])
    expect(control(0.1, 0.02)).toHaveLength(1)
  })

  test('takes the error of a change over prompts, each compared with itself', () => {
    const before = evaluation({ byPrompt: [0.1, 0.5, 0.9] })
    const after = evaluation({ byPrompt: [0.3, 0.7, 1.1] })
    const { mean, error } = compassionChange(before, after)
    expect(mean).toBeCloseTo(0.2)
    expect(error).toBeCloseTo(0)
  })
})

describe('the endurance study', () => {
  const minutes = 10
  const { votes: _votes, steps: _steps, ...crowd } = { votes: [], ...run({}).crowd }
  const curve = (compassion: (minute: number) => number): EnduranceRun['judged'] =>
    Array.from({ length: 60 }, (_, i) => (i + 0.5) / 2).map((minute) => ({
      ...{ minute, compassion: compassion(minute), compassionError: 0.02, usefulness: 0.6, readable: 1 },
    }))
  const cost = { step: 20, seconds: 1, memory: 1_000 }
  const failing = (change: Partial<EnduranceRun>): string[] =>
    enduranceCriteria(
      {
        ...{ seed: 1, steps: 1_200, still: 0, kl: 3.9, targetKl: 4, crowd, measured: [] },
        judged: curve((minute) => (minute > 12 && minute < 22 ? 0.2 : 0.85)),
        ...{ early: cost, late: { ...cost, step: 1_000 } },
        ...change,
      },
      minutes,
    )
      .filter(({ holds }) => !holds)
      .map(({ rule }) => rule)

  test('names the criterion that a run fails, and only that', () => {
    expect(failing({})).toEqual([])
    expect(failing({ still: 1 })).toEqual([expect.stringContaining('changes the policy')])
    expect(failing({ kl: 4.01 })).toEqual([expect.stringContaining('smoothed KL')])
    expect(failing({ late: { step: 1_000, seconds: 1.21, memory: 1_000 } })).toEqual([
      expect.stringContaining('time and the memory'),
    ])
    expect(failing({ late: { step: 1_000, seconds: 1, memory: 1_201 } })).toHaveLength(1)
    expect(failing({ judged: curve((minute) => (minute > 16 && minute < 22 ? 0.2 : 0.85)) })).toEqual([
      expect.stringContaining('within 5 minutes'),
    ])
    expect(failing({ judged: curve((minute) => (minute > 12 ? 0.2 : 0.85)) })).toEqual([
      expect.stringContaining('after the second turn'),
    ])
  })
})

describe('the hacking study', () => {
  const { crowd } = run({})
  const watched = (change: Partial<HackingRun>, rise = { reward: 0, people: 0 }): HackingRun => ({
    lengthBonus: 0,
    warnings: [],
    pauseReason: null,
    crowd,
    steps: [0, 0.5, 1, 1].map((share, i) => ({
      step: i + 1,
      reward: 0.5 + share * rise.reward,
      people: 0.5 + share * rise.people,
      length: 30,
      kl: 1,
      evidence: { level: 0, order: 0, length: 0, repetition: 0 },
    })),
    ...change,
  })
  const cheated = watched({ pauseReason: 'why' }, { reward: 0.6, people: 0.1 })
  const failing = (hackable: HackingRun, control: HackingRun) =>
    hackingCriteria(hackable, control)
      .filter(({ holds }) => !holds)
      .map(({ rule }) => rule)

  test('names the criterion that a run fails, and only that', () => {
    expect(failing(cheated, watched({}))).toEqual([])
    expect(failing({ ...cheated, pauseReason: null }, watched({}))).toEqual([
      expect.stringContaining('the run pauses by itself'),
    ])
    expect(failing(watched({ pauseReason: 'why' }, { reward: 0.6, people: 0.5 }), watched({}))).toEqual([
      expect.stringContaining('the reward has risen'),
    ])
    expect(failing(cheated, watched({ pauseReason: 'why' }))).toEqual(['the control does not pause'])
    expect(failing(cheated, watched({ warnings: [{ step: 3, kind: 'reward-level', message: 'why' }] }))).toEqual([
      expect.stringContaining('nobody is told'),
    ])
  })
})

const chromium = findChromium(process.env)
describe.skipIf(chromium === null)('a chart', () => {
  test('shows every series in a colour of its own, the control in grey', async () => {
    const points = (y: number) =>
      [
        [1, y],
        [2, y],
      ] as const
    const chart = await drawChart(
      {
        title: 'Title',
        x: 'step',
        y: 'value',
        range: [0, 1],
        marks: [{ at: 0.8, label: 'to reach' }],
        series: [
          { name: 'a', points: points(0.2) },
          { name: 'b', points: points(0.4) },
          { name: 'control', points: points(0.6), control: true },
        ],
      },
      chromium ?? '',
    )
    const { width, height, data } = PNG.sync.read(chart)
    expect([width, height]).toEqual([960, 640])
    const colours = new Set(
      Array.from({ length: width * height }, (_, i) => data.subarray(4 * i, 4 * i + 3).toString('hex')),
    )
    for (const colour of ['0072b2', 'd55e00', '7a808a']) expect(colours).toContain(colour)
  })
})

describe('a table', () => {
  test('has columns of one width', () => {
    expect(
      table(
        ['run', 'n'],
        [
          ['first', '1'],
          ['x', '100'],
        ],
      ),
    ).toBe('run      n\n-----  ---\nfirst    1\nx      100')
  })
})
