import { chromium, type Page } from 'playwright-core'

export { findChromium } from '../../scripts/study/chromium.ts'

/** A browser of somebody's own: with its own storage, so its own guest account. */
export interface Reader {
  page: Page
  /** Everything that the server has sent to its socket, in order: Socket.IO packets as text. */
  received: string[]
  close: () => Promise<void>
}

/** Opens a browser with an empty page, wide enough for the whole room. */
export async function openReader(executablePath: string, baseURL: string): Promise<Reader> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const page = await browser.newPage({ baseURL, viewport: { width: 1280, height: 1000 } })
  const received: string[] = []
  const keep = (payload: string | Buffer) => received.push(...payload.toString().split('\x1e'))
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => keep(payload)))
  // Before it has a websocket, Socket.IO asks over HTTP.
  page.on('response', (response) => {
    if (!response.url().includes('/socket.io/') || response.request().method() !== 'GET') return
    // The answer of a page that is closed meanwhile is gone.
    response.text().then(keep, () => undefined)
  })
  return { page, received, close: () => browser.close() }
}

/** The events among received packets, with what they carried; acknowledgements have the name `ack`. */
export function eventsOf(received: readonly string[]): { event: string; payload: unknown }[] {
  return received.flatMap((packet) => {
    const parts = /^4([23])(\d*)(\[.*\])$/s.exec(packet)
    if (parts === null) return []
    const body: unknown = JSON.parse(parts[3]!)
    if (!Array.isArray(body)) return []
    const [first, second]: unknown[] = body
    return parts[1] === '3' ? [{ event: 'ack', payload: first }] : [{ event: String(first), payload: second }]
  })
}
