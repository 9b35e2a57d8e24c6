/**
 * Two tabs of one browser, and whose votes they send (rule S5). A real server and the built client, without a trainer.
 */
import { chromium as browsers, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SignedIn } from '../../core/protocol/index.ts'
import { addSample, ask, openWorld, type TestServer, type World } from '../server/attune.ts'
import { findChromium } from './chromium.ts'
import { buildPage } from './page.ts'

const chromium = findChromium(process.env)
const password = 'a good password'

describe.skipIf(chromium === null)(
  chromium === null ? 'two tabs (no Chromium here: set CHROMIUM_PATH)' : 'two tabs',
  () => {
    let world: World
    let server: TestServer
    let browser: Browser
    let context: BrowserContext
    let one: Page
    let two: Page
    let samples: string[]
    beforeAll(async () => {
      await buildPage()
      world = await openWorld()
      server = await world.server()
      browser = await browsers.launch({ executablePath: chromium ?? '', args: ['--no-sandbox'] })
    })
    afterAll(async () => {
      await browser?.close()
      await world?.close()
    })
    beforeEach(async () => {
      await world.pool.query(`update samples set status = 'closed', closed_at = now()`)
      samples = [await addSample(world.pool), await addSample(world.pool), await addSample(world.pool)]
      context = await browser.newContext({ baseURL: server.url, viewport: { width: 1280, height: 1000 } })
      one = await context.newPage()
      two = await context.newPage()
      return () => context.close()
    })

    const kept = (page: Page) =>
      page.evaluate(() => JSON.parse(localStorage.getItem('attune.account') ?? 'null') as SignedIn | null)
    const whose = async () =>
      (
        await world.pool.query<{ user_id: string }>(
          'select user_id from feedback where sample_id = any($1) order by seq',
          [samples],
        )
      ).rows.map((row) => row.user_id)
    const people = async () =>
      (await world.pool.query<{ n: number }>('select count(*)::int as n from users')).rows[0]!.n
    const menu = (page: Page) => page.getByTestId('user-menu')
    const note = (page: Page) => page.getByTestId('whose-votes')

    async function enter(page: Page): Promise<void> {
      await page.goto('/session/demo')
      await live(page)
    }
    async function live(page: Page): Promise<void> {
      await page.waitForSelector('[data-testid=connection][data-connection=live]', { state: 'attached' })
      await page.waitForSelector('[data-testid=sample][data-status=open]')
    }
    async function vote(page: Page, state = 'stored'): Promise<void> {
      await page.locator('[data-testid=sample]').focus()
      await page.keyboard.press('8')
      await page.keyboard.press('Enter')
      await page.locator(`[data-testid=sent-vote][data-state=${state}]`).first().waitFor()
    }
    async function fill(page: Page, username: string): Promise<void> {
      await page.getByTestId('username').fill(username)
      await page.getByTestId('password').fill(password)
      await page.getByTestId('sign-in').click()
    }
    async function register(page: Page, username: string): Promise<void> {
      await page.goto('/sign-in')
      await page.getByRole('button', { name: 'I don’t have an account yet' }).click()
      await fill(page, username)
      await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'))
    }

    test('S5: tabs that are opened at once are one guest, and stay it when their token ends in both at once', async () => {
      const before = await people()
      await Promise.all([enter(one), enter(two)])
      const guest = await kept(one)
      expect(await people()).toBe(before + 1)
      for (let round = 0; round < 3; round++) {
        await one.evaluate(() => {
          const account = JSON.parse(localStorage.getItem('attune.account') ?? '{}') as object
          localStorage.setItem('attune.account', JSON.stringify({ ...account, until: 0 }))
        })
        await Promise.all([one.reload(), two.reload()])
        await Promise.all([live(one), live(two)])
      }
      expect((await kept(two))?.user.userId).toBe(guest?.user.userId)
      expect((await kept(two))?.refreshToken).not.toBe(guest?.refreshToken)
      expect(await people()).toBe(before + 1)
    })

    test('S5: a guest who makes an account is it in every tab, with the votes that it has given', async () => {
      await Promise.all([enter(one), enter(two)])
      const guest = (await kept(one))?.user.userId ?? ''
      await vote(one)
      await one.goto('/sign-in')
      await expect.poll(() => one.getByTestId('guest-votes').textContent()).toContain('stay with that guest')
      await register(one, 'Tabitha')
      await expect.poll(() => menu(two).textContent()).toContain('Tabitha')
      await enter(two)
      await vote(two)
      expect(await whose()).toEqual([guest, guest])
      expect(await kept(two)).toMatchObject({ user: { userId: guest, username: 'Tabitha', guest: false } })
    })

    test('S5: signed out in one tab, the other one is not that person any more', async () => {
      await register(one, 'Leonie')
      await Promise.all([enter(one), enter(two)])
      const leonie = (await kept(one))?.user.userId ?? ''
      await vote(two)
      await menu(one).click()
      await one.getByRole('button', { name: 'Sign out' }).click()
      await expect.poll(() => menu(two).textContent()).toContain('Guest')
      await live(two)
      await vote(two)
      const [first, second] = await whose()
      expect(first).toBe(leonie)
      expect(second).not.toBe(leonie)
      expect((await kept(one))?.user.userId).toBe(second)
    })

    test('S5: a sign-in that has ended is said; a vote given then waits, is sent as nobody else, and is sent once its owner is back', async () => {
      await register(one, 'Wanda')
      await enter(one)
      const wanda = await kept(one)
      const before = await people()
      // As from another device.
      await ask(server, 'POST', '/api/auth/logout', { body: { refreshToken: wanda?.refreshToken } })
      await expect
        .poll(() => note(one).textContent(), { timeout: 20_000 })
        .toContain('Your sign-in has ended. Sign in again as Wanda')
      await vote(one, 'waiting')
      await expect.poll(() => note(one).textContent()).toContain('to send one vote that waits')
      await one.reload()
      await expect.poll(() => note(one).textContent()).toContain('to send one vote that waits')
      expect(await whose()).toEqual([])
      expect(await people()).toBe(before)
      await note(one).locator('[data-offer=sign-in]').click()
      expect(await one.getByTestId('username').inputValue()).toBe('Wanda')
      await fill(one, 'Wanda')
      await one.waitForURL('**/session/demo')
      await live(one)
      await expect.poll(whose).toEqual([wanda?.user.userId])
      await expect.poll(() => note(one).locator('p').count()).toBe(0)
    })

    test('S5: who goes on as a guest sends nothing of who was here before', async () => {
      await register(one, 'Xenia')
      await enter(one)
      const xenia = await kept(one)
      await ask(server, 'POST', '/api/auth/logout', { body: { refreshToken: xenia?.refreshToken } })
      await note(one).locator('[data-offer=go-on]').waitFor({ timeout: 20_000 })
      await vote(one, 'waiting')
      await note(one).locator('[data-offer=go-on]').click()
      await live(one)
      await expect
        .poll(() => note(one).textContent())
        .toContain('One vote waits here that Xenia gave. Sign in as Xenia to send it.')
      await vote(one)
      const [sent, ...others] = await whose()
      expect(others).toEqual([])
      expect(sent).not.toBe(xenia?.user.userId)
    })
  },
)
