import { PNG } from 'pngjs'
import { expect, test } from 'vitest'
import { sampleDeviation } from '../../core/statistics.ts'
import { drawChart } from '../../scripts/study/chart.ts'
import { algorithmsChart } from '../../scripts/study/charts.ts'
import { findChromium } from '../../scripts/study/chromium.ts'
import {
  algorithmsText,
  improves,
  runLine,
  type AlgorithmRun,
  type AlgorithmsStudy,
} from '../../scripts/study/algorithms.ts'

const run = (algorithm: AlgorithmRun['algorithm'], seed: number, scores: number[]): AlgorithmRun => ({
  algorithm,
  seed,
  judged: scores.map((score, i) => ({ step: 2 * i, score, compassion: score, usefulness: 0.5, readable: 0.9, kl: i })),
  secondsPerStep: 3,
})
const study = (dpoEnd: number): AlgorithmsStudy => ({
  study: 'algorithms',
  simulated: true,
  ...{ steps: 4, raters: 12, votesPerStep: 48, compassionWeight: 0.7 },
  runs: [
    run('ppo', 1, [0.5, 0.7, 0.8]),
    run('ppo', 2, [0.5, 0.7, 0.9]),
    run('grpo', 1, [0.5, 0.6, 0.7]),
    run('grpo', 2, [0.5, 0.6, 0.7]),
    run('dpo', 1, [0.5, 0.6, 0.7]),
    run('dpo', 2, [0.5, 0.6, dpoEnd]),
  ],
})

test('an algorithm improves the score only where it does so with every seed', () => {
  expect(improves(study(0.6), 'dpo')).toBe(true)
  expect(improves(study(0.49), 'dpo')).toBe(false)
  expect(algorithmsText(study(0.49))).toMatch(/holds {2}GRPO.*\nFAILS {2}DPO/)
})

test('figures are means over seeds with their unbiased deviation', () => {
  expect(sampleDeviation([1, 3])).toBeCloseTo(Math.SQRT2, 12)
  expect(sampleDeviation([4])).toBe(0)
  expect(algorithmsText(study(0.6))).toMatch(/PPO +0\.500 +0\.850 ± 0\.071 +0\.350 ± 0\.071/)
  expect(runLine(study(0.6).runs[0]!)).toBe(
    'PPO, seed 1: score 0.500 to 0.800, 90 % readable, KL 2.0 nats, 3.0 s a step',
  )
})

const chromium = findChromium(process.env)
const drawn = test.skipIf(chromium === null)

drawn('the chart shows each algorithm’s mean, and what its seeds differ by as a band around it', async () => {
  const { width, height, data } = PNG.sync.read(await drawChart(algorithmsChart(study(0.6)), chromium ?? ''))
  const pixels = Array.from({ length: width * height }, (_, i) => data.subarray(4 * i, 4 * i + 3).toString('hex'))
  const blended = pixels.filter((pixel) => pixel === 'd1e6f1').length // PPO's blue at 18 % on white
  for (const color of ['0072b2', 'd55e00', '008c69']) expect(pixels).toContain(color)
  expect(blended).toBeGreaterThan(500)
})
