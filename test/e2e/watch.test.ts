/**
 * What crowd and researcher see of reward hacking, in real browsers on a real server; the trainer's part is its own
 * commits.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StepCommit } from '../../core/db/steps.ts'
import type { SessionWorld } from '../../trainer/loop/postgres-world.ts'
import { adminPassword, openWorld, type World } from '../server/attune.ts'
import { findChromium, openReader, type Reader } from './chromium.ts'
import { buildPage } from './page.ts'
import { until } from './sessions.ts'
import { openTrainer } from './trainer.ts'

const chromium = findChromium(process.env)
const reason = 'The reward promises more than people give: 0.92 where their votes say 0.48.'

describe.skipIf(chromium === null)('reward hacking, as people see it', () => {
  let world: World
  let trainer: SessionWorld
  let rater: Reader
  let researcher: Reader

  beforeAll(async () => {
    await buildPage()
    world = await openWorld()
    const { url } = await world.server()
    trainer = await openTrainer(world)
    for (let step = 1; step <= 9; step++) await trainer.commit(stepWith(step, {}))
    const readers = await Promise.all([openReader(chromium ?? '', url), openReader(chromium ?? '', url)])
    ;[rater, researcher] = readers
    await rater.page.goto('/session/demo')
    await researcher.page.goto('/console/demo')
    await researcher.page.getByTestId('username').fill('admin')
    await researcher.page.getByTestId('password').fill(adminPassword)
    await researcher.page.getByTestId('sign-in').click()
    for (const { page } of readers) await page.getByTestId('charts').getByText('Reward and people').waitFor()
  }, 120_000)
  afterAll(async () => {
    await Promise.all([rater?.close(), researcher?.close()])
    trainer?.close()
    await world?.close()
  })

  /** The reward rises, people's votes don't. */
  const stepWith = (step: number, over: Partial<StepCommit>): Omit<StepCommit, 'sessionId'> => ({
    step,
    policyVersion: step,
    metrics: {
      rewardScore: 0.4 + 0.05 * step,
      'gap/reward': 0.42 + 0.05 * step,
      'gap/people': 0.5 - 0.002 * step,
      compassionScore: 0.5,
      'objective/kl': 0.3 * step,
    },
    digest: '',
    receipts: [],
    crowd: [],
    warnings: [],
    pause: null,
    excluded: [],
    ...over,
  })
  const both = () => [rater.page, researcher.page]

  test('the reward’s latest value stands beside that of people’s votes', async () => {
    for (const page of both()) {
      const chart = page.getByTestId('charts').locator('figure').filter({ hasText: 'Reward and people' })
      expect((await chart.locator('figcaption').innerText()).replaceAll(/\s+/g, ' ')).toBe(
        'Reward and people reward 0.87 people 0.48',
      )
    }
  })

  test('a warning reaches crowd and researcher at once', async () => {
    await trainer.commit(stepWith(10, { warnings: [{ kind: 'reward-level', message: reason }] }))
    for (const page of both()) await page.getByTestId('warnings').getByText(reason).waitFor()
  })

  test('a run that pauses by itself says why, to those who come later, too, and only until somebody resumes it', async () => {
    await trainer.commit(stepWith(11, { warnings: [{ kind: 'reward-level', message: reason }], pause: reason }))
    const said = `The run paused automatically. ${reason}`
    for (const page of both()) {
      await page.getByTestId('phase').getByText(said).waitFor()
      expect(await page.getByText(reason).count(), 'it is said once').toBe(1)
    }
    await rater.page.reload()
    await rater.page.getByTestId('phase').getByText(said).waitFor()

    await researcher.page.getByTestId('resume').click()
    for (const page of both())
      await until(
        'the run goes on',
        10,
        async () => (await page.getByTestId('phase').getByText('paused').count()) === 0,
      )
  })
})
