/**
 * What a rater sends, and what it does not: the vote card in a real browser on a real server; the trainer's part is its
 * own commit.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
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
      expect(await shown()).toBe('warm · 0.60')
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
    expect(await shown()).toBe('neutral · 0.50')
    await page.keyboard.press('0')
    await page.locator('body').click({ position: { x: 5, y: 5 } })
    expect(await send()).toMatchObject({ value: expect.closeTo(0.3 + 0.7 * 0.5, 10), compassion_rating: 0.5 })
  })

  test('of the three sides none is sent until all are set', async () => {
    const { page } = rater
    await page.getByTestId('three-sides').click()
    await page.getByTestId('compassion-agency').fill('1')
    expect(await shown()).toBe('not rated (2 sides to go)')
    await page.keyboard.press('0')
    await page.locator('body').click({ position: { x: 5, y: 5 } })
    expect(await send()).toMatchObject({ value: 1, compassion_rating: null, compassion: null })
  })

  test('a vote whose step changed nothing gets a warning in the room and a receipt that says so', async () => {
    const { page } = rater
    await page.keyboard.press('8')
    const { id } = (await send())!
    await trainer.commit({
      step: 1,
      policyVersion: 1,
      metrics: {},
      digest: '',
      crowd: [],
      pause: null,
      excluded: [],
      warnings: [{ kind: 'no-update', message: 'This step changed nothing.' }],
      receipts: [
        {
          feedbackId: id,
          weight: 0.4,
          reliability: 0.6,
          crowd: 0.7,
          advantage: 0.2,
          latencyMs: 12_000,
          comparable: 0,
          updated: false,
          logprob: { before: -41.2, after: -41.2 },
        },
      ],
    })
    await page.locator('[data-kind=no-update]').getByText('This step changed nothing.').waitFor()
    await page
      .getByTestId('receipt')
      .first()
      .getByText('changed nothing: its update left the model as it was')
      .waitFor()
    expect(await page.getByTestId('receipts').textContent()).not.toContain('likel')
  })
})
