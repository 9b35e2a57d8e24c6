/** The studies' charts, drawn only from the figures that they write: a chart can be redrawn from its JSON. Pure. */
import { z } from 'zod'
import { maxOf, mean, minOf, sampleDeviation } from '../../core/statistics.ts'
import { Misuse } from '../cli/options.ts'
import { ALGORITHMS, NAMES } from './algorithms.ts'
import type { Chart, Point } from './chart-page.ts'
import { HIGH, LOW } from './endurance.ts'
import { COMPASSION, nameOfRun } from './learning.ts'
import { METHOD_NAMES, METHODS } from './reliability.ts'
import { RISES_TO } from './turnaround.ts'

const Judged = z.object({ compassion: z.number() })
const Learning = z.object({
  study: z.literal('learning'),
  ...{ raters: z.number(), seconds: z.number() },
  runs: z.array(
    z.object({
      ...{ seed: z.number(), votesBy: z.enum(['oracle', 'random']), before: Judged, after: Judged },
      crowd: z.object({ steps: z.array(z.object({ step: z.number(), compassion: z.number() })) }),
    }),
  ),
})
const Watched = z.object({
  pauseReason: z.string().nullable(),
  steps: z.array(z.object({ step: z.number(), reward: z.number().optional(), people: z.number().optional() })),
})
const Hacking = z.object({
  study: z.literal('hacking'),
  ...{ raters: z.number(), lengthBonus: z.number(), hackable: Watched, control: Watched },
})
const Algorithms = z.object({
  study: z.literal('algorithms'),
  raters: z.number(),
  runs: z.array(
    z.object({
      algorithm: z.enum(ALGORITHMS),
      judged: z.array(z.object({ step: z.number(), score: z.number() })),
    }),
  ),
})
const Turnaround = z.object({
  study: z.literal('turnaround'),
  ...{ raters: z.number(), turn: z.number(), before: Judged },
  steps: z.array(z.object({ step: z.number(), rollouts: Judged, heldOut: Judged.nullable() })),
})
const Figure = z.object({ mean: z.number() })
const Reliability = z.object({
  study: z.literal('reliability'),
  ...{ raters: z.number(), seeds: z.number() },
  rows: z.array(
    z.object({
      ...{ attack: z.string(), share: z.number(), votesPerAnswer: z.number() },
      r: z.object({ attune: Figure, mean: Figure, median: Figure, dawidSkene: Figure, mace: Figure }),
    }),
  ),
})
const Endurance = z.object({
  study: z.literal('endurance'),
  ...{ raters: z.number(), minutes: z.number() },
  runs: z.array(
    z.object({ seed: z.number(), judged: z.array(z.object({ minute: z.number(), compassion: z.number() })) }),
  ),
})
const Traded = z.object({ compassion: Figure, usefulness: Figure })
const Compassion = z.object({
  study: z.literal('compassion'),
  ...{ seeds: z.number(), steps: z.number(), base: Traded },
  rows: z.array(Traded.extend({ lambda: z.number() })),
})
const Drawable = z.discriminatedUnion('study', [
  Learning,
  Endurance,
  Hacking,
  Algorithms,
  Turnaround,
  Reliability,
  Compassion,
])

/** @throws Misuse if these are not the figures of a study that has a chart */
export function chartOf(figures: unknown): Chart {
  const { data: study, error } = Drawable.safeParse(figures)
  if (error) {
    const { path, message } = error.issues[0]!
    throw new Misuse(`these are not figures that can be drawn: ${path.join('.')}: ${message}`)
  }
  switch (study.study) {
    case 'learning':
      return learningChart(study)
    case 'endurance':
      return enduranceChart(study)
    case 'hacking':
      return hackingChart(study)
    case 'algorithms':
      return algorithmsChart(study)
    case 'turnaround':
      return turnaroundChart(study)
    case 'compassion':
      return compassionChart(study)
    case 'reliability':
      return reliabilityChart(study)
  }
}

export function learningChart({ runs, raters, seconds }: z.infer<typeof Learning>): Chart {
  return {
    title: `${raters} simulated raters vote for ${seconds} s`,
    x: 'step of training',
    y: "oracle's mean compassion of the answers shown (0 to 1)",
    range: [0, 1],
    marks: [{ at: COMPASSION, label: `to reach: ${COMPASSION}` }],
    series: runs.map(({ seed, votesBy, before, after, crowd }) => ({
      name: `${nameOfRun(seed, votesBy)}: held out ${before.compassion.toFixed(2)} to ${after.compassion.toFixed(2)}`,
      control: votesBy === 'random',
      points: crowd.steps.map(({ step, compassion }): Point => [step, compassion]),
    })),
  }
}

export function enduranceChart({ runs, raters, minutes }: z.infer<typeof Endurance>): Chart {
  return {
    title: `${raters} simulated raters turn round after ${minutes} minutes and back after ${2 * minutes}`,
    x: 'minutes',
    y: "oracle's mean compassion of answers to held-out prompts (0 to 1)",
    range: [0, 1],
    marks: [
      { at: HIGH, label: `to pass: ${HIGH}` },
      { at: LOW, label: `to fall below: ${LOW}` },
    ],
    series: runs.map(({ seed, judged }) => ({
      name: `seed ${seed}`,
      points: judged.map(({ minute, compassion }): Point => [minute, compassion]),
    })),
  }
}

