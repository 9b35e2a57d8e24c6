import { PNG } from 'pngjs'
import { expect, test } from 'vitest'
import { drawChart } from '../../scripts/study/chart.ts'
import { turnaroundChart } from '../../scripts/study/charts.ts'
import { findChromium } from '../../scripts/study/chromium.ts'
import { turnaround, turnaroundCriteria, turnaroundText, type TurnaroundStep } from '../../scripts/study/turnaround.ts'

const truth = (compassion: number) => ({ compassion, usefulness: 0.5, readable: 0.95, kl: 1 })
const step = (n: number, compassion: number, change: Partial<TurnaroundStep> = {}): TurnaroundStep => ({
  step: n,
  rollouts: truth(compassion),
  heldOut: null,
  learningRate: 1e-4,
  updateNorm: 0.2,
  changed: true,
  klCoefficient: 0.35,
  kl: 1.5,
  ...change,
})
const followed = [0.5, 0.7, 0.8, 0.85, 0.85, 0.85, 0.7, 0.6, 0.5, 0.5].map((compassion, i) => step(i + 1, compassion))
const failing = (steps: readonly TurnaroundStep[]) =>
  turnaroundCriteria(steps, 5, 4)
    .filter(({ holds }) => !holds)
    .map(({ rule }) => rule)

test('a crowd is followed where every step moves the policy, the KL is bounded, and compassion rises and falls with the votes', () => {
  expect(failing(followed)).toEqual([])
  expect(failing(followed.map((s) => (s.step === 7 ? { ...s, changed: false } : s)))).toEqual([
    expect.stringContaining('leaves the policy as it was'),
  ])
  expect(failing(followed.map((s) => (s.step === 7 ? { ...s, learningRate: 0 } : s)))).toEqual([
    expect.stringContaining('learning rate is never 0'),
  ])
  expect(failing(followed.map((s) => (s.step === 7 ? { ...s, kl: 8 } : s)))).toEqual([
    expect.stringContaining('KL to the base'),
  ])
  expect(failing(followed.map((s) => (s.step > 5 ? step(s.step, 0.85) : s)))).toEqual([
    expect.stringContaining('falls by at least'),
  ])
  expect(failing(followed.map((s) => (s.step <= 5 ? step(s.step, 0.77) : s)))).toEqual([
    expect.stringContaining('passes 0.78'),
  ])
})

test('a crowd that turns round is followed by a real run, at small size: no step is the identity, and the learning rate is never 0', async () => {
  // Small steps on the demo model, a rate that suits them; all else is what a session has that names nothing.
  const study = await turnaround({
    modelDir: 'models/demo',
    seed: 1,
    steps: 64,
    turn: 24,
    heldOut: 0,
    change: { batchSize: 32, learningRate: 2e-4 },
  })
  console.log(turnaroundText(study))
  expect(study.steps).toHaveLength(64)
  expect(study.criteria.filter(({ holds }) => !holds)).toEqual([])
  for (const { learningRate, updateNorm, klCoefficient } of study.steps) {
    expect(learningRate).toBe(2e-4)
    // All votes of a large crowd are not quite all of the KL budget.
    expect(klCoefficient).toBeGreaterThan(1 / Math.sqrt(8))
    expect(klCoefficient).toBeLessThan(4 / Math.sqrt(8))
    expect(updateNorm).toBeGreaterThan(0.01)
  }
  const chromium = findChromium(process.env)
  if (chromium === null) return
  const { width, height } = PNG.sync.read(await drawChart(turnaroundChart(study), chromium))
  expect([width, height]).toEqual([960, 640])
}, 300_000)
