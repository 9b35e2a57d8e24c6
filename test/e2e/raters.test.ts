/** An owner excludes a rater from the console, and the rater's page says so, in real browsers on a real server. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addSample, adminPassword, openWorld, type World } from '../server/attune.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'

const chromium = findChromium(process.env)

describe.skipIf(chromium === null)('raters, as a run’s owner sees them', () => {
  let world: World
  let rater: Reader
  let owner: Reader
  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server()
    for (let i = 0; i < 2; i++) await addSample(world.pool)
    ;[rater, owner] = await Promise.all([openReader(chromium ?? '', url), openReader(chromium ?? '', url)])
    await rater.page.goto('/session/demo')
    await rater.page
      .getByRole('radio', { name: '9' })
      .or(rater.page.getByRole('button', { name: '9', exact: true }))
      .first()
      .waitFor()
    await rater.page.keyboard.press('9')
    await rater.page.keyboard.press('Enter')
    await votes(1)
    await owner.page.goto('/console/demo')
    await owner.page.getByTestId('username').fill('admin')
    await owner.page.getByTestId('password').fill(adminPassword)
    await owner.page.getByTestId('sign-in').click()
  }, 120_000)
  afterAll(async () => {
    await Promise.all([rater?.close(), owner?.close()])
    await world?.close()
  })

  /** Until so many votes are stored. */
  async function votes(count: number): Promise<void> {
    while ((await world.pool.query('select from feedback')).rowCount !== count) await sleep(50)
  }

  test('the console lists who votes and what it weighs; excluding needs a reason, and the rater’s open page shows it at once; readmitted, they may vote again', async () => {
    const row = owner.page.getByTestId('rater')
    await row.waitFor()
    expect((await row.innerText()).replaceAll(/\s+/g, ' ')).toMatch(
      /^Guest \d+ new 100\.0 % 1 vote, 0 comparable, reliability 0\.60 Exclude…$/,
    )
    await row.getByTestId('exclude').click()
    await row.getByTestId('confirm-exclude').click()
    expect((await world.pool.query('select from exclusions')).rowCount, 'not without a reason').toBe(0)
    await row.getByTestId('reason').fill('votes without reading.')
    await row.getByTestId('confirm-exclude').click()
    await row.getByText('Excluded by admin: votes without reading.').waitFor()
    await rater.page
      .getByTestId('excluded')
      .getByText('You are excluded from voting in this session: votes without reading.')
      .waitFor()
    await rater.page.reload()
    await rater.page.getByTestId('excluded').waitFor()
    await row.getByTestId('readmit').click()
    await rater.page.getByTestId('excluded').waitFor({ state: 'detached' })
    await rater.page.keyboard.press('7')
    await rater.page.keyboard.press('Enter')
    await votes(2)
  })
})
