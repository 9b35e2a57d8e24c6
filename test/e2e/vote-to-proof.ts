import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Instance } from '../../scripts/study/instance.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openReader, type Reader } from './chromium.ts'
import { startQuickSession, until } from './sessions.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Must-show 5. The steps are one test: each needs the one before. */
export function voteToProof(opened: () => Instance, chromium: string): void {
  describe('one vote', () => {
    let reader: Reader
    beforeAll(async () => {
      reader = await openReader(chromium, opened().attune.url)
    })
    afterAll(() => reader?.close())

    test(
      'goes from a browser page to the weights and to a verified proof on the chain (V1, T1, C3, C4)',
      { timeout: 180_000 },
      async () => {
        const instance = opened()
        const { pool, attune } = instance
        const session = await startQuickSession(instance, 'One vote')
        const { page } = reader

        // Joins by a click, as a guest.
        await page.goto('/')
        await page.getByRole('button', { name: 'Join One vote' }).click()
        await page.waitForSelector('[data-testid=sample][data-status=open]', { timeout: 60_000 })

        // Votes by keyboard alone.
        await page.keyboard.press('9')
        await page.keyboard.press('ArrowRight')
        await page.keyboard.press('ArrowRight')
        await page.keyboard.press('Enter')

        // V1: it is acknowledged, so it is in Postgres.
        const sent = page.locator('[data-testid=sent-vote][data-state=stored]').first()
        await sent.waitFor()
        expect(await sent.getByTestId('crowd-value').textContent()).toMatch(/^(10|[1-9])\.\d$/)
        const { rows: votes } = await pool.query<{ id: string; human_rating: number; compassion_rating: number }>(
          'select id, human_rating, compassion_rating from feedback where session_id = $1',
          [session.id],
        )
        // Two points above the middle of the scale: 7.5 of 10.
        expect(votes).toEqual([{ id: expect.any(String), human_rating: 9, compassion_rating: 0.7222 }])
        const voteId = votes[0]!.id

        // The update that used it, and its receipt on the page.
        const receipt = page.getByTestId('receipt').first()
        await receipt.waitFor({ timeout: 60_000 })
        const { rows: receipts } = await pool.query<{ step: number; weight: number; latency: number }>(
          'select step, weight, latency_ms as latency from receipts where feedback_id = $1',
          [voteId],
        )
        expect(receipts).toHaveLength(1)
        const { step, weight, latency } = receipts[0]!
        expect(await receipt.textContent()).toContain(`Step ${step} used your vote`)
        expect(weight).toBeGreaterThan(0)
        expect(latency).toBeLessThan(30_000)
        const said = await receipt.locator('p').first().textContent()

        // Final once the vote can't be withdrawn any more; it reads the same.
        await page.locator('[data-testid=receipt][data-state=final]').waitFor({ timeout: 60_000 })
        expect(await receipt.locator('p').first().textContent()).toBe(said)

        // T1: the step's checkpoint holds other weights than the base.
        const checkpoint = await until(
          'a checkpoint',
          5,
          async () => (await instance.checkpoint(session.id)) ?? undefined,
        )
        const base = await readModel(instance.modelDir)
        const name = 'transformer.h.0.mlp.c_fc.weight'
        const trained = checkpoint.tensors.get(`learner/policy/${name}`)?.data
        const untrained = base.weights.get(name)?.data
        expect(trained?.length).toBe(untrained?.length)
        const moved = untrained?.reduce((sum, w, i) => sum + Math.abs(w - (trained?.[i] ?? Number.NaN)), 0)
        expect(moved).toBeGreaterThan(0)

        // C3: on the chain, and the page itself verifies the proof.
        await page.goto('/contributions')
        const contribution = page.locator(`[data-testid=contribution][data-feedback="${voteId}"]`)
        await contribution.getByTestId('verify').click({ timeout: 60_000 })
        await contribution.locator('[data-testid=verify-result][data-valid=true]').waitFor()
        expect(await contribution.locator('[data-step=root]').getAttribute('data-state')).toBe('pass')

        // … and so does a script that shares no code with the builder.
        const { rows: epochs } = await pool.query<{ epoch: number }>(
          'select epoch_id as epoch from epoch_records where feedback_id = $1',
          [voteId],
        )
        expect(epochs).toHaveLength(1)
        const { stdout } = await run(
          process.execPath,
          [
            '--import',
            'tsx',
            join(repository, 'scripts/verify-epoch/main.ts'),
            '--epoch',
            String(epochs[0]!.epoch),
            '--rpc',
            attune.rpcUrl,
            '--contract',
            attune.ledger,
            '--api',
            attune.url,
          ],
          { cwd: repository },
        )
        expect(stdout).toMatch(/^✓ epoch \d+: \d+ contributions/)
        await instance.stopSession(session.id)
      },
    )
  })
}
