import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Instance } from '../../scripts/study/instance.ts'
import { eventsOf, openReader, type Reader } from './chromium.ts'
import { startLongSession, until } from './sessions.ts'

/** Must-show 6. */
export function twoBrowsers(opened: () => Instance, chromium: string): void {
  describe('two browsers in one room', () => {
    let anna: Reader
    let ben: Reader
    let sessionId: string
    beforeAll(async () => {
      sessionId = (await startLongSession(opened(), 'Two browsers')).id
      ;[anna, ben] = await Promise.all([
        openReader(chromium, opened().attune.url),
        openReader(chromium, opened().attune.url),
      ])
      for (const { page } of [anna, ben]) {
        await page.goto(`/session/${sessionId}`)
        await page.waitForSelector('[data-testid=sample][data-status=open]', { timeout: 60_000 })
      }
    }, 120_000)
    afterAll(async () => {
      await Promise.all([anna?.close(), ben?.close()])
      await opened().stopSession(sessionId)
    })

    test('see that the other one is there', async () => {
      for (const { page } of [anna, ben]) await page.waitForSelector('[data-testid=presence][data-raters="2"]')
    })

    test('V3: the crowd’s value of an answer reaches nobody before they have voted on it, on the wire and on the page', async () => {
      const sampleId = await onTable(anna)
      await ben.page.locator(`[data-answer="${sampleId}"]`).click()
      await until('the same answer before Ben', 10, async () => (await onTable(ben)) === sampleId)

      await vote(anna, '9')
      // Ben's socket hears that there is a vote, and nothing of what it says.
      const told = await until('the news of the vote', 10, async () => votesOn(ben, sampleId).at(0))
      expect(told.votes).toBe(1)
      expect(crowdValues(ben, sampleId)).toEqual([])
      expect(await ben.page.getByTestId('crowd-value').count()).toBe(0)
      expect(await crowdOverRest(ben, sessionId, sampleId)).toBeNull()
      // Anna has voted: she sees it, here her own.
      await anna.page.locator('[data-testid=crowd-value]').waitFor()

      await vote(ben, '2')
      await ben.page.locator('[data-testid=crowd-value]').waitFor()
      const both = await until('the crowd of two', 10, async () =>
        crowdValues(ben, sampleId).find(({ votes }) => votes === 2),
      )
      await until('the news of the second vote', 10, async () =>
        crowdValues(anna, sampleId).find(({ votes }) => votes === 2),
      )
      expect(both.value).toBeGreaterThan(0)
      expect(both.value).toBeLessThan(1)
      expect(await crowdOverRest(ben, sessionId, sampleId)).toMatchObject({ votes: 2 })
    })

    test('see the same answer stream in, token by token (P3)', async () => {
      const prompt = 'I lost my job today and I feel lost.'
      await anna.page.getByTestId('ask-prompt').fill(prompt)
      await anna.page.getByTestId('ask').click()
      const streams = await Promise.all(
        [anna, ben].map((reader) => until('the whole answer', 30, async () => streamOf(reader, prompt))),
      )
      expect(streams[0]!.text).not.toBe('')
      expect(streams[1]).toEqual(streams[0])
      // Everything was streamed before it was whole.
      expect(streams[0]!.text).toBe(streams[0]!.response)
    })
  })
}

interface Crowd {
  value: number | null
  votes: number
}
type Fields = Record<string, unknown>
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null

const eventsAbout = ({ received }: Reader, sampleId: string): { event: string; payload: Fields }[] =>
  eventsOf(received).flatMap(({ event, payload }) => {
    if (!isFields(payload)) return []
    // An acknowledgement wraps what it says.
    const said = event === 'ack' && isFields(payload.data) ? payload.data : payload
    return said.sampleId === sampleId ? [{ event, payload: said }] : []
  })

const votesOn = (reader: Reader, sampleId: string) =>
  eventsAbout(reader, sampleId).flatMap(({ event, payload }) =>
    event === 'feedback-received' ? [{ votes: payload.votes }] : [],
  )

/** Every crowd value of a sample that has reached a browser, in events, acknowledgements and snapshots. */
function crowdValues(reader: Reader, sampleId: string): Crowd[] {
  const told = eventsAbout(reader, sampleId).map(({ payload }) => payload.crowd)
  const snapshots = eventsOf(reader.received).flatMap(({ event, payload }) => {
    if (event !== 'session-snapshot' || !isFields(payload) || !Array.isArray(payload.samples)) return []
    return payload.samples.filter((sample: Fields) => sample.id === sampleId).map((sample: Fields) => sample.crowd)
  })
  return [...told, ...snapshots].filter(isCrowd)
}
const isCrowd = (value: unknown): value is Crowd => isFields(value) && typeof value.votes === 'number'

/** The text of an answer as it streamed in and as it came at the end, once it is whole. */
function streamOf(reader: Reader, prompt: string): { id: string; text: string; response: string } | undefined {
  const started = eventsOf(reader.received).find(
    ({ event, payload }) => event === 'sample-started' && isFields(payload) && payload.prompt === prompt,
  )
  const id = isFields(started?.payload) ? String(started.payload.sampleId) : ''
  const events = eventsAbout(reader, id)
  const ready = events.find(({ event }) => event === 'sample-ready')
  if (ready === undefined) return undefined
  const text = events
    .filter(({ event }) => event === 'sample-tokens')
    .reduce((sum, { payload }) => sum + String(payload.text), '')
  return { id, text, response: String(ready.payload.response) }
}

async function onTable({ page }: Reader): Promise<string> {
  return (await page.locator('[data-testid=sample][data-status=open]').getAttribute('data-sample')) ?? 'none'
}

async function vote({ page }: Reader, rating: string): Promise<void> {
  await page.locator('[data-testid=sample]').focus()
  await page.keyboard.press(rating)
  await page.keyboard.press('Enter')
  await page.locator('[data-testid=sent-vote][data-state=stored]').first().waitFor()
}

async function crowdOverRest({ page }: Reader, sessionId: string, sampleId: string): Promise<unknown> {
  return page.evaluate(
    async ({ sessionId, sampleId }) => {
      const { token } = JSON.parse(localStorage.getItem('attune.account') ?? '{}') as { token?: string }
      const answer = await fetch(`/api/training/${sessionId}/samples`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const { data } = (await answer.json()) as { data: { id: string; crowd: unknown }[] }
      return data.find(({ id }) => id === sampleId)?.crowd
    },
    { sessionId, sampleId },
  )
}
