import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { agreementMetric, LIVE_METRICS, slope } from '../../trainer/loop/step-metrics.ts'
import { crowdOf } from '../../trainer/loop/crowd.ts'
import type { SettledVote } from '../../core/db/feedback.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import golden from '../fixtures/krippendorff.json' with { type: 'json' }
import { STEERING_METRICS } from '../../trainer/reward/steering.ts'
import { METRICS_BY_FILE } from '../../trainer/loop/metric-catalogue.ts'
import { metricsBy } from '../../trainer/rl/metrics.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import { WATCH_METRICS } from '../../trainer/loop/reward-hacking-watch.ts'
import { logWorld, openLog, twoPeople } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

interface Row {
  name: string
  meaning: string
  unit: string
  file: string
}

/** The rows of the tables of docs/METRICS.md, each with the file that its heading names. */
async function documented(): Promise<Row[]> {
  let file = ''
  return (await readFile('docs/METRICS.md', 'utf8')).split('\n').flatMap((line) => {
    file = /^## .*`(trainer\/\S+)`/.exec(line)?.[1] ?? file
    const row = /^\| `(\S+)` \| (.*) \| (.*) \|$/.exec(line)
    return row === null ? [] : [{ name: row[1]!, meaning: row[2]!, unit: row[3]!, file }]
  })
}

it('T4 a metric has one meaning and one unit, and docs/METRICS.md says them', async () => {
  const known = Object.entries(METRICS_BY_FILE).flatMap(([file, metrics]) =>
    Object.entries(metrics).map(([name, text]): Row => {
      const [, meaning, unit] = /^(.*); (.*?)$/.exec(text) ?? []
      if (meaning === undefined || unit === undefined) throw new Error(`${name} has no unit: "${text}"`)
      return { name, meaning, unit, file }
    }),
  )
  expect(await documented()).toEqual(known)
  expect(new Set(known.map(({ name }) => name)).size).toBe(known.length)
})

it('every metric of the seed system’s API is among them', async () => {
  const names = new Set((await documented()).map(({ name }) => name))
  const seed =
    'loss rewardScore compassionScore ethicalScore perplexity bleuScore rougeScore humanRating convergenceRate gradientNorm learningRate memoryUsage throughput ' +
    'objective/kl objective/entropy objective/scores objective/rlhf_reward policy/approxkl_avg policy/clipfrac_avg loss/policy_avg loss/value_avg val/ratio val/num_eos_tokens eps'
  expect(seed.split(' ').filter((name) => !names.has(name))).toEqual([])
})

it('T4 a step reports the documented metrics and no others, each a finite number', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-metrics-'))
  const modelDir = join(dir, 'model')
  await writeTinyModel(modelDir)
  await writeFile(
    join(modelDir, 'prompts.jsonl'),
    '{"prompt": "I am sad.", "answer": "I am sorry to hear it."}\n{"prompt": "How are you?"}\n',
  )
  const log = openLog()
  const run = await openRun({
    sessionId: 'metrics',
    config: tinyRun,
    modelDir,
    saved: null,
    engine: await openOnnx({ threads: 1 }),
  })
  await trainLive(run, logWorld(log, { store: openCheckpoints(dir), people: twoPeople(tinyRun.epochs) }))
  await run.close()
  await rm(dir, { recursive: true })

  const all = Object.keys({ ...metricsBy('ppo'), ...LIVE_METRICS, ...WATCH_METRICS, ...STEERING_METRICS })
  const steps = log.steps.map(({ metrics }) => metrics)
  expect([...new Set(steps.flatMap((metrics) => Object.keys(metrics)))].sort()).toEqual([...all].sort())
  for (const metrics of steps)
    for (const [name, value] of Object.entries(metrics)) expect(Number.isFinite(value), name).toBe(true)
  // Before the reward model has learnt from a vote, it is held against none; of one rating an answer nothing says how
  // far raters agree.
  const first = Object.keys(steps[0] ?? {})
  expect(first.filter((name) => name.startsWith('gap/') || name === 'agreement')).toEqual([])
})

it('the trend of the reward is the slope of its least-squares line', () => {
  expect(slope([3])).toBe(0)
  expect(slope([1, 1.5, 2, 2.5])).toBeCloseTo(0.5, 12)
  // Worked example: centre 1, Σ (i - 1) y = -0.2 + 0.9 = 0.7, Σ (i - 1)² = 2.
  expect(slope([0.2, 0.4, 0.9])).toBeCloseTo(0.35, 12)
})

it('the agreement of a step’s raters is the published alpha of the same ratings, and of answers with one rating there is none', () => {
  const votes = golden.ratings.flatMap((given, rater) =>
    given.flatMap((rating, answer): SettledVote[] =>
      rating === null
        ? []
        : [
            {
              id: `${rater}/${answer}`,
              sampleId: `answer ${answer}`,
              origin: 'rollout',
              raterId: `rater ${rater}`,
              ownQuestion: false,
              late: false,
              prompt: '',
              response: '',
              rating,
              categories: [],
              compassion: null,
              at: 0,
              seq: rater,
              usedIn: null,
              source: null,
            },
          ],
    ),
  )
  const crowd = crowdOf(TrainingConfig.parse({}), votes)
  expect(agreementMetric(crowd, votes).agreement).toBeCloseTo(golden.alpha.ordinal, 4)
  // The fresh votes say which answers, and all votes on these count.
  expect(
    agreementMetric(
      crowd,
      votes.filter(({ raterId }) => raterId === 'rater 1'),
    ).agreement,
  ).toBeCloseTo(0.8, 1)
  expect(agreementMetric(crowdOf(TrainingConfig.parse({}), votes.slice(0, 5)), votes.slice(0, 5))).toEqual({})
  expect(agreementMetric(crowd, [])).toEqual({})
})
