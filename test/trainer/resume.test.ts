import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openCheckpoints, type Checkpoint } from '../../trainer/loop/checkpoint.ts'
import type { Engine, Program } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { ModelChanged } from '../../lm/files/fingerprint.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { exportRun, openRun, type Run } from '../../trainer/loop/run-state.ts'
import { Interrupted } from '../../trainer/loop/world.ts'
import { killed, logWorld, openLog, twoPeople, type Fault, type RunLog } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

const seed = Date.now() % 1_000_000

let dir: string
let modelDir: string
/** Of the uninterrupted run: what it left, and how often it ran the engine. */
let whole: RunLog
let engineRuns = 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-resume-'))
  modelDir = join(dir, 'model')
  await writeTinyModel(modelDir)
  function* once(): Generator<Life> {
    yield { fault: () => undefined, onEngineRun: () => engineRuns++ }
  }
  whole = (await train(once)).log
})
afterAll(() => rm(dir, { recursive: true }))

/** What may kill one life: a call to the outside, saving included, or a run of the engine. */
interface Life {
  fault: Fault
  onEngineRun?: () => void
}
function* forever(): Generator<Life> {
  yield { fault: () => undefined }
}

/** Trains to the end through all the lives; each starts from the last checkpoint and the log alone. */
async function train(lives: (log: RunLog) => Generator<Life>): Promise<{ log: RunLog; kills: number }> {
  const store = openCheckpoints(await mkdtemp(join(dir, 'run-')))
  const log = openLog()
  let kills = 0
  for (const { fault, onEngineRun } of lives(log)) {
    const last = log.checkpoints.at(-1)
    const engine = countingRuns(await openOnnx({ threads: 1 }), onEngineRun)
    let run: Run | undefined
    try {
      const saved = last ? await store.load(last.hash) : null
      run = await openRun({ sessionId: 'resume', config: tinyRun, modelDir, saved, engine })
      await trainLive(run, logWorld(log, { store, people: twoPeople(tinyRun.epochs), fault }))
      return { log, kills }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error
      kills++
    } finally {
      await (run ?? engine).close()
    }
  }
  throw new Error(`the run was not over after ${kills} lives`)
}

function countingRuns(engine: Engine, onRun: () => void = () => undefined): Engine {
  const counting = (program: Program): Program => ({
    ...program,
    run(feeds) {
      onRun()
      return program.run(feeds)
    },
    withStates: (rename) => counting(program.withStates(rename)),
  })
  return { ...engine, states: engine.states, compile: async (graph) => counting(await engine.compile(graph)) }
}

/** What each step computed, and from which votes. */
const pathOf = ({ steps }: RunLog) =>
  steps.map(({ digest, receipts }) => ({ digest, votes: receipts.map(({ feedbackId }) => feedbackId) }))

function expectSame(broken: RunLog): void {
  expect(pathOf(broken)).toEqual(pathOf(whole))
  // The checkpoint's name is the hash of all that it holds: weights, moments, reward model.
  expect(broken.checkpoints.at(-1)).toEqual(whole.checkpoints.at(-1))
  expect(broken.samples).toEqual(whole.samples)
  expect(broken.steps.every(({ final }) => final)).toBe(true)
  // V2: a vote is named by one receipt, however often its step was made again.
  const named = broken.steps.flatMap((step) => step.receipts.map((r) => r.feedbackId))
  expect(new Set(named).size).toBe(named.length)
}

describe('T1: a run’s state survives its process dying at any point: the weights are those of the uninterrupted run, to the bit', () => {
  it('the uninterrupted run learns: every step computes something else, and it answers a question meanwhile', () => {
    expect(new Set(whole.steps.map(({ digest }) => digest)).size).toBe(tinyRun.epochs)
    expect(whole.checkpoints.length).toBeGreaterThan(1)
    expect([...whole.asks.values()]).toMatchObject([{ response: expect.any(String) }])
  })

  it('died at every call of every step to the outside, before and after it took effect', async () => {
    const died = new Set<string>()
    /** Each life dies at the first point at which none has died before. */
    function* lives({ steps }: RunLog): Generator<Life> {
      for (;;) {
        yield {
          fault(call, moment) {
            const point = `step ${steps.length + 1}: ${moment} ${call}`
            if (died.has(point)) return
            died.add(point)
            throw killed()
          },
        }
      }
    }
    const { log } = await train(lives)
    expectSame(log)
    for (const call of [
      ...['before show', 'after show', 'after closeVoting', 'after ready', 'before news', 'before logged'],
      ...['before usedVotes', 'before recorded', 'before save', 'before finalise', 'after finalise'],
      ...['before commit', 'after commit'],
    ]) {
      expect(
        [...died].some((point) => point.endsWith(call)),
        `no life died ${call}`,
      ).toBe(true)
    }
  })

  it(`died in the middle of sampling, scoring or an update (seed ${seed})`, async () => {
    const random = openRandom(seed)
    function* lives(): Generator<Life> {
      for (let n = 0; n < 5; n++) {
        // Anywhere in a life that begins anew; less far, that is, in those that go on.
        let left = Math.floor(random.uniform() * engineRuns * 0.9)
        const onEngineRun = (): void => {
          if (left-- === 0) throw killed()
        }
        yield { fault: () => undefined, onEngineRun }
      }
      yield* forever()
    }
    const { log, kills } = await train(lives)
    expect(kills).toBeGreaterThan(0)
    expectSame(log)
  })

  it('what the watch over the regulars remembers is kept, and a checkpoint from before there was one is gone on from', async () => {
    const open = (saved: Checkpoint | null) => openRun({ sessionId: 'resume', config: tinyRun, modelDir, saved })
    const begun = await open(null)
    begun.state.regulars = {
      recent: [
        { at: 1_000, reliability: { ann: 0.9, ben: 0.8 } },
        { at: 61_000, reliability: { ann: 0.5 } },
      ],
      warned: true,
    }
    const saved = await exportRun(begun)
    await begun.close()
    const again = await open(saved)
    expect(again.state.regulars).toEqual(begun.state.regulars)
    expect(JSON.stringify((await exportRun(again)).state)).toBe(JSON.stringify(saved.state))
    await again.close()
    const { regulars: _, ...state } = z
      .looseObject({ state: z.looseObject({ regulars: z.unknown() }) })
      .parse(saved.state).state
    const older = await open({ ...saved, state: { ...z.looseObject({}).parse(saved.state), state } })
    expect(older.state.regulars).toEqual({ recent: [], warned: false })
    await older.close()
  })

  it('a run does not go on from another model or other prompts than it began with', async () => {
    const other = join(dir, 'other')
    await cp(modelDir, other, { recursive: true })
    const open = (saved: Checkpoint | null) => openRun({ sessionId: 'resume', config: tinyRun, modelDir: other, saved })
    const begun = await open(null)
    const saved = await exportRun(begun)
    await begun.close()
    await (await open(saved)).close()
    await appendFile(join(other, 'prompts.jsonl'), '{"prompt": "One more?"}\n')
    await expect(open(saved)).rejects.toThrow(ModelChanged)
  })
})
