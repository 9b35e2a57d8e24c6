/** A rater's page through what happens to pages: reloads, tabs, browsers that keep nothing, keyboards, closings. */
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addSample, adminPassword, connect, guest, type TestServer } from '../server/attune.ts'
import { findChromium } from './chromium.ts'
import { closeVoting, hangUp, happens, openHall, type Hall } from './room.ts'

const chromium = findChromium(process.env)

describe.skipIf(chromium === null)('a rater', () => {
  let hall: Hall
  let rater: BrowserContext
  let page: Page
  let first: string
  let second: string
  beforeAll(async () => {
    hall = await openHall(chromium ?? '')
  }, 120_000)
  afterAll(() => hall?.close())
  beforeEach(async () => {
    await hall.pool.query(`update samples set status = 'closed', step = 0`)
    first = await addSample(hall.pool, 'open', 'demo', { prompt: 'The first question', response: 'The first answer' })
    await hall.pool.query(`update samples set step = 2 where id = $1`, [first])
    second = await addSample(hall.pool, 'open', 'demo', {
      prompt: 'The second question',
      response: 'The second answer',
    })
    rater = await hall.visitor()
    page = await rater.newPage()
    return () => rater.close()
  })

  async function enter(at: Page = page): Promise<void> {
    await at.goto('/session/demo')
    await at.getByTestId('sample').waitFor()
  }
  /** The answer with this prompt, on the table. */
  const place = (prompt: RegExp) =>
    page.getByRole('navigation', { name: 'Answers on the table' }).getByRole('button', { name: prompt })
  const shown = (at: Page = page) => at.getByTestId('sample').getAttribute('data-sample')
  const votes = async (sampleId: string) =>
    (
      await hall.pool.query<{ human_rating: number; late: boolean }>(
        'select human_rating, late from feedback where sample_id = $1 and withdrawn_at is null',
        [sampleId],
      )
    ).rows
  const rating = (at: Page = page) =>
    at
      .locator('input[name=rating]:checked')
      .getAttribute('value', { timeout: 2_000 })
      .catch(() => null)
  /** A key of a layout that this machine doesn't have. */
  const press = (key: string, code: string, isComposing = false): Promise<boolean> =>
    page.evaluate(
      (event) =>
        document.body.dispatchEvent(new KeyboardEvent('keydown', { ...event, bubbles: true, cancelable: true })),
      { key, code, isComposing },
    )

  describe('keeps a half-written vote', () => {
    async function begin(): Promise<void> {
      await enter()
      expect(await shown()).toBe(first)
      await page.getByTestId('rate-4').check()
      await page.getByTestId('tag-kind').check()
      await page.getByTestId('comment').fill('I was in the middle of')
    }
    async function standsAsItWas(): Promise<void> {
      await page.getByTestId('comment').waitFor()
      expect(await page.getByTestId('comment').inputValue()).toBe('I was in the middle of')
      expect(await rating()).toBe('4')
      expect(await page.getByTestId('tag-kind').isChecked()).toBe(true)
    }

    test('over a reload', async () => {
      await begin()
      await page.reload()
      await page.getByTestId('sample').waitFor()
      await standsAsItWas()
    })

    test('over Back and forward again', async () => {
      await begin()
      await page.locator('a.brand').click()
      await page.getByTestId('join').first().waitFor()
      await page.goBack()
      await page.getByTestId('sample').waitFor()
      await standsAsItWas()
    })

    test('over a look at another answer', async () => {
      await begin()
      await place(/The second question/).click()
      await expect.poll(() => shown()).toBe(second)
      expect(await page.getByTestId('comment').inputValue()).toBe('')
      await place(/The first question/).click()
      await expect.poll(() => shown()).toBe(first)
      await standsAsItWas()
    })

    test('and shows it to nobody else: signed out, it is gone', async () => {
      await page.goto('/sign-in')
      await page.getByTestId('username').fill('admin')
      await page.getByTestId('password').fill(adminPassword)
      await page.getByTestId('sign-in').click()
      await page.locator('h1').getByText('Console').waitFor()
      await begin()
      await page.getByTestId('user-menu').click()
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByTestId('comment').waitFor()
      expect(await page.getByTestId('comment').inputValue()).toBe('')
      expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('I was in the middle of')
    })

    test('until it is sent', async () => {
      await begin()
      await page.getByTestId('submit').click()
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('I was in the middle of')
    })

    test('and what they passed over stays passed over', async () => {
      await enter()
      await page.getByTestId('skip').click()
      await expect.poll(() => shown()).toBe(second)
      await page.reload()
      await page.getByTestId('sample').waitFor()
      expect(await shown()).toBe(second)
    })
  })

  test('S5: in two tabs: a vote in one is known in the other at once, and what was written there is not lost', async () => {
    await enter()
    const other = await rater.newPage()
    await enter(other)
    expect(await shown(other)).toBe(first)
    await other.getByTestId('comment').fill('written in the second tab')
    await page.getByTestId('rate-9').check()
    await page.getByTestId('submit').click()
    await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
    await other.getByTestId('voted').waitFor()
    expect(await shown(other)).toBe(first)
    expect(await other.getByTestId('voted').textContent()).toContain('9 of 10')
    expect(await other.getByTestId('left-comment').textContent()).toBe('written in the second tab')
    // Taken back in the first, it can be given in the second, with what was written there.
    await page.getByTestId('withdraw').click()
    await other.getByTestId('comment').waitFor()
    expect(await other.getByTestId('comment').inputValue()).toBe('written in the second tab')
  })

  test('a vote that is refused comes back to its card, with a sentence and the comment', async () => {
    await enter()
    await page.getByTestId('rate-5').check()
    await page.getByTestId('comment').fill('not to be lost')
    // As an older page's vote that this tab was never told of.
    const { userId } = await page.evaluate(
      () => (JSON.parse(localStorage.getItem('attune.account') ?? '{}') as { user: { userId: string } }).user,
    )
    await hall.pool.query(
      `insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, compassion_rating, quality, value, salt)
       values (gen_random_uuid(), 'demo', $1, $2, 'p', 'r', 5, 0.5, 0.5, 0.5, $3)`,
      [first, userId, Buffer.alloc(32)],
    )
    await page.getByTestId('submit').click()
    const row = page.locator('[data-testid=sent-vote][data-state=refused]')
    await row.waitFor()
    expect(await row.textContent()).toContain('You have voted on this answer already')
    expect(await page.locator('body').textContent()).not.toContain('sampleId')
    await place(/The first question/).click()
    await expect.poll(() => page.getByTestId('comment').inputValue()).toBe('not to be lost')
  })

  describe('whose browser keeps nothing', () => {
    const faults: Record<string, string> = {
      'refuses it': `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError') } })`,
      'has none': `Object.defineProperty(window, 'localStorage', { get() { return undefined } })`,
      'is full': `Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }`,
      'holds damaged texts': `for (const key of ['attune.account', 'attune.theme', 'attune.view', 'attune.outbox.demo']) if (!sessionStorage.getItem('once' + key)) { localStorage.setItem(key, '{"half":'); sessionStorage.setItem('once' + key, '1') }`,
      'holds texts of another shape': `for (const [key, text] of [['attune.account', '{"token":7,"user":null}'], ['attune.theme', '[]'], ['attune.view', '7'], ['attune.outbox.demo', '{"a":[null]}']]) if (!sessionStorage.getItem('once' + key)) { localStorage.setItem(key, text); sessionStorage.setItem('once' + key, '1') }`,
    }
    test.each(Object.entries(faults))('can vote all the same, and is told: it %s', async (_, script) => {
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      await page.addInitScript(script)
      await page.goto('/')
      await page.getByTestId('join').first().click()
      await page.getByTestId('sample').waitFor()
      await page.getByTestId('rate-8').check()
      await page.getByTestId('submit').click()
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      expect(await votes(first)).toMatchObject([{ human_rating: 8 }])
      expect((await page.getByTestId('storage-note').textContent())?.trim()).not.toBe('')
      expect(errors).toEqual([])
    })
  })

  describe('on any keyboard', () => {
    test('rates by the row of digits on a French one, and in Arabic-Indic digits', async () => {
      await enter()
      await press('è', 'Digit7')
      await expect.poll(() => rating()).toBe('7')
      await press('٣', 'Digit3')
      await expect.poll(() => rating()).toBe('3')
      await press('à', 'Digit0')
      await expect.poll(() => rating()).toBe('10')
    })

    test('skips and withdraws on a Cyrillic one, and one press does one thing', async () => {
      await enter()
      await press('8', 'Digit8')
      await press('Enter', 'Enter')
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      await press('я', 'KeyZ')
      await page.locator('[data-testid=sent-vote][data-state=withdrawn]').waitFor()
      expect(await votes(first)).toEqual([])
      await expect.poll(() => shown()).toBe(first)
      await press('ы', 'KeyS')
      await expect.poll(() => shown()).toBe(second)
    })

    test('is left alone while they compose or write', async () => {
      await enter()
      await press('7', 'Digit7', true)
      await page.getByTestId('comment').focus()
      await page.keyboard.type('7 stars, z')
      expect(await rating()).toBeNull()
      expect(await shown()).toBe(first)
    })
  })

  describe('reads on after closing', () => {
    const begun = async (sampleId: string) =>
      (await hall.pool.query('select from vote_begun where sample_id = $1', [sampleId])).rowCount

    test('the answer under a still reader’s eyes stays, a vote on it counts though voting has closed, and a digit is about what is shown', async () => {
      await enter()
      // Reading is beginning: nothing has been touched.
      await expect.poll(() => begun(first)).toBe(1)
      await closeVoting(hall, first)
      await page.locator('[data-testid=closing][data-counts=true]').getByText('your vote counts until').waitFor()
      const next = await addSample(hall.pool, 'open', 'demo')
      await hall.pool.query('update samples set step = 9 where id = $1', [next])
      await happens(
        hall,
        {
          event: 'sample-started',
          payload: { sessionId: 'demo', sampleId: next, prompt: 'q', policyVersion: 0, step: 9, origin: 'rollout' },
        },
        { event: 'sample-ready', payload: { sessionId: 'demo', sampleId: next, response: 'a newer answer' } },
      )
      // Longer than the six seconds after which a reader was once taken to be only watching.
      await page.waitForTimeout(7_000)
      expect(await shown()).toBe(first)
      await page.keyboard.press('6')
      await page.keyboard.press('Enter')
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      expect(await votes(first)).toMatchObject([{ human_rating: 6, late: false }])
      expect(await votes(next)).toEqual([])
      expect(await page.getByTestId('late').count()).toBe(0)
      // By the vote they have gone on.
      await expect.poll(() => shown()).toBe(next)
    })

    test('an answer that only flits past is not begun; a vote on it after its closing is late, and the card says so before', async () => {
      await enter()
      await page.keyboard.press('s')
      await expect.poll(() => shown()).toBe(second)
      await closeVoting(hall, second)
      await page.locator('[data-testid=closing][data-counts=false]').waitFor()
      expect(await begun(second)).toBe(0)
      await page.keyboard.press('6')
      await page.keyboard.press('Enter')
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      expect(await votes(second)).toMatchObject([{ human_rating: 6, late: true }])
      expect(await page.getByTestId('late').count()).toBe(1)
    })

    test('nothing is begun while nobody looks, nor while as many votes are begun as may be; then it is, as soon as one is cast', async () => {
      const fourth = await addSample(hall.pool, 'open', 'demo', { prompt: 'The fourth question' })
      const third = await addSample(hall.pool, 'open', 'demo', { prompt: 'The third question' })
      await page.addInitScript(() => {
        let hidden = true
        Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') })
        Object.assign(window, { look: () => (hidden = false) })
      })
      await enter()
      await page.waitForTimeout(2_500)
      expect(await begun(first)).toBe(0)
      await page.evaluate(() => (window as unknown as { look: () => void }).look())
      await expect.poll(() => begun(first)).toBe(1)
      for (const [id, question] of [
        [second, /The second question/],
        [third, /The third question/],
      ] as const) {
        await place(question).click()
        await expect.poll(() => begun(id)).toBe(1)
      }
      await place(/The fourth question/).click()
      await page.waitForTimeout(2_500)
      expect(await begun(fourth)).toBe(0)
      await place(/The third question/).click()
      await page.getByTestId('rate-6').check()
      await page.getByTestId('submit').click()
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
      await place(/The fourth question/).click()
      await expect.poll(() => begun(fourth), { timeout: 10_000 }).toBe(1)
    })

    test('a vote given during an outage says that it came late', async () => {
      await enter()
      await rater.setOffline(true)
      await hangUp(hall, page)
      await page.locator('[data-connection=offline]').waitFor()
      await page.keyboard.press('7')
      await page.keyboard.press('Enter')
      await page.locator('[data-testid=sent-vote][data-state=waiting]').waitFor()
      await closeVoting(hall, first)
      await rater.setOffline(false)
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor({ timeout: 40_000 })
      expect(await votes(first)).toMatchObject([{ late: true }])
      expect(await page.getByTestId('late').count()).toBe(1)
    })

    test('the focus is on the answer, and stays there when it closes', async () => {
      await enter()
      await page.keyboard.press('s')
      await expect.poll(() => shown()).toBe(second)
      await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-sample'))).toBe(second)
      await closeVoting(hall, second)
      await page.getByTestId('closing').waitFor()
      expect(await page.evaluate(() => document.activeElement?.getAttribute('data-sample'))).toBe(second)
    })
  })

  describe('and the server', () => {
    test('closed by the server, the page says so and connects again', async () => {
      await enter()
      await page.locator('[data-connection=live]').waitFor({ state: 'attached' })
      await hangUp(hall, page)
      await expect
        .poll(() => page.getByTestId('connection').textContent())
        .toContain('The server has closed the connection.')
      await page.locator('[data-connection=live]').waitFor({ state: 'attached', timeout: 30_000 })
      await page.keyboard.press('7')
      await page.keyboard.press('Enter')
      await page.locator('[data-testid=sent-vote][data-state=stored]').waitFor()
    })

    test('a room that was left does not come back, whatever it was waiting for', async () => {
      await enter()
      await page.locator('[data-connection=live]').waitFor({ state: 'attached' })
      await hangUp(hall, page)
      await expect.poll(() => page.getByTestId('retry').count()).toBe(1)
      await page.locator('a.brand').click()
      await page.getByTestId('join').first().waitFor()
      const asked: string[] = []
      page.on('request', (request) => request.url().includes('/socket.io/') && asked.push(request.url()))
      page.on('websocket', (socket) => asked.push(socket.url()))
      await page.waitForTimeout(5_000)
      expect(asked).toEqual([])
      await expect.poll(() => present()).toBe(0)
    })

    test('nor does one whose sign-in was being renewed', async () => {
      await enter()
      // The server no longer knows the token; what would replace it takes its time.
      await page.evaluate(() => {
        const account = JSON.parse(localStorage.getItem('attune.account') ?? '{}') as { token: string }
        localStorage.setItem(
          'attune.account',
          JSON.stringify({ ...account, token: account.token.slice(0, -8) + 'AAAAAAAA' }),
        )
      })
      let renewals = 0
      await page.route('**/api/auth/refresh', async (route) => {
        renewals += 1
        await new Promise((resolve) => setTimeout(resolve, 2_000))
        await route.continue()
      })
      await page.reload()
      await expect.poll(() => renewals, { timeout: 10_000 }).toBeGreaterThan(0)
      await page.locator('a.brand').click()
      await page.locator('h1').getByText('together').waitFor()
      const sockets: string[] = []
      page.on('request', (request) => request.url().includes('/socket.io/') && sockets.push(request.url()))
      page.on('websocket', (socket) => sockets.push(socket.url()))
      await page.waitForTimeout(5_000)
      expect(sockets).toEqual([])
    })

    /** People in the room besides the one who looks, as the server counts them. */
    async function present(): Promise<number> {
      const server = { url: hall.url } as TestServer
      const looker = await connect(server, (await guest(server)).token)
      await looker.send('join-session', 'demo')
      const { raters } = await looker.wait('presence', ({ raters }) => raters > 0)
      looker.close()
      return raters - 1
    }
  })
})
