/**
 * What a researcher does in the console: reads curves, overlays runs, searches tables, takes files with them, starts
 * again. In a real browser on a real server; the trainer's part is its own commits.
 */
import { mkdtempSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commitStep } from '../../core/db/steps.ts'
import { adminPassword, openWorld, type World } from '../server/attune.ts'
import { gather, type Gathered } from '../server/exports-world.ts'
import { complaints } from './axe.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'
import { excess } from './room.ts'

const chromium = findChromium(process.env)
const downloads = mkdtempSync(join(tmpdir(), 'attune-e2e-downloads-'))

describe.skipIf(chromium === null)('the console', () => {
  let world: World
  let other: Gathered
  let reader: Reader
  let page: Page

  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server({ DOWNLOADS_PATH: downloads })
    const { rows } = await world.pool.query<{ id: string }>(`select id from users where role = 'admin'`)
    other = await gather(world.pool, rows[0]?.id ?? '', {
      ...{ raters: 3, answers: 12, prompts: 3 },
      configuration: { learningRate: 0.002, rewardModel: { tastes: 'proportional' } },
    })
    await world.pool.query(`update sessions set title = 'Warmer' where id = $1`, [other.sessionId])
    for (let step = 1; step <= 12; step++) await commit('demo', step, 0.4 + 0.04 * step)
    for (let step = 1; step <= 5; step++) await commit(other.sessionId, step, 0.5 + 0.02 * step)
    reader = await openReader(chromium ?? '', url)
    page = reader.page
    await page.goto('/console')
    await page.getByTestId('username').fill('admin')
    await page.getByTestId('password').fill(adminPassword)
    await page.getByTestId('sign-in').click()
    await page.getByTestId('runs').waitFor()
  }, 120_000)
  afterAll(async () => {
    await reader?.close()
    await world?.close()
    await rm(downloads, { recursive: true })
  })

  async function commit(sessionId: string, step: number, rewardScore: number): Promise<void> {
    const client = await world.pool.connect()
    await commitStep(client, {
      ...{ sessionId, step, policyVersion: step, digest: '', receipts: [], crowd: [], warnings: [] },
      ...{ pause: null, excluded: [] },
      metrics: {
        rewardScore,
        compassionScore: rewardScore / 2,
        agreement: 0.1 * (step - 3),
        'objective/kl': 0.3 * step,
      },
    })
    client.release()
  }

  /** Presses a button; the file that the browser then keeps. */
  async function downloaded(press: () => Promise<void>): Promise<{ name: string; text: string }> {
    const [file] = await Promise.all([page.waitForEvent('download'), press()])
    return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') }
  }

  const chart = (title: string) => page.getByTestId('charts').getByRole('slider', { name: title, exact: true })
  const rows = () => page.getByTestId('runs').locator('tbody tr')
  const titles = () => rows().locator('a').allInnerTexts()

  test('a chart says the step and the values under the mouse, and under the cursor that the keys move', async () => {
    await page.goto('/console/demo')
    const reward = chart('Reward')
    await reward.waitFor()
    const readout = page.getByTestId('charts').getByTestId('readout')
    expect(await readout.count()).toBe(0)
    const { width = 0 } = (await reward.boundingBox()) ?? {}
    await reward.hover({ position: { x: width - 8, y: 60 } })
    await expect.poll(() => readout.allInnerTexts()).toEqual(['step 12: 0.88'])
    await page.mouse.move(0, 0)
    await expect.poll(() => readout.count()).toBe(0)

    await reward.focus()
    await page.keyboard.press('Home')
    expect(await readout.innerText()).toBe('step 1: 0.44')
    await page.keyboard.press('ArrowRight')
    expect(await reward.getAttribute('aria-valuetext')).toBe('step 2: 0.48')
    expect(await reward.getAttribute('aria-valuenow')).toBe('2')
    await page.keyboard.press('Escape')
    await expect.poll(() => readout.count()).toBe(0)
  })

  test('curves are smoothed and logarithmic where their values allow it, and stay so in this browser', async () => {
    await page.getByTestId('smoothing').fill('0.5')
    await page.getByTestId('logarithmic').check()
    const figure = (title: string) =>
      page
        .getByTestId('charts')
        .locator('figure')
        .filter({ has: page.getByRole('slider', { name: title, exact: true }) })
    await figure('Agreement').getByText('Not logarithmic').waitFor()
    expect(await figure('Reward').getByText('Not logarithmic').count()).toBe(0)
    await page.reload()
    await chart('Reward').focus()
    await page.keyboard.press('End')
    expect(await chart('Reward').getAttribute('aria-valuetext')).toBe('step 12: 0.88 (smoothed 0.84)')
    await page.getByTestId('smoothing').fill('0')
    await page.getByTestId('logarithmic').uncheck()
    await expect.poll(() => chart('Reward').getAttribute('aria-valuetext')).toBe('step 12: 0.88')
  })

  test('the curves and all metrics that the charts are of can be saved', async () => {
    const save = (what: string) => page.getByRole('button', { name: `Save ${what} as`, exact: false })
    const curves = await downloaded(() => save('curves').first().click())
    expect(curves.name).toBe('demo-curves.csv')
    const [head, first] = curves.text.split('\r\n')
    expect(head?.split(',').slice(0, 2)).toEqual(['"step"', '"rewardScore"'])
    expect(first).toMatch(/^1,0\.44,/)
    const all = await downloaded(() => save('all metrics').last().click())
    expect(all.name).toBe('demo-all-metrics.json')
    expect((JSON.parse(all.text) as object[])[11]).toMatchObject({ step: 12, rewardScore: 0.88 })
  })

  test('the runs are searched, filtered and ordered, by columns that stay chosen', async () => {
    await page.goto('/console')
    await expect.poll(titles).toHaveLength(2)
    const header = (name: string) => page.getByTestId('runs').getByRole('columnheader', { name })
    await header('Step').getByRole('button').click()
    expect(await header('Step').getAttribute('aria-sort')).toBe('descending')
    expect((await titles()).at(-1)).toBe('Warmer')
    await header('Step').getByRole('button').click()
    expect(await header('Step').getAttribute('aria-sort')).toBe('ascending')
    expect((await titles())[0]).toBe('Warmer')
    await page.getByTestId('run-search').fill('warm')
    await expect.poll(titles).toEqual(['Warmer'])
    await page.getByTestId('run-status').selectOption('failed')
    await page.getByTestId('runs').getByText('No run fits the filter.').waitFor()
    await page.getByTestId('run-status').selectOption('')

    await page.getByTestId('columns').locator('summary').click()
    await page.getByTestId('columns').getByLabel('Learning rate').check()
    await page.getByTestId('columns').getByLabel('Model').uncheck()
    await page.reload()
    await header('Learning rate').waitFor()
    expect(await header('Model').count()).toBe(0)
    await page.getByTestId('run-search').fill('warm')
    expect(await rows().first().innerText()).toContain('0.002')
    const saved = await downloaded(() => page.getByTestId('runs').getByTestId('save-csv').click())
    expect(saved.text).toMatch(/^"title","status",.*"learningRate","id"\r\n"Warmer",.*,0\.002,"run-[^"]+"\r\n$/)
    await page.getByTestId('run-search').fill('')
  })

  test('ticked runs have their curves in one chart each, told apart by letter and dash, and their settings compared', async () => {
    const compared = page.getByTestId('compared-curves')
    for (const title of ['Warmer', 'Teach a small model'])
      await rows().filter({ hasText: title }).getByTestId('tick').check()
    await expect.poll(() => page.getByTestId('legend').getByRole('listitem').count()).toBe(2)
    const legend = (await page.getByTestId('legend').getByRole('listitem').allTextContents()).map((text) =>
      text.replaceAll(/\s+/g, ' ').trim(),
    )
    expect(legend[0]).toMatch(/^A, green, solid: Warmer/)
    expect(legend[1]).toMatch(/^B, red, dashed: /)
    const reward = compared.getByRole('slider', { name: 'Reward', exact: true })
    expect(await reward.getAttribute('aria-valuetext')).toBe('step 12: A 0.60 (step 5), B 0.88')
    const differing = await page.getByTestId('differences').locator('tbody tr').allInnerTexts()
    expect(differing).toContain('Learning rate\t0.002\t0.0001')
    expect(differing).toContain('rewardModel.tastes\tproportional\tmajority')

    await page.getByRole('link', { name: 'A and B side by side' }).click()
    await page.getByTestId('compared-curves').waitFor()
    expect(new URL(page.url()).pathname).toBe(`/compare/${other.sessionId}/demo`)
    expect(await reward.getAttribute('aria-valuetext')).toBe('step 12: A 0.60 (step 5), B 0.88')
  })

  test('samples are searched, filtered and ordered, and what is shown is saved', async () => {
    await page.goto(`/console/${other.sessionId}`)
    const answers = () => page.getByTestId('samples').locator('tbody tr')
    await expect.poll(() => answers().count()).toBe(other.samples.length)
    await page.getByTestId('sample-search').fill('prompt 2')
    await expect.poll(() => answers().count()).toBe(4)
    expect(await page.getByTestId('sample-count').innerText()).toBe('4 of 12')
    await page.getByTestId('sample-voted').check()
    await page.getByTestId('samples').getByRole('button', { name: 'Crowd' }).click()
    const saved = await downloaded(() => page.getByRole('button', { name: 'Save samples as JSON' }).click())
    const values = JSON.parse(saved.text) as { prompt: string; value: number; votes: number }[]
    expect(values.map(({ prompt, votes }) => [prompt, votes])).toEqual(values.map(() => ['Prompt 2', 3]))
    expect(values).toHaveLength(4)
    expect(values.map(({ value }) => value)).toEqual(values.map(({ value }) => value).sort((a, b) => b - a))
    await page.getByTestId('sample-origin').selectOption('ask')
    await page.getByTestId('samples').getByText('No sample fits the filter.').waitFor()
  })

  test('a run starts again with another one’s settings, those without a field included', async () => {
    const configuration = await downloaded(() => page.getByTestId('save-configuration').click())
    expect(JSON.parse(configuration.text)).toMatchObject({ modelId: 'demo', configuration: { learningRate: 0.002 } })
    await page.getByTestId('again').click()
    await page.getByTestId('carried').getByText('rewardModel.tastes').waitFor()
    expect(await page.getByTestId('setting-learningRate').inputValue()).toBe('0.002')
    await page.getByTestId('run-title').fill('Warmer still')
    await page.getByTestId('start-run').click()
    await page.locator('h1').getByText('Warmer still').waitFor()
    const { rows: started } = await world.pool.query<{ configuration: object }>(
      `select configuration from sessions where title = 'Warmer still'`,
    )
    expect(started[0]?.configuration).toMatchObject({
      learningRate: 0.002,
      rewardModel: { tastes: 'proportional' },
      live: { title: 'Warmer still' },
    })
  })

  test('a link to the run is copied, or shown where the browser does not let the page copy', async () => {
    const link = page.url()
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByTestId('copy-link').click()
    await page.getByText('Copied.').waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link)
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }))
    await page.getByTestId('copy-link').click()
    await expect.poll(() => page.getByLabel('Link to the run').inputValue()).toBe(link)
  })

  test('a model is packed and downloaded by its button', async () => {
    await page.goto('/console')
    const model = await downloaded(() => page.getByRole('button', { name: 'Download demo', exact: true }).click())
    expect(model.name).toBe('demo.tar')
    expect(model.text).toContain('model.safetensors')
    await page.getByText(`${model.name} is downloaded`).waitFor()
  })

  for (const [width, height] of [
    [360, 740],
    [1440, 1000],
  ] as const)
    for (const colorScheme of ['light', 'dark'] as const)
      test(`at ${width} px, ${colorScheme}, nothing is wider than the screen, and axe finds nothing wrong`, async () => {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height })
        await page.goto('/console')
        for (const title of ['Warmer still', 'Teach a small model'])
          await rows().filter({ hasText: title }).getByTestId('tick').check()
        await page.getByTestId('compared-curves').locator('figure').first().waitFor()
        await page.getByTestId('columns').locator('summary').click()
        expect(await excess(page), 'the runs').toEqual({ px: 0, by: [] })
        expect(await complaints(page), 'the runs').toEqual([])
        await page.goto(`/console/${other.sessionId}`)
        await page.getByTestId('samples').waitFor()
        await chart('Reward').focus()
        expect(await excess(page), 'a run').toEqual({ px: 0, by: [] })
        expect(await complaints(page), 'a run').toEqual([])
        await page.goto(`/compare/${other.sessionId}/demo`)
        await page.getByTestId('compared-curves').locator('figure').first().waitFor()
        expect(await excess(page), 'two runs').toEqual({ px: 0, by: [] })
        expect(await complaints(page), 'two runs').toEqual([])
      })
})
