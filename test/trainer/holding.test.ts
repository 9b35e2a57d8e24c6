/** How long a closing waits for votes that have been begun. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { limits } from '../../core/protocol/index.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import type { World } from '../../trainer/loop/world.ts'
import { logWorld, openLog, twoPeople } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-holding-'))
  await writeTinyModel(dir)
})
afterAll(() => rm(dir, { recursive: true }))

/** Answers that are due at once: how long each was held open after its closing was first wanted, by the run's own clock. */
async function delays(held: (looks: number) => boolean): Promise<number[]> {
  const run = await openRun({ sessionId: 'holding', config: tinyRun, modelDir: dir, saved: null })
  const log = openLog()
  const store = openCheckpoints(join(dir, 'runs'))
  const outside = logWorld(log, { store, people: twoPeople(tinyRun.epochs, true) })
  const put: number[] = []
  const wanted = new Map<string, { at: number; looks: number }>()
  const world: World = {
    ...outside,
    async held(ids) {
      return ids.filter((id) => {
        const { at, looks } = wanted.get(id) ?? { at: outside.now(), looks: 0 }
        wanted.set(id, { at, looks: looks + 1 })
        return held(looks + 1)
      })
    },
    async closeVoting(ids) {
      // At the end of the run all are closed.
      if (log.steps.length < tinyRun.epochs)
        for (const id of ids) if (wanted.has(id)) put.push(outside.now() - wanted.get(id)!.at)
      return outside.closeVoting(ids)
    },
  }
  await trainLive(run, world)
  await run.close()
  return put
}

it('a closing waits for begun votes, and no longer than it may, however many are begun', async () => {
  const put = await delays(() => true)
  expect(put.length).toBeGreaterThan(0)
  for (const ms of put) {
    expect(ms).toBeGreaterThanOrEqual(limits.closingHoldMs)
    expect(ms).toBeLessThan(2 * limits.closingHoldMs)
  }
})

it('a closing comes at once where no vote has been begun, and as soon as the last one is cast', async () => {
  for (const ms of await delays(() => false)) expect(ms).toBeLessThan(limits.closingHoldMs / 10)
  for (const ms of await delays((looks) => looks < 2)) {
    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThan(limits.closingHoldMs)
  }
})
