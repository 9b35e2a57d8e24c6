/** An owner makes a link and closes the session to others, and people come by it, in real browsers on a real server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addSample, adminPassword, openWorld, type World } from '../server/attune.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'

const chromium = findChromium(process.env)

describe.skipIf(chromium === null)('invitations', () => {
  let world: World
  let owner: Reader
  let stranger: Reader
  let guest: Reader
  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server()
    await addSample(world.pool)
    ;[owner, stranger, guest] = (await Promise.all([1, 2, 3].map(() => openReader(chromium ?? '', url)))) as [
      Reader,
      Reader,
      Reader,
    ]
    await owner.page.goto('/console/demo')
    await owner.page.getByTestId('username').fill('admin')
    await owner.page.getByTestId('password').fill(adminPassword)
    await owner.page.getByTestId('sign-in').click()
  }, 120_000)
  afterAll(async () => {
    await Promise.all([owner, stranger, guest].map((reader) => reader?.close()))
    await world?.close()
  })

  const anAnswer = ({ page }: Reader) => page.locator('article').first()

  test('a link for one person lets one in, and no trace of it stays in their history; everybody else is put out when the session is for invited people', async () => {
    await owner.page.getByTestId('invite-label').fill('Class 7b')
    await owner.page.getByTestId('invite-cap').fill('1')
    await owner.page.getByTestId('make-invite').click()
    const link = await owner.page.getByTestId('invite-link').inputValue()
    expect(link).toMatch(/\/join#[\w-]{43}$/)

    await stranger.page.goto('/session/demo')
    await anAnswer(stranger).waitFor()
    await owner.page.getByTestId('audience').selectOption('invited')
    await owner.page.getByTestId('change-audience').click()
    await stranger.page.getByRole('heading', { name: 'There is no session “demo”' }).waitFor()

    await guest.page.goto(link)
    await guest.page.getByTestId('enter').click()
    await anAnswer(guest).waitFor()
    expect(new URL(guest.page.url()).pathname).toBe('/session/demo')
    expect(guest.page.url()).not.toContain('#')
    await guest.page.goBack()
    expect(guest.page.url()).not.toContain(link.split('#')[1] ?? '')

    const invite = owner.page.getByTestId('invite')
    await invite.getByText('1 of 1 person').waitFor()
    await stranger.page.goto(link)
    await stranger.page.getByTestId('enter').click()
    await stranger.page.getByText('This invitation is full: it was for one person.').waitFor()
    await invite.getByTestId('revoke-invite').click()
    await owner.page.getByTestId('decisions').getByText('revoked the link “Class 7b”').waitFor()
    await stranger.page.getByTestId('enter').click()
    await stranger.page.getByText('This invitation was revoked.').waitFor()
  })
})
