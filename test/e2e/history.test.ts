/**
 * Evaluations, kept steps and two runs side by side, in a real browser on a real server; the trainer's part is its own
 * commits and evaluations.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keepEvaluation, type NewEvaluation } from '../../core/db/evaluations.ts'
import { append, openRedis } from '../../core/events/log.ts'
import type { SessionWorld } from '../../trainer/loop/postgres-world.ts'
import { adminPassword, openWorld, type World } from '../server/attune.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'
import { openTrainer } from './trainer.ts'

const chromium = findChromium(process.env)
const checkpoints = mkdtempSync(join(tmpdir(), 'attune-e2e-history-'))

describe.skipIf(chromium === null)('evaluations and the ways back, as people see them', () => {
  let world: World
  let trainer: SessionWorld | undefined
  let redis: Awaited<ReturnType<typeof openRedis>>
  let rater: Reader
  let researcher: Reader

  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server({ CHECKPOINTS_PATH: checkpoints })
    redis = await openRedis(world.redisUrl, () => undefined)
    trainer = await openTrainer(world)
    for (let step = 1; step <= 5; step++) await commit(step)
    for (const step of [0, 2, 4]) await evaluated(evaluationOf(step))
    const readers = await Promise.all([openReader(chromium ?? '', url), openReader(chromium ?? '', url)])
    ;[rater, researcher] = readers
    await rater.page.goto('/session/demo')
    await researcher.page.goto('/console/demo')
    await researcher.page.getByTestId('username').fill('admin')
    await researcher.page.getByTestId('password').fill(adminPassword)
    await researcher.page.getByTestId('sign-in').click()
  }, 120_000)
  afterAll(async () => {
    await Promise.all([rater?.close(), researcher?.close()])
    letGo()
    redis?.disconnect()
    await world?.close()
    await rm(checkpoints, { recursive: true })
  })

  /** As a real trainer's world does, whether it holds the run's lock or not. */
  async function evaluated(evaluation: NewEvaluation): Promise<void> {
    const payload = await keepEvaluation(world.pool, evaluation)
    await append(redis, evaluation.sessionId, { event: 'evaluation', payload })
  }

  /** As a real trainer does when its run is paused. */
  function letGo(): void {
    trainer?.close()
    trainer = undefined
  }

  async function commit(step: number): Promise<void> {
    const bytes = `the weights of step ${step}`
    const checkpoint = createHash('sha256').update(bytes).digest('hex')
    await mkdir(join(checkpoints, 'demo'), { recursive: true })
    await writeFile(join(checkpoints, 'demo', `${checkpoint}.safetensors`), bytes)
    await trainer?.commit({
      step,
      policyVersion: step,
      metrics: { rewardScore: 0.4 + 0.05 * step, compassionScore: 0.5 + 0.04 * step, 'objective/kl': 0.3 * step },
      digest: checkpoint,
      receipts: [],
      crowd: [],
      warnings: [],
      pause: null,
      excluded: [],
    })
    await world.pool.query(
      `update steps set final = true, kept = true, checkpoint = $2 where session_id = 'demo' and step = $1`,
      [step, checkpoint],
    )
  }

  const evaluationOf = (step: number, more: Partial<NewEvaluation> = {}): NewEvaluation => ({
    sessionId: 'demo',
    step,
    policyVersion: step,
    metrics: {
      'eval/value': 0.5 + 0.03 * step,
      'eval/compassion': 0.5 + 0.02 * step,
      'eval/usefulness': 0.5 + 0.01 * step,
      'eval/win_rate': 0.5 + 0.05 * step,
      'eval/win_rate_low': 0.35 + 0.05 * step,
      'eval/win_rate_high': 0.65 + 0.05 * step,
      'eval/kl': 0.25 * step,
      'eval/logprob': -1.2 - 0.02 * step,
      'eval/repetition': 0.01,
      'eval/truncated': 0.02,
      'eval/prompts': 32,
    },
    heads: {},
    against: step === 0 ? null : { step: 0, difference: 0.06, error: 0.02 },
    regressed: false,
    shows: step,
    answers: ['I am sad.', 'How do I tell her?'].map((prompt) => ({
      prompt,
      answer: `What step ${step} answers to “${prompt}”`,
      value: 0.5 + 0.03 * step,
      reference: { answer: 'What it answered before.', value: 0.5 },
    })),
    ...more,
  })

  test('an evaluation stands in room and console, and a regression says whose weights answer', async () => {
    for (const { page } of [rater, researcher])
      await page
        .getByTestId('verdict')
        .getByText('Evaluated after step 4. Its answers win 70 % of 32 prompts')
        .waitFor()
    expect(await rater.page.getByTestId('evaluations').locator('figure').count()).toBe(3)
    expect(await researcher.page.getByTestId('evaluations').locator('figure').count()).toBe(6)
    const against = { step: 4, difference: -0.09, error: 0.02 }
    await evaluated(evaluationOf(5, { regressed: true, shows: 4, against }))
    for (const { page } of [rater, researcher])
      await page.getByTestId('verdict').getByText('The weights of step 4 answer until').waitFor()
  })

  test('a run is taken back to a kept step, after a question', async () => {
    const { page } = researcher
    const row = (step: number) => page.getByTestId('kept-step').filter({ hasText: `Step ${step}` })
    await row(5).getByText('the run goes on from here').waitFor()
    await row(3).getByTestId('rollback').click()
    await row(3).getByText('Nothing is deleted, receipts stand').waitFor()
    letGo()
    await row(3).getByTestId('confirm-rollback').click()
    await row(3).getByText('the run goes on from here').waitFor()
    await row(5).getByText('set aside').waitFor()
    await page.getByTestId('history').getByText('admin went back from step 5 to step 3.').waitFor()
    await rater.page.getByTestId('warnings').getByText('The run was taken back to step 3').waitFor()
    await page.getByTestId('resume').waitFor()
    // What was set aside is no longer what the run is judged by.
    for (const reader of [rater, researcher])
      await reader.page.getByTestId('verdict').getByText('Evaluated after step 2.').waitFor()
  })

  test('another run branches from a kept step, and both stand side by side', async () => {
    const { page } = researcher
    const row = page.getByTestId('kept-step').filter({ hasText: 'Step 4' })
    await row.getByTestId('branch').click()
    await row.getByTestId('branch-title').fill('A second try')
    await row.getByLabel('Learning rate').fill('0.002')
    await row.getByTestId('confirm-branch').click()
    await page.getByText('Branched after step 4 of').waitFor()
    const child = new URL(page.url()).pathname.split('/').at(-1)!
    await evaluated({ ...evaluationOf(6), sessionId: child })
    await page.getByRole('link', { name: 'compare', exact: true }).click()
    await page.getByTestId('differences').getByText('Learning rate').waitFor()
    expect(await page.getByTestId('differences').locator('tbody tr').allInnerTexts()).toEqual([
      'Learning rate\t0.0001\t0.002',
    ])
    const answers = page.getByTestId('compared-answers').locator('tbody tr')
    expect((await answers.first().innerText()).replaceAll(/\s+/g, ' ')).toContain('What step 2 answers to “I am sad.”')
    expect(await answers.first().innerText()).toContain('What step 6 answers to “I am sad.”')
    expect(await page.getByTestId('compared-curves').locator('figure').count()).toBeGreaterThan(8)
  })
})
