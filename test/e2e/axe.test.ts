/** Nothing on a page bars anybody whom axe knows how to speak for: every page, light and dark, on a phone and a desktop. */
import type { BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SessionWorld } from '../../trainer/loop/postgres-world.ts'
import { addSample, adminPassword } from '../server/attune.ts'
import { complaints } from './axe.ts'
import { findChromium } from './chromium.ts'
import { openHall, type Hall } from './room.ts'
import { openTrainer } from './trainer.ts'

const chromium = findChromium(process.env)

const screens = { phone: { width: 360, height: 740 }, desktop: { width: 1440, height: 1000 } }
const themes = ['light', 'dark'] as const
/** Each with something that is there once the page is. */
const pages: Record<string, string> = {
  '/': '[data-testid=session-card]',
  '/session/demo': '[data-testid=submit]',
  '/session/none': 'h1:has-text("There is no session")',
  '/console': 'h1',
  '/console/demo': '[data-testid=samples]',
  '/compare/demo/demo': 'h1',
  '/contributions': 'h1',
  '/epochs': 'h1',
  '/appeals': 'h1',
  '/join': 'h1',
  '/sign-in': 'h1',
  '/nowhere': 'h1',
}

describe.skipIf(chromium === null)('axe finds nothing wrong', () => {
  let hall: Hall
  let trainer: SessionWorld
  let signedIn: NonNullable<BrowserContextOptions['storageState']>
  beforeAll(async () => {
    hall = await openHall(chromium ?? '')
    trainer = await openTrainer(hall)
    const response = 'An answer with `code`:\n\n```\nlong '.concat('line '.repeat(60), '\n```\n')
    for (let i = 0; i < 3; i++) await addSample(hall.pool, 'open', 'demo', { prompt: 'What now?', response })
    const admin = await hall.visitor()
    const page = await admin.newPage()
    await page.goto('/sign-in')
    await page.getByTestId('username').fill('admin')
    await page.getByTestId('password').fill(adminPassword)
    await page.getByTestId('sign-in').click()
    await page.locator('h1').getByText('Console').waitFor()
    await page.goto('/session/demo')
    await page.getByTestId('rate-8').check()
    await page.getByTestId('submit').click()
    await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
    for (let step = 1; step <= 3; step++)
      await trainer.commit({
        ...{ step, policyVersion: step, digest: '', receipts: [], crowd: [], pause: null, excluded: [] },
        metrics: { rewardScore: 0.4 + 0.05 * step, compassionScore: 0.5, 'objective/kl': 0.3 * step },
        warnings: step === 2 ? [{ kind: 'no-update', message: 'This step changed nothing.' }] : [],
      })
    signedIn = await admin.storageState()
    await admin.close()
  }, 120_000)
  afterAll(async () => {
    trainer?.close()
    await hall?.close()
  })

  for (const [name, viewport] of Object.entries(screens))
    for (const colorScheme of themes)
      test(`on a ${name}, ${colorScheme}`, { timeout: 120_000 }, async () => {
        const visitor = await hall.visitor({ viewport, colorScheme, storageState: signedIn })
        const page = await visitor.newPage()
        for (const [path, there] of Object.entries(pages)) {
          await page.goto(path)
          await page.locator(there).first().waitFor()
          expect(await complaints(page), path).toEqual([])
        }
        await page.goto('/session/demo')
        await page.getByTestId('submit').waitFor()
        if (name === 'phone') await page.getByTestId('more').click()
        await page.getByTestId('three-sides').click()
        await page.getByTestId('user-menu').click()
        expect(await complaints(page), 'the room, with everything open').toEqual([])
        await visitor.close()
      })
})
