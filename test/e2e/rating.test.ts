/**
 * What a rater sends, and what it does not: the vote card in a real browser on a real server; the trainer's part is its
 * own commit.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ReceiptRow, StepCommit } from '../../core/db/steps.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import type { SessionWorld } from '../../trainer/loop/postgres-world.ts'
import { addSample, openWorld, type World } from '../server/attune.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'
import { until } from './sessions.ts'
import { openTrainer } from './trainer.ts'

const chromium = findChromium(process.env)

describe.skipIf(chromium === null)('the vote card', () => {
  let world: World
  let trainer: SessionWorld
  let rater: Reader
  let sampleId: string

  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server()
    trainer = await openTrainer(world)
    rater = await openReader(chromium ?? '', url)
  }, 120_000)
  afterAll(async () => {
    await rater?.close()
    trainer?.close()
    await world?.close()
  })
  beforeEach(async () => {
    sampleId = await addSample(world.pool)
    await rater.page.goto('/session/demo')
    await rater.page.locator('[data-testid=sample][data-status=open]').waitFor()
  })

  const votes = async () =>
    (
      await world.pool.query<{
        id: string
        compassion_rating: number | null
        compassion: object | null
        categories: object[]
        value: number
      }>('select * from feedback where sample_id = $1', [sampleId])
    ).rows
  const send = async () => {
    await rater.page.keyboard.press('Enter')
    return (await until('the vote in Postgres', 10, async () => ((await votes()).length > 0 ? votes() : undefined)))[0]
  }
  const shown = () =>
    rater.page
      .locator('label', { has: rater.page.getByTestId('compassion') })
      .locator('.shown')
      .textContent()

  test.each([
    ['0', 1],
    ['1', 0],
  ])('keyboard rating %s and Enter is a value of %d: a dial that nobody touched is not sent', async (key, value) => {
    expect(await shown()).toBe('not rated')
    await rater.page.keyboard.press(key)
    expect(await send()).toMatchObject({ value, compassion_rating: null, compassion: null, categories: [] })
  })

  test('compassion that was rated can be left unrated again, by Backspace and by its button', async () => {
    const { page } = rater
    for (const clear of [() => page.keyboard.press('Backspace'), () => page.getByTestId('clear-compassion').click()]) {
      await page.keyboard.press('ArrowRight')
      expect(await shown()).toBe('warm · 6.5')
      await clear()
      expect(await shown()).toBe('not rated')
    }
    await page.locator('body').click({ position: { x: 5, y: 5 } })
    await page.keyboard.press('0')
    expect(await send()).toMatchObject({ value: 1, compassion_rating: null })
  })

  test('a press on the middle of the dial says so, and is sent', async () => {
    const { page } = rater
    await page.getByTestId('compassion').click()
    expect(await shown()).toBe('neutral · 5.5')
    await page.keyboard.press('0')
    await page.locator('body').click({ position: { x: 5, y: 5 } })
    expect(await send()).toMatchObject({ value: expect.closeTo(0.3 + 0.7 * 0.5, 10), compassion_rating: 0.5 })
  })

  test('of the three sides none is sent until all are set', async () => {
    const { page } = rater
    await page.getByTestId('three-sides').click()
    await page.getByTestId('compassion-agency').fill('10')
    expect(await shown()).toBe('not rated (2 sides to go)')
    await page.keyboard.press('0')
    await page.locator('body').click({ position: { x: 5, y: 5 } })
    expect(await send()).toMatchObject({ value: 1, compassion_rating: null, compassion: null })
  })

  const commitOf = (step: number, feedbackId: string, over: Partial<ReceiptRow>): Omit<StepCommit, 'sessionId'> => ({
    step,
    policyVersion: step,
    metrics: {},
    digest: '',
    crowd: [],
    pause: null,
    excluded: [],
    warnings: [],
    receipts: [
      {
        feedbackId,
        weight: 0.4,
        reliability: 0.6,
        crowd: 0.7,
        advantage: 0.2,
        latencyMs: 1_200,
        comparable: 0,
        updated: true,
        logprob: { before: -41.24, after: -41.16 },
        ...over,
      },
    ],
  })

  test('a vote whose step changed nothing gets a warning in the room and a receipt that says so', async () => {
    const { page } = rater
    await page.keyboard.press('8')
    const { id } = (await send())!
    await trainer.commit({
      ...commitOf(1, id, { updated: false, logprob: { before: -41.2, after: -41.2 } }),
      warnings: [{ kind: 'no-update', message: 'This step changed nothing.' }],
    })
    await page.locator('[data-kind=no-update]').getByText('This step changed nothing.').waitFor()
    await page
      .getByTestId('receipt')
      .first()
      .getByText('changed nothing: its update left the model as it was')
      .waitFor()
    expect(await page.getByTestId('receipts').textContent()).not.toContain('likel')
  })

  test('a receipt says what became of the answer; undone, it is void until the step is made again; final, it reads the same', async () => {
    const { page } = rater
    await page.keyboard.press('8')
    const { id } = (await send())!
    const receipt = (state: string) => page.locator(`[data-testid=receipt][data-feedback="${id}"][data-state=${state}]`)
    const words = (state: string) => receipt(state).locator('p').first().textContent()
    await trainer.commit(commitOf(2, id, {}))
    expect(await words('provisional')).toContain('became 1.08 times as likely (log-probability −41.24 → −41.16 nats)')
    await trainer.undo(2)
    await words('undone')
    await trainer.commit(commitOf(2, id, { logprob: { before: -41.24, after: -41.3 } }))
    const provisional = await words('provisional')
    expect(provisional).toContain('less likely, 0.94 times as likely as before')
    expect(provisional).toContain('You gave it 8')
    trainer.keeps(
      {
        save: () => Promise.resolve('a checkpoint'),
        load: () => Promise.reject(new Error('not kept')),
        prune: () => Promise.resolve(),
      },
      TrainingConfig.parse({}).checkpoints,
    )
    await trainer.finalise([{ step: 2, state: { tensors: new Map(), state: null } }])
    expect(await words('final')).toBe(provisional)
  })

  test('a vote that is withdrawn takes its receipt with it', async () => {
    const { page } = rater
    await page.keyboard.press('8')
    const { id } = (await send())!
    const before = await page.getByTestId('receipt').count()
    await trainer.commit(commitOf(3, id, {}))
    await expect.poll(() => page.getByTestId('receipt').count()).toBe(before + 1)
    await page.keyboard.press('z')
    await expect.poll(() => page.getByTestId('receipt').count()).toBe(before)
    await trainer.undo(3)
  })

  test('before and now stand side by side, and now is what the policy last answered', async () => {
    const { page } = rater
    const probe = { prompt: 'My cat is ill.', before: 'So what.' }
    await trainer.tellProbe({ ...probe, now: 'So what.', step: 0 })
    await page.getByTestId('probe-same').waitFor()
    await trainer.tellProbe({ ...probe, now: 'I am sorry about your cat.', step: 3 })
    await page.getByTestId('probe-now').getByText('I am sorry about your cat.').waitFor()
    const [left, right] = await Promise.all(
      ['probe-before', 'probe-now'].map((id) => page.getByTestId(id).boundingBox()),
    )
    expect(left!.x + left!.width).toBeLessThan(right!.x)
    await page.reload()
    await page.getByTestId('probe-now').getByText('I am sorry about your cat.').waitFor()
  })
})
