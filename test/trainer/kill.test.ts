import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { openLog, type Happened, type RunLog } from '../helpers/log-world.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'

const script = fileURLToPath(new URL('../helpers/mortal-run.ts', import.meta.url))
const kills = 3
const seed = Date.now() % 1_000_000

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-kill-'))
  await writeTinyModel(join(dir, 'model'))
})
afterAll(() => rm(dir, { recursive: true }))

/** One life of the run in a folder: killed at its nth call to the outside, unless it ends before. */
function live(folder: string, killAt: number): Promise<{ calls: number; killed: boolean }> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder, join(dir, 'model')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let calls = 0
  child.stdout.on('data', (dots: Buffer) => {
    calls += dots.length
    if (calls >= killAt) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve({ calls, killed: true })
      else if (code === 0) resolve({ calls, killed: false })
      else reject(new Error(`the run ended with ${code ?? signal}`))
    })
  })
}

async function logOf(folder: string): Promise<RunLog> {
  const text = await readFile(join(folder, 'log.jsonl'), 'utf8')
  return openLog(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Happened),
  )
}

it(`T1: a run whose process is killed with SIGKILL, again and again, ends with the weights of one that never was, to the bit (seed ${seed})`, async () => {
  const [whole, broken] = [await mkdtemp(join(dir, 'whole-')), await mkdtemp(join(dir, 'broken-'))]
  const { calls, killed } = await live(whole, Infinity)
  expect(killed).toBe(false)

  const random = openRandom(seed)
  let deaths = 0
  for (let n = 0; n < kills; n++)
    if ((await live(broken, 1 + Math.floor(random.uniform() * calls * 0.8))).killed) deaths++
  expect(deaths).toBeGreaterThan(0)
  await live(broken, Infinity)

  const [expected, found] = [await logOf(whole), await logOf(broken)]
  expect(pathOf(found)).toEqual(pathOf(expected))
  // The last checkpoint's name is the hash of all that it holds: weights, moments, reward model.
  expect(found.checkpoints.at(-1)).toEqual(expected.checkpoints.at(-1))
  expect(found.samples).toEqual(expected.samples)
  // Each checkpoint that was committed is there, whole.
  expect(await readdir(broken)).toEqual(
    expect.arrayContaining(found.checkpoints.map(({ hash }) => `${hash}.safetensors`)),
  )
})

/** What each step computed, and from which votes. */
const pathOf = ({ steps }: RunLog) =>
  steps.map(({ digest, final, receipts }) => ({ digest, final, votes: receipts.map(({ feedbackId }) => feedbackId) }))
