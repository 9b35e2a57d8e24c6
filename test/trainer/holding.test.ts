/** How long a closing waits for votes that have been begun. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { limits } from '../../core/protocol/index.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import type { World } from '../../trainer/loop/world.ts'
import { logWorld, openLog } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-holding-'))
  await writeTinyModel(dir)
})
afterAll(() => rm(dir, { recursive: true }))

/**
 * One run to its end; for each step, how long its closing was put off after the loop first wanted it, by the run's own
 * clock, milliseconds.
 */
async function delays(begunVotes: (calls: number) => number): Promise<number[]> {
  const run = await openRun({ sessionId: 'holding', config: tinyRun(false), modelDir: dir, saved: null })
  const outside = logWorld(openLog(), { fault: () => undefined })
  const put: number[] = []
  let wanted: number | null = null
  let calls = 0
  const world: World = {
    ...outside,
    begunVotes: async () => {
      wanted ??= outside.now()
      return begunVotes(++calls)
    },
    closeVoting: async (ids) => {
      put.push(outside.now() - (wanted ?? outside.now()))
      wanted = null
      calls = 0
      return outside.closeVoting(ids)
    },
  }
  await trainLive(run, world, async () => 'hash')
  await run.close()
  return put
}

it('a closing waits for begun votes, and no longer than it may, however many are begun', async () => {
  const put = await delays(() => 1)
  expect(put.length).toBeGreaterThan(0)
  for (const ms of put) {
    expect(ms).toBeGreaterThanOrEqual(limits.closingHoldMs)
    expect(ms).toBeLessThan(2 * limits.closingHoldMs)
  }
})

it('a closing comes at once where no vote has been begun, and as soon as the last one is cast', async () => {
  for (const ms of await delays(() => 0)) expect(ms).toBeLessThan(limits.closingHoldMs / 10)
  for (const ms of await delays((calls) => (calls < 4 ? 1 : 0))) {
    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThan(limits.closingHoldMs)
  }
})
