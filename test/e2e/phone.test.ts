/** The room on a phone: what there is to do is on the first screen, and stays within the thumb's reach. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addSample } from '../server/attune.ts'
import { findChromium } from './chromium.ts'
import { excess, openHall, type Hall } from './room.ts'

const chromium = findChromium(process.env)
const screen = { width: 360, height: 740 }
/** Of a target for a thumb, CSS pixels. */
const REACH = 44

describe.skipIf(chromium === null)('the room on a phone', () => {
  let hall: Hall
  let rater: BrowserContext
  let page: Page
  beforeAll(async () => {
    hall = await openHall(chromium ?? '')
  }, 120_000)
  afterAll(() => hall?.close())
  beforeEach(async () => {
    await hall.pool.query(`update samples set status = 'closed', step = 0`)
    for (const prompt of ['A short question', 'Another question'])
      await addSample(hall.pool, 'open', 'demo', { prompt, response: 'A long answer that goes on and on. '.repeat(60) })
    rater = await hall.visitor({ viewport: screen, hasTouch: true, isMobile: true })
    page = await rater.newPage()
    await page.goto('/session/demo')
    await page.getByTestId('sample').waitFor()
    return () => rater.close()
  })

  const controls = ['rate-1', 'rate-5', 'rate-10', 'compassion', 'submit', 'skip', 'more']
  const shown = () => page.getByTestId('sample').getAttribute('data-sample')

  async function allInReach(): Promise<void> {
    for (const id of controls) {
      const box = (await page.getByTestId(id).boundingBox())!
      expect(box.y, `${id} begins on the screen`).toBeGreaterThanOrEqual(0)
      expect(box.y + box.height, `${id} ends on the screen`).toBeLessThanOrEqual(screen.height)
      expect(Math.min(box.width, box.height), `${id} is large enough`).toBeGreaterThanOrEqual(REACH)
    }
  }

  test('the first screen has the question, the answer’s beginning, the scale, compassion and Send', async () => {
    await allInReach()
    const top = (await page.getByTestId('rate-1').boundingBox())!.y
    for (const id of ['prompt', 'response']) {
      const box = (await page.getByTestId(id).boundingBox())!
      expect(box.y + 40, id).toBeLessThan(top)
    }
    expect(await excess(page)).toEqual({ px: 0, by: [] })
  })

  test('the vote stays in reach while a long answer is read', async () => {
    await page.mouse.wheel(0, 600)
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(300)
    await allInReach()
  })

  test('tags, categories, the three sides and the comment are behind More', async () => {
    const rest = ['comment', 'tag-kind', 'category-helpfulness', 'three-sides']
    for (const id of rest) expect(await page.getByTestId(id).isVisible(), id).toBe(false)
    await page.getByTestId('more').tap()
    for (const id of rest) expect(await page.getByTestId(id).isVisible(), id).toBe(true)
    await page.getByTestId('comment').fill('said on a phone')
    await page.getByTestId('rate-8').tap()
    await page.getByTestId('submit').tap()
    await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
    const { rows } = await hall.pool.query<{ comments: string }>(
      'select comments from feedback order by seq desc limit 1',
    )
    expect(rows[0]?.comments).toBe('said on a phone')
  })

  test('a vote is taken back without scrolling, within its seconds', async () => {
    const first = await shown()
    await page.getByTestId('rate-8').tap()
    await page.getByTestId('submit').tap()
    await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
    const undo = page.getByTestId('undo').getByRole('button')
    const box = (await undo.boundingBox())!
    expect(box.y).toBeGreaterThanOrEqual(0)
    expect(box.y + box.height).toBeLessThanOrEqual(screen.height)
    expect(box.height).toBeGreaterThanOrEqual(REACH)
    await undo.tap()
    await page.locator('[data-testid=sent-vote][data-state=withdrawn]').waitFor({ state: 'attached' })
    await expect.poll(shown).toBe(first)
  })

  test('an answer that was skipped is called skipped, and comes back', async () => {
    const first = await shown()
    await page.getByTestId('skip').tap()
    await expect.poll(shown).not.toBe(first)
    const place = page.locator(`[data-answer="${first}"]`)
    expect(await place.getAttribute('aria-label')).toContain('you skipped it')
    await page.getByTestId('undo').getByRole('button').tap()
    await expect.poll(shown).toBe(first)
    expect(await place.getAttribute('aria-label')).toContain('waits for your vote')
    await page.reload()
    await page.getByTestId('sample').waitFor()
    expect(await place.getAttribute('aria-label')).toContain('waits for your vote')
  })
})
