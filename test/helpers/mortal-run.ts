/**
 * A run in a process of its own, to be killed: `node --import tsx mortal-run.ts DIRECTORY MODEL`. What happened
 * is in DIRECTORY/log.jsonl, checkpoints beside it; goes on from there. A dot on stdout for each call to the outside.
 */
import { appendFileSync, existsSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { exportRun, openRun } from '../../trainer/loop/run-state.ts'
import { logWorld, openLog, type Happened } from './log-world.ts'
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
const last = log.commits.at(-1)
const run = await openRun({
  sessionId: 'mortal',
  config: tinyRun(true),
  modelDir,
  saved: last ? await store.load(last.checkpoint) : null,
})
const beat = (): void => void writeSync(1, '.')
const world = logWorld(log, { fault: beat, persist: (entry) => appendFileSync(path, `${JSON.stringify(entry)}\n`) })
await trainLive(run, world, async () => {
  beat()
  return store.save(await exportRun(run))
})
await run.close()
