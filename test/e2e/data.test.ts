/** An owner takes a run's data with them from the console, in a real browser on a real server. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminPassword, openWorld, type World } from '../server/attune.ts'
import { gather, linesOf, type Gathered } from '../server/exports-world.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'

const chromium = findChromium(process.env)

describe.skipIf(chromium === null)('a run’s data, as its owner downloads them', () => {
  let world: World
  let owner: Reader
  let run: Gathered
  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server()
    const { rows } = await world.pool.query<{ id: string }>(`select id from users where role = 'admin'`)
    run = await gather(world.pool, rows[0]!.id, { raters: 3, answers: 12, prompts: 3 })
    owner = await openReader(chromium ?? '', url)
    await owner.page.goto(`/console/${run.sessionId}`)
    await owner.page.getByTestId('username').fill('admin')
    await owner.page.getByTestId('password').fill(adminPassword)
    await owner.page.getByTestId('sign-in').click()
    await owner.page.getByTestId('export').waitFor()
  }, 120_000)
  afterAll(async () => {
    await owner?.close()
    await world?.close()
  })

  /** Presses the button; the file that the browser then keeps. */
  async function downloaded(): Promise<{ name: string; text: string }> {
    const [file] = await Promise.all([owner.page.waitForEvent('download'), owner.page.getByTestId('export').click()])
    return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') }
  }

  test('the table, the format and the columns that were chosen become a file', async () => {
    const { page } = owner
    await page.getByTestId('export-table').selectOption('votes')
    const votes = await downloaded()
    expect(votes.name).toBe(`attune-${run.sessionId}-votes.jsonl`)
    expect(linesOf(votes.text).map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(run.votes)
    await page.getByText(`${votes.name} is downloaded`).waitFor()

    await page.getByTestId('export-table').selectOption('preferences')
    await page.getByTestId('export-layout').selectOption('preference')
    await page.getByTestId('export-format').selectOption('csv')
    const pairs = await downloaded()
    expect(pairs.name).toBe(`attune-${run.sessionId}-preferences-preference.csv`)
    expect(pairs.text).toMatch(/^"prompt","chosen","rejected","id"\r\n"Prompt \d"/)
  })

  test('what is wrong with a filter stands beside it, and nothing is downloaded until it is right', async () => {
    const { page } = owner
    await page.getByTestId('export-table').selectOption('preferences')
    await page.getByTestId('export-format').selectOption('jsonl')
    await page.getByTestId('data').getByText('Filters').click()
    const margin = page.getByTestId('setting-minMargin')
    await margin.fill('two')
    await page.getByTestId('export').click()
    await page.getByTestId('data').getByText('A number from 0 to 1.').waitFor()
    expect(await margin.getAttribute('aria-invalid')).toBe('true')
    expect(await margin.evaluate((field) => field === document.activeElement)).toBe(true)
    await margin.fill('1')
    const { text } = await downloaded()
    expect(text).toBe('')
    expect(await margin.getAttribute('aria-invalid')).toBeNull()
  })
})