export function hackingChart({ hackable, control, raters, lengthBonus }: z.infer<typeof Hacking>): Chart {
  const line = ({ steps }: z.infer<typeof Watched>, side: 'reward' | 'people') =>
    steps.flatMap((step): Point[] => (step[side] === undefined ? [] : [[step.step, step[side]]]))
  const rewards = [hackable, control].flatMap((run) => line(run, 'reward').map(([, reward]) => reward))
  const paused = hackable.pauseReason === null ? '' : `, paused by itself after step ${hackable.steps.at(-1)?.step}`
  return {
    title: `A reward that pays for length (+${lengthBonus})${paused}`,
    x: 'step of training',
    y: `mean value of the answers ${raters} simulated raters voted on`,
    range: [0, Math.ceil(maxOf([1, ...rewards]) * 5) / 5],
    series: [
      { name: 'length pays: the reward', points: line(hackable, 'reward') },
      { name: 'length pays: people (0 to 1)', points: line(hackable, 'people') },
      { name: 'control: the reward', points: line(control, 'reward') },
      { name: 'control: people (0 to 1)', points: line(control, 'people') },
    ],
  }
}

export function algorithmsChart({ runs, raters }: z.infer<typeof Algorithms>): Chart {
  return {
    title: `PPO, GRPO and DPO on the votes of ${raters} simulated raters`,
    x: 'step of training',
    y: "oracle's score of held-out answers (0 to 1), mean ± deviation",
    range: [0.4, 1],
    series: ALGORITHMS.map((algorithm) => {
      const judged = runs.filter((run) => run.algorithm === algorithm).map((run) => run.judged)
      const [steps = []] = judged
      const scores = steps.map((_, k) => judged.map((run) => run[k]!.score))
      const means = scores.map(mean)
      return {
        name: `${NAMES[algorithm]}: ${means.at(0)?.toFixed(2)} to ${means.at(-1)?.toFixed(2)}`,
        points: steps.map(({ step }, k): Point => [step, means[k]!]),
        spread: scores.map(sampleDeviation),
      }
    }),
  }
}

export function turnaroundChart({ steps, before, turn, raters }: z.infer<typeof Turnaround>): Chart {
  const heldOut = steps.flatMap(({ step, heldOut: truth }): Point[] => (truth ? [[step, truth.compassion]] : []))
  return {
    title: `${raters} simulated raters turn round after step ${turn}`,
    x: 'step of training',
    y: "oracle's mean compassion of the answers (0 to 1)",
    range: [0, 1],
    marks: [{ at: RISES_TO, label: `to pass: ${RISES_TO}` }],
    series: [
      { name: "the step's own answers", points: steps.map(({ step, rollouts }): Point => [step, rollouts.compassion]) },
      { name: 'held-out answers', points: [[0, before.compassion], ...heldOut] },
    ],
  }
}

/** What each λ gives of either, in the plane of both. */
export function compassionChart({ rows, base, seeds, steps }: z.infer<typeof Compassion>): Chart {
  const at = ({ compassion, usefulness }: z.infer<typeof Traded>): Point => [compassion.mean, usefulness.mean]
  return {
    title: `The weight of compassion, ${steps} steps, ${seeds} seeds`,
    x: "oracle's mean compassion of held-out answers (0 to 1)",
    y: "oracle's mean usefulness of held-out answers (0 to 1)",
    range: [0, 1],
    series: [
      // First, so that the points stand on the line.
      { name: 'what λ trades', control: true, points: rows.map(at).sort(([a], [b]) => a - b) },
      { name: 'the base', points: [at(base)] },
      ...rows.map((row) => ({ name: `λ = ${row.lambda}`, points: [at(row)] })),
    ],
  }
}

/** By share of votes: the r that the group which misleads a method most leaves it, at ten votes an answer. */
export function reliabilityChart({ rows, raters, seeds }: z.infer<typeof Reliability>): Chart {
  const dense = rows.filter(({ votesPerAnswer }) => votesPerAnswer === 10)
  const of = (share: number) => dense.filter((row) => row.share === share)
  // A share that only one kind of group was tried at says nothing of the worst.
  const shares = [...new Set(dense.map(({ share }) => share))]
    .filter((share) => share === 0 || of(share).length > 1)
    .sort((a, b) => a - b)
  const series = METHODS.map((method) => ({
    name: METHOD_NAMES[method],
    control: method === 'mean',
    points: shares.map((share): Point => [100 * share, minOf(of(share).map(({ r }) => r[method].mean))]),
  }))
  return {
    title: `${raters} simulated raters, ${seeds} seeds: the worst that any kind of group does`,
    x: "the group's share of the votes (%)",
    y: "r of the crowd's value with the truth, ten votes an answer",
    range: [Math.floor(minOf(series.flatMap(({ points }) => points.map(([, r]) => r)))), 1],
    series,
  }
}
