/** Raters see what they judge: answers as they are meant and as they were written, on a phone and on a desktop. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addSample, adminPassword } from '../server/attune.ts'
import { findChromium } from './chromium.ts'
import { excess, happens, openHall, type Hall } from './room.ts'

const chromium = findChromium(process.env)
const screens = { phone: { width: 360, height: 740 }, desktop: { width: 1440, height: 1000 } }

const code =
  'def greet(names):\n    for name in names:\n        if name:\n            print(f"Hello, {name}! A line that is far longer than any phone is wide, and is not to be broken")'
const arabic = 'مرحباً، أنا آسف لما حدث لك.'
const hostile = [
  'Donaudampfschifffahrtsgesellschaft'.repeat(40),
  `https://example.org/${'abc123'.repeat(150)}`,
  `Z${'\u0301'.repeat(300)} over`,
  `\u202Ereversed from here on, \u2067and never closed`,
  '👩‍👩‍👧‍👦'.repeat(60),
  'a\u200d'.repeat(400),
  `\`${'x'.repeat(900)}\``,
  `| ${'wide '.repeat(30)} | ${'w'.repeat(300)} | c | d | e | f |\n|---|---|---|---|---|---|\n| ${'1'.repeat(200)} | 2 | 3 | 4 | 5 | 6 |`,
  `- - - > 1. ${'deep '.repeat(200)}`,
  `[${'t'.repeat(400)}](https://evil.example/${'p'.repeat(400)})`,
].join('\n\n')

describe.skipIf(chromium === null)('what a rater sees', () => {
  let hall: Hall
  beforeAll(async () => {
    hall = await openHall(chromium ?? '')
  }, 120_000)
  afterAll(() => hall?.close())

  /** The only answer that is open, before the eyes of a new visitor. */
  async function shown(
    response: string,
    { prompt = 'What now?', ...options }: { prompt?: string; viewport?: { width: number; height: number } } = {},
  ): Promise<{ page: Page; close: () => Promise<void> }> {
    await hall.pool.query(`update samples set status = 'closed', step = 0`)
    const id = await addSample(hall.pool, 'open', 'demo', { prompt, response })
    const visitor = await hall.visitor(options)
    const page = await visitor.newPage()
    await page.goto('/session/demo')
    await page.locator(`[data-sample="${id}"]`).waitFor()
    return { page, close: () => visitor.close() }
  }
  const answer = (page: Page) => page.getByTestId('response')

  test('code keeps its indentation, scrolls inside itself and can be reached by keyboard', async () => {
    const { page, close } = await shown(`Like this:\n\n\`\`\`python\n${code}\n\`\`\`\n\nor\n\nif a:\n    b()`, {
      viewport: screens.phone,
    })
    const block = answer(page).locator('pre')
    expect((await block.textContent())?.trimEnd()).toBe(code)
    expect(await block.evaluate((pre) => getComputedStyle(pre).whiteSpace)).toContain('pre')
    expect(await block.evaluate((pre) => pre.scrollWidth > pre.clientWidth)).toBe(true)
    expect(await block.getAttribute('tabindex')).toBe('0')
    await block.focus()
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => block.evaluate((pre) => pre.scrollLeft)).toBeGreaterThan(0)
    // The arrow scrolled; it was no word on compassion.
    expect(await page.getByTestId('compassion').inputValue()).toBe('5.5')
    expect(await answer(page).evaluate((element) => (element as HTMLElement).innerText)).toContain('if a:\n    b()')
    expect(await excess(page)).toEqual({ px: 0, by: [] })
    await close()
  })

  test('Markdown is laid out; HTML in an answer is text, and nothing of it is fetched or run', async () => {
    const asked: string[] = []
    const { page, close } = await shown('warm-up')
    page.on('request', (request) => asked.push(request.url()))
    await close()
    const second = await shown(
      '**bold** and\n\n- a\n- b\n\n<img src="https://track.example/a.png" onerror="document.title=1"> ![p](https://track.example/b.png)\n\n<style>body{display:none}</style><b id="main" class="card">x</b> [out](https://evil.example/x) [in](/console) [js](javascript:alert(1))',
    )
    second.page.on('request', (request) => asked.push(request.url()))
    const text = answer(second.page)
    expect(await text.locator('strong').textContent()).toBe('bold')
    expect(await text.locator('li').count()).toBe(2)
    expect(
      await text.locator('.rendered').locator('img, style, script, b, iframe, [id], [class], [style]').count(),
    ).toBe(0)
    expect(await text.textContent()).toContain('<img src="https://track.example/a.png"')
    const links = await text
      .locator('a')
      .evaluateAll((all) => all.map((a) => [a.getAttribute('href'), a.getAttribute('rel'), a.getAttribute('target')]))
    expect(links).toEqual(
      expect.arrayContaining([['https://evil.example/x', 'noopener noreferrer nofollow', '_blank']]),
    )
    expect(links.every(([href]) => href?.startsWith('https://'))).toBe(true)
    expect(asked.filter((url) => !url.startsWith(hall.url))).toEqual([])
    await second.close()
  })

  test('Arabic runs from right to left and English beside it from left to right, each block by itself; so does what the rater writes', async () => {
    const { page, close } = await shown(`${arabic}\n\n- خذ نفساً\n\nThen in English.`, { prompt: 'فقدت وظيفتي اليوم' })
    const directions = await answer(page)
      .locator('p')
      .evaluateAll((all) => all.map((p) => getComputedStyle(p).direction))
    expect(directions).toEqual(['rtl', 'rtl', 'ltr'])
    expect(
      await page
        .getByTestId('prompt')
        .locator('p')
        .evaluate((p) => getComputedStyle(p).direction),
    ).toBe('rtl')
    for (const field of ['comment', 'ask-prompt']) {
      await page.getByTestId(field).fill(arabic)
      expect(await page.getByTestId(field).evaluate((element) => getComputedStyle(element).direction), field).toBe(
        'rtl',
      )
    }
    await page.getByTestId('view-toggle').click()
    expect(await answer(page).locator('[dir=auto]').count()).toBeGreaterThan(0)
    await close()
  })

  test('the raw view shows every character, marks those that can’t be seen, and is remembered', async () => {
    const raw = '**not bold**\n  two spaces \u202Eturned'
    const { page, close } = await shown(raw)
    await page.getByTestId('view-toggle').focus()
    await page.keyboard.press('Enter')
    expect(await answer(page).textContent()).toBe(raw)
    expect(await answer(page).locator('[data-code]').getAttribute('data-code')).toBe('U+202E')
    await page.reload()
    await page.locator('[data-view=raw]').first().waitFor()
    expect(await answer(page).textContent()).toBe(raw)
    await page.getByTestId('view-toggle').click()
    expect(await answer(page).locator('strong').textContent()).toBe('not bold')
    await close()
  })

  test('an answer that streams in loses nothing and leaves what stands alone', async () => {
    await hall.pool.query(`update samples set status = 'closed', step = 0`)
    const id = await addSample(hall.pool, 'streaming', 'demo', { response: '' })
    const visitor = await hall.visitor()
    const page = await visitor.newPage()
    await page.goto('/session/demo')
    await page.locator(`[data-sample="${id}"]`).waitFor()
    const text = 'First.\n\n```js\nlet a = 1\n  let b\n```\n\n- one\n- **two**\n\n| h |\n|---|\n| c |\n\nEnd.'
    for (let at = 0; at < text.length; at += 5) {
      await happens(hall, {
        event: 'sample-tokens',
        payload: { sessionId: 'demo', sampleId: id, offset: at, text: text.slice(at, at + 5) },
      })
      if (at === 10) {
        await expect.poll(() => answer(page).locator('p').first().textContent()).toBe('First.')
        await answer(page)
          .locator('p')
          .first()
          .evaluate((p) => ((p as HTMLElement & { same?: boolean }).same = true))
      }
    }
    await expect.poll(() => answer(page).locator('p').last().textContent()).toBe('End.')
    expect(await answer(page).locator('pre').textContent()).toBe('let a = 1\n  let b\n')
    expect(await answer(page).locator('td').textContent()).toBe('c')
    expect(
      await answer(page)
        .locator('p')
        .first()
        .evaluate((p) => (p as HTMLElement & { same?: boolean }).same),
    ).toBe(true)
    await visitor.close()
  })

  test.each(Object.entries(screens))(
    'no page is wider than a %s, whatever people and models write',
    async (_, viewport) => {
      const { pool } = hall
      const wide = 'W'.repeat(64)
      await pool.query(`update sessions set title = $1, pause_reason = null`, [`\u202E${'T'.repeat(118)}`])
      await pool.query(
        `update sessions set configuration = jsonb_set(jsonb_set(configuration, '{live,categories}', $1), '{live,tags}', $2)`,
        [JSON.stringify([{ name: wide, weight: 1 }]), JSON.stringify(['t'.repeat(200), '\u202Eodd'])],
      )
      await pool.query(
        `insert into warnings (session_id, step, kind, message) values ('demo', 1, 'length', $1) on conflict do nothing`,
        ['m'.repeat(400)],
      )
      const { page, close } = await shown(hostile, { prompt: `${'P'.repeat(390)} \u202E!`, viewport })
      if (viewport === screens.phone) await page.getByTestId('more').click()
      await page.getByTestId('comment').fill(`${'c'.repeat(1_500)} ${arabic}`)
      expect(await excess(page), 'the room').toEqual({ px: 0, by: [] })
      await page.getByTestId('view-toggle').click()
      expect(await excess(page), 'the room, raw').toEqual({ px: 0, by: [] })
      await page.getByTestId('view-toggle').click()
      await page.getByTestId('rate-7').check()
      await page.getByTestId('submit').click()
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      expect(await excess(page), 'the room after a vote').toEqual({ px: 0, by: [] })
      await page.evaluate((name) => {
        const account = JSON.parse(localStorage.getItem('attune.account') ?? '{}') as {
          user: { username: string; guest: boolean }
        }
        Object.assign(account.user, { username: name, guest: false })
        localStorage.setItem('attune.account', JSON.stringify(account))
      }, wide)
      await page.goto('/contributions')
      await page.getByTestId('answer').first().waitFor()
      expect(await excess(page), 'My votes').toEqual({ px: 0, by: [] })
      await page.getByTestId('appeal-open').click()
      await page.getByTestId('appeal-statement').fill(hostile.slice(0, 900))
      await page.getByTestId('appeal-send').click()
      await page.getByTestId('appeal').first().waitFor()
      expect(await excess(page), 'My votes with an appeal').toEqual({ px: 0, by: [] })
      await close()
      const researcher = await hall.visitor({ viewport })
      const desk = await researcher.newPage()
      await signIn(desk)
      await pool.query(
        `insert into models (id, name, type, architecture) values ($1, $2, 'nlp', 'gpt2') on conflict do nothing`,
        [wide.toLowerCase(), wide],
      )
      for (const [path, wait] of [
        ['/', 'session-card'],
        ['/console/demo', 'samples'],
        ['/appeals', 'appeal-case'],
        ['/epochs', null],
        ['/sign-in', 'username'],
        ['/nowhere', null],
        ['/session/demo', 'sample'],
      ] as const) {
        await desk.goto(path)
        if (wait === null) await desk.locator('h1').waitFor()
        else await desk.getByTestId(wait).first().waitFor()
        expect(await excess(desk), path).toEqual({ px: 0, by: [] })
      }
      await researcher.close()
    },
  )

  test('a mark of direction or a pile of accents stays within its own text', async () => {
    const { page, close } = await shown(`Z${'\u0301'.repeat(300)}\u202Eabc`, { prompt: '\u202Exyz' })
    const isolated = await page.getByTestId('response').evaluate((element) => getComputedStyle(element).unicodeBidi)
    expect(isolated).toMatch(/isolate|plaintext/)
    expect(await answer(page).evaluate((element) => getComputedStyle(element).overflowY)).toMatch(/clip|hidden/)
    // What the page itself says beside it reads as it did.
    const [label, step] = await page.locator('article header span').allTextContents()
    expect([label, step?.startsWith('step ')]).toEqual(['Someone writes', true])
    await close()
  })

  async function signIn(page: Page): Promise<void> {
    await page.goto('/console')
    await page.getByTestId('username').fill('admin')
    await page.getByTestId('password').fill(adminPassword)
    await page.getByTestId('sign-in').click()
    await page.locator('[data-testid=start-run]').waitFor()
  }
})
