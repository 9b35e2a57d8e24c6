/**
 * A run in a process of its own, to be killed: `node --import tsx mortal-run.ts DIRECTORY MODEL`. What happened
 * is in DIRECTORY/log.jsonl, checkpoints beside it; goes on from there. A dot on stdout for each call to the outside.
 */
import { appendFileSync, existsSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import { logWorld, openLog, twoPeople, type Happened } from './log-world.ts'
import { tinyRun } from './tiny-model.ts'

const [directory, modelDir] = process.argv.slice(2) as [directory: string, modelDir: string]
const path = join(directory, 'log.jsonl')
const lines = existsSync(path)
  ? readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
  : []
const log = openLog(lines.map((line) => JSON.parse(line) as Happened))
const store = openCheckpoints(directory)
const last = log.checkpoints.at(-1)
const run = await openRun({
  sessionId: 'mortal',
  config: tinyRun,
  modelDir,
  saved: last ? await store.load(last.hash) : null,
})
const world = logWorld(log, {
  store,
  people: twoPeople(tinyRun.epochs),
  fault: () => void writeSync(1, '.'),
  persist: (entry) => appendFileSync(path, `${JSON.stringify(entry)}\n`),
})
await trainLive(run, world)
await run.close()
