/** When an answer has had its votes, and what takes its place. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { OpenAnswer, ShownSample } from '../../core/db/samples.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { openPool } from '../../trainer/loop/pool.ts'
import { drawToShow } from '../../trainer/loop/rollouts.ts'
import { openRun, type Run } from '../../trainer/loop/run-state.ts'
import type { World } from '../../trainer/loop/world.ts'
import { logWorld, openLog, twoPeople } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

const { minVotes, votingWindowSeconds, shownPerStep, candidates } = tinyRun.live
let dir: string
let run: Run
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-pool-'))
  await writeTinyModel(dir)
  run = await openRun({ sessionId: 'pool', config: tinyRun, modelDir: dir, saved: null })
})
afterAll(async () => {
  await run.close()
  await rm(dir, { recursive: true })
})

/** What one look at a pool of these closes, and how many it shows then. */
async function look(open: readonly OpenAnswer[]): Promise<{ closed: string[]; shown: number }> {
  const closed: string[] = []
  const shown: ShownSample[] = []
  const outside = logWorld(openLog(), { store: openCheckpoints(dir), people: twoPeople(1) })
  const world: World = {
    ...outside,
    pool: async () => [...open],
    closeVoting: async (ids) => void closed.push(...ids),
    show: async (samples) => void shown.push(...samples),
  }
  await openPool(run, world, (answer) => answer()).tend()
  return { closed, shown: shown.length }
}
const answer = (id: string, over: Partial<OpenAnswer>): OpenAnswer => ({
  ...{ id, votes: 0, openMs: 0, overtaken: true, people: 100 },
  ...over,
})

it('an answer leaves with its votes or in time, and others take its place', async () => {
  const windowMs = 1000 * votingWindowSeconds
  expect(await look([answer('enough', { votes: minVotes }), answer('wanting', { votes: minVotes - 1 })])).toEqual({
    closed: ['enough'],
    shown: shownPerStep - 1,
  })
  expect((await look([answer('passed by', { openMs: windowMs })])).closed).toEqual(['passed by'])
  expect((await look([answer('no votes since', { openMs: windowMs, overtaken: false })])).closed).toEqual([])
})

it('an answer on which everybody here has voted stays open and gives up its place, within a bound', async () => {
  const all = (over: Partial<OpenAnswer>, count = shownPerStep) =>
    Array.from({ length: count }, (_, i) => answer(`answer ${i}`, over))
  expect(await look(all({ votes: 1, people: 1 }))).toEqual({ closed: [], shown: shownPerStep })
  expect(await look(all({ votes: 1, people: 2 }))).toEqual({ closed: [], shown: 0 })
  expect(await look(all({ votes: 0, people: 0 }))).toEqual({ closed: [], shown: 0 })
  expect(await look(all({ votes: 1, people: 1 }, 3 * shownPerStep + 1))).toEqual({
    closed: [],
    shown: shownPerStep - 1,
  })
  expect(await look(all({ votes: 1, people: 1 }, 4 * shownPerStep))).toEqual({ closed: [], shown: 0 })
})

it('of several that are sampled for each, those are shown that a draw of the reward model likes, always the same', async () => {
  const { signal } = new AbortController()
  const shown = async () => (await drawToShow(run, 0, 2, signal)).flat()
  const [once, again] = [await shown(), await shown()]
  expect(again).toEqual(once)
  expect(once).toHaveLength(2)
  // Their places among all that were sampled are part of their ids.
  const plain = { ...run, config: { ...tinyRun, live: { ...tinyRun.live, candidates: 1 } } }
  const all = (await drawToShow(plain, 0, 2 * candidates, signal)).flat()
  expect(all).toHaveLength(2 * candidates)
  for (const { sampleId, response } of once)
    expect(all.map((one) => [one.sampleId, one.response])).toContainEqual([sampleId, response])
  // The next ones are to other prompts, until each has been asked.
  const later = (await drawToShow(run, 2, 2, signal)).flat()
  for (const { prompt } of later) expect(all.map((one) => one.prompt)).not.toContain(prompt)
})
