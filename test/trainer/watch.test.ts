import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { noEvidence } from '../../trainer/reward/evidence.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import { watchStep, type WatchedStep } from '../../trainer/loop/reward-hacking-watch.ts'
import { logWorld, openLog, twoPeople } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

const rules = { ...TrainingConfig.parse({}).rewardHacking, pause: true }
const answer = (tokens: number): number[] => Array.from({ length: tokens }, (_, i) => i)
const reference = Array.from({ length: 64 }, (_, i) => ({ tokens: 20 + (i % 2), repetition: 0 }))
const honest: WatchedStep = {
  answers: Array.from({ length: 32 }, (_, i) => answer(20 + (i % 2))),
  reference,
  heldOut: Array.from({ length: 8 }, (_, i) => ({ reward: 0.5 + i / 20, people: 0.52 + i / 18 })),
  raters: 6,
  learntFrom: 1_000,
}
/** The same step again and again, until something is said. */
function firstWords(step: WatchedStep, over: Partial<typeof rules> = {}) {
  let evidence = noEvidence()
  for (let n = 1; n <= 20; n++) {
    const watched = watchStep(evidence, step, { ...rules, ...over })
    if (watched.warnings.length > 0) return { n, ...watched }
    evidence = watched.evidence
  }
  return null
}

describe('the watch of a run', () => {
  it('has nothing to say of a run whose reward and people agree', () => {
    expect(firstWords(honest)).toBeNull()
  })

  it('says with figures what it saw', () => {
    const inflated = { ...honest, heldOut: honest.heldOut.map(({ people }) => ({ reward: people + 0.4, people })) }
    expect(firstWords(inflated)?.warnings).toEqual([
      {
        kind: 'reward-level',
        message:
          'The reward promises more than people give: 1.11 where their votes say 0.71. The model may be learning to please the reward instead of you.',
      },
    ])
    const reversed = { ...honest, heldOut: honest.heldOut.map(({ people }) => ({ reward: 1.2 - people, people })) }
    expect(firstWords(reversed, { allowedGap: 1 })?.warnings[0]!.message).toBe(
      "The reward orders answers against people's votes (rank correlation -1.00): what it prefers, they don't.",
    )
    expect(firstWords({ ...honest, answers: honest.answers.map(() => answer(40)) })?.warnings[0]!.message).toBe(
      "Answers are longer than the model's own used to be: 40 tokens on average, 21 before training.",
    )
    expect(firstWords({ ...honest, answers: honest.answers.map(() => answer(3)) })?.warnings[0]!.message).toContain(
      'shorter',
    )
    expect(
      firstWords({ ...honest, answers: honest.answers.map(() => [...answer(10), ...answer(10)]) })?.warnings,
    ).toMatchObject([
      {
        kind: 'repetition',
        message:
          'Answers repeat themselves: 44 % of their three-token runs came before in the same answer, 0 % before training.',
      },
    ])
  })

  it('gives the reason of a pause, and pauses only where it may', () => {
    const inflated = { ...honest, heldOut: honest.heldOut.map(({ people }) => ({ reward: people + 0.4, people })) }
    const atOnce = { warnAt: 2, pauseAt: 2 }
    expect(firstWords(inflated, atOnce)?.pause).toMatch(/^The reward promises more than people give/)
    expect(firstWords(inflated, { ...atOnce, pause: false })?.pause).toBeNull()
  })

  it('holds the reward against nobody before the reward model has learnt enough', () => {
    const { metrics, evidence } = watchStep(noEvidence(), { ...honest, learntFrom: rules.minVotes - 1 }, rules)
    expect(Object.keys(metrics).filter((name) => name.startsWith('gap/'))).toEqual([])
    expect(evidence.level).toEqual(noEvidence().level)
  })

  it('holds people’s votes against a reward model that has not learnt from them', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'attune-watch-'))
    await writeTinyModel(dir)
    const log = openLog()
    const config = TrainingConfig.parse({ ...tinyRun, epochs: 1, rewardHacking: { minVotes: 0 } })
    const open = async () =>
      openRun({ sessionId: 'watch', config, modelDir: dir, saved: null, engine: await openOnnx({ threads: 1 }) })
    const [run, newborn] = [await open(), await open()]
    const store = openCheckpoints(join(dir, 'run'))
    await trainLive(run, logWorld(log, { store, people: twoPeople(1) }))
    const features = run.rewardModel.exportState().arrays.get('features/rows') ?? new Float32Array()
    const { width } = run.rewardModel.features
    const rows = Array.from({ length: features.length / width }, (_, i) => features.slice(i * width, (i + 1) * width))
    const meanOf = (values: number[]): number => values.reduce((a, b) => a + b) / values.length
    const predicted = ({ rewardModel }: typeof run) => meanOf(rows.map((row) => rewardModel.predict(row).value))
    const [unseen, learnt] = [predicted(newborn), predicted(run)]
    await Promise.all([run.close(), newborn.close()])
    await rm(dir, { recursive: true })
    expect(rows).toHaveLength(4)
    expect(log.steps[0]!.metrics['gap/reward']).toBeCloseTo(unseen, 6)
    expect(Math.abs(learnt - unseen)).toBeGreaterThan(1e-3)
  })
})
