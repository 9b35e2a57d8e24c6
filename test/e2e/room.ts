/** A room without a trainer: a real server, the built client, and samples that are whole already. */
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { append, EVERYWHERE, openRedis, type InternalEvent } from '../../core/events/log.ts'
import type { RoomEvent } from '../../core/protocol/index.ts'
import { openWorld, type World } from '../server/attune.ts'
import { buildPage } from './page.ts'

export interface Hall extends World {
  url: string
  browser: Browser
  /** A browser of somebody's own. */
  visitor: (options?: BrowserContextOptions) => Promise<BrowserContext>
}

const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openHall(executablePath: string): Promise<Hall> {
  await buildPage()
  const world = await openWorld()
  const first = await world.server()
  await world.pool.query(`update sessions set status = 'active'`)
  const browser = await chromium.launch({ executablePath, args: quiet })
  return {
    ...world,
    url: first.url,
    browser,
    visitor: (options = {}) =>
      browser.newContext({ baseURL: first.url, viewport: { width: 1440, height: 1000 }, ...options }),
    async close() {
      await browser.close()
      await world.close()
    },
  }
}

/** What happens in the demo session, as a trainer or another server would say it. */
export async function happens({ redisUrl }: World, ...events: RoomEvent[]): Promise<void> {
  for (const event of events) await say(redisUrl, 'demo', event)
}

/** Closes voting, as a trainer would. */
export async function closeVoting(world: World, sampleId: string): Promise<void> {
  await world.pool.query(`update samples set status = 'closed', closed_at = clock_timestamp() where id = $1`, [
    sampleId,
  ])
  await happens(world, {
    event: 'voting-closed',
    payload: { sessionId: 'demo', sampleId, crowd: { votes: 0, value: null, compassion: null } },
  })
}

/** The server ends every connection of whoever uses this page. */
export async function hangUp({ redisUrl }: World, page: Page): Promise<void> {
  const userId = await page.evaluate(
    () => (JSON.parse(localStorage.getItem('attune.account') ?? '{}') as { user: { userId: string } }).user.userId,
  )
  await say(redisUrl, EVERYWHERE, { event: 'erased', payload: { userId } })
}

async function say(redisUrl: string, log: string, event: RoomEvent | InternalEvent): Promise<void> {
  const redis = await openRedis(redisUrl, (error) => console.error(error))
  await append(redis, log, event)
  redis.disconnect()
}

/** How much wider a page is than its screen, CSS pixels, and which element is. */
export const excess = (page: Page): Promise<{ px: number; by: string[] }> =>
  page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const wide = [...document.querySelectorAll('body *')].filter((one) => {
      if (one.getBoundingClientRect().right <= width + 1) return false
      for (let up = one.parentElement; up; up = up.parentElement)
        if (getComputedStyle(up).overflowX !== 'visible') return false
      return true
    })
    return {
      px: document.documentElement.scrollWidth - width,
      by: wide.map((one) => `${one.tagName}.${one.className}`).slice(0, 5),
    }
  })
