/** What a run says of steps that change nothing, and of votes that leave something out: the live loop over a log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { idleSteps, idleWarning } from '../../trainer/loop/idle-steps.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import type { SettledVote } from '../../core/db/feedback.ts'
import { logWorld, openLog, twoPeople, type People, type RunLog } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-idle-'))
  await writeTinyModel(join(dir, 'model'))
})
afterAll(() => rm(dir, { recursive: true }))

/** Runs the loop to its end; `voted` changes what people say. */
async function live(
  change: TrainingConfigInput,
  voted: (vote: SettledVote) => SettledVote = (vote) => vote,
): Promise<RunLog> {
  const config = TrainingConfig.parse({
    ...tinyRun,
    ...change,
    live: { ...tinyRun.live, ...change.live },
    ppoConfig: { ...tinyRun.ppoConfig, ...change.ppoConfig },
  })
  const log = openLog()
  const store = openCheckpoints(join(dir, 'run'))
  const people: People = (seen) => {
    const told = twoPeople(config.epochs)(seen)
    return { ...told, votes: told.votes.map(voted) }
  }
  const run = await openRun({
    sessionId: 'idle',
    config,
    modelDir: join(dir, 'model'),
    saved: null,
    engine: await openOnnx({ threads: 1 }),
  })
  try {
    await trainLive(run, logWorld(log, { store, people }))
  } finally {
    await run.close()
  }
  return log
}

describe('a step with votes that changes nothing', () => {
  it('is warned of, and its receipts say so; one that learns is not, and its receipts do not', async () => {
    const idle = await live({ learningRate: 1e-14, epochs: 5 })
    expect(idle.steps.map(({ metrics }) => metrics['policy/update_norm']! < 1e-9)).toEqual(Array(5).fill(true))
    for (const { receipts } of idle.steps) {
      expect(receipts.length).toBeGreaterThan(0)
      expect(receipts.every(({ updated }) => !updated)).toBe(true)
    }
    const said = idle.steps.flatMap(({ step, warnings }) =>
      warnings.filter(({ kind }) => kind === 'no-update').map(({ message }) => [step, message] as const),
    )
    expect(said.map(([step]) => step)).toEqual([1])
    expect(said[0]![1]).toMatch(
      /^This step changed nothing: the model is as it was, and the receipts of its \d+ votes say so\. The learning rate, 1\.0e-14, is too low/,
    )

    const learning = await live({})
    expect(learning.steps.flatMap(({ receipts }) => receipts).every(({ updated }) => updated)).toBe(true)
    expect(learning.steps.flatMap(({ warnings }) => warnings).filter(({ kind }) => kind === 'no-update')).toEqual([])
    for (const { metrics } of learning.steps) expect(metrics['policy/update_norm']).toBeGreaterThan(1e-3)
  })

  it('is one of a row that a step without votes neither begins nor ends, and that is told of every sixtieth time', () => {
    const steps = [
      { changed: false, votes: 0 },
      { changed: false, votes: 2 },
      { changed: false, votes: 0 },
      { changed: false, votes: 1 },
      { changed: true, votes: 0 },
      { changed: false, votes: 1 },
    ]
    let idle = 0
    expect(steps.map((step) => (idle = idleSteps(idle, step)))).toEqual([0, 1, 1, 2, 0, 1])
    const told = (at: number, votes = 1) =>
      idleWarning(at, { votes, metrics: { gradientNorm: 0, learningRate: 1e-4 } }).length
    expect([0, 1, 2, 59, 60, 61, 62, 120, 121].map((at) => told(at))).toEqual([0, 1, 0, 0, 0, 1, 0, 0, 1])
    expect(told(1, 0)).toBe(0)
    expect(idleWarning(61, { votes: 1, metrics: { gradientNorm: 0, learningRate: 1e-4 } })[0]!.message).toMatch(
      /receipts of its vote say so\. So did the 60 steps before it\. No answer of the step was better/,
    )
  })
})

describe('a run of today', () => {
  it('is held by a fixed β that follows from the target KL, unless it names one', () => {
    const of = (config: TrainingConfigInput) => {
      const { klCoefficient, adaptiveKl, targetKL } = learnerConfig(TrainingConfig.parse(config))
      return { klCoefficient, adaptiveKl, targetKL }
    }
    expect(of({})).toEqual({ klCoefficient: 1 / Math.sqrt(8), adaptiveKl: false, targetKL: 4 })
    for (const algorithm of ['grpo', 'dpo'] as const)
      expect(of({ algorithm, ppoConfig: { targetKL: 8 } })).toMatchObject({ klCoefficient: 0.25, targetKL: 8 })
    expect(of({ live: { klCoefficient: 0.2 } })).toMatchObject({ klCoefficient: 0.2, adaptiveKl: false })
    expect(of({ live: { klCoefficient: 0 } }).klCoefficient).toBe(0)
    expect(of({ live: { adaptiveKl: true }, ppoConfig: { targetKL: 2 } })).toEqual({
      klCoefficient: 0.5,
      adaptiveKl: true,
      targetKL: 2,
    })
  })

  it('goes on with the configuration that a session of before was stored with, and learns', async () => {
    const stored: unknown = JSON.parse(
      JSON.stringify({
        ...TrainingConfig.parse({}),
        live: { ...TrainingConfig.parse({}).live, klCoefficient: 0.3, adaptiveKl: true },
        ppoConfig: { ...TrainingConfig.parse({}).ppoConfig, targetKL: 5 },
      }),
    )
    expect(learnerConfig(TrainingConfig.parse(stored))).toMatchObject({
      klCoefficient: 0.3,
      adaptiveKl: true,
      targetKL: 5,
    })
    const { steps: commits } = await live({
      epochs: 6,
      live: { klCoefficient: 0.3, adaptiveKl: true },
      ppoConfig: { targetKL: 0.01 },
    })
    for (const { metrics } of commits) {
      expect(metrics.learningRate).toBe(1e-2)
      expect(metrics['policy/update_norm']).toBeGreaterThan(1e-3)
      // Few votes have a part of the KL budget only: β is larger.
      expect(metrics['objective/kl_coef']).toBeGreaterThan(0.3 * 0.94)
    }
  })
})

describe('votes that leave compassion out', () => {
  it('are worth their quality, teach compassion nothing, and leave its figures out', async () => {
    const { steps: commits } = await live({ epochs: 3 }, (vote) => ({
      ...vote,
      rating: 10,
      categories: [],
      compassion: null,
    }))
    for (const { metrics, crowd } of commits) {
      expect(metrics).not.toHaveProperty('humanCompassion')
      expect(metrics).not.toHaveProperty('compassionScore')
      expect(metrics.humanRating).toBe(10)
      for (const { value } of crowd) expect(value).toBeGreaterThan(0.7)
    }
    expect(commits[2]!.metrics['gap/people']).toBe(1)
  })

  it('do not pull the mean compassion of those that rate it', async () => {
    const { steps: commits } = await live({ epochs: 3 }, (vote) => ({
      ...vote,
      compassion: vote.raterId === 'late' ? null : 0.8,
    }))
    // In the second step, only those vote who leave it out.
    expect(commits.map(({ metrics }) => metrics.humanCompassion)).toEqual([0.8, undefined, 0.8])
    expect(commits.every(({ metrics }) => 'compassionScore' in metrics)).toBe(true)
  })
})
