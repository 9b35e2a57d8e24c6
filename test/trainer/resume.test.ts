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
import { killed, logWorld, openLog, type Fault, type RunLog } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

const seed = Date.now() % 1_000_000

let dir: string
let modelDir: string
/** Of the uninterrupted runs, with overlap and without: what they left, and how often they ran the engine. */
const whole = new Map<boolean, RunLog>()
const engineRuns = new Map<boolean, number>()

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-resume-'))
  modelDir = join(dir, 'model')
  await writeTinyModel(modelDir)
  for (const overlap of [true, false]) {
    let runs = 0
    function* once(): Generator<Life> {
      yield { fault: () => undefined, onEngineRun: () => runs++ }
    }
    whole.set(overlap, (await train({ overlap, lives: once })).log)
    engineRuns.set(overlap, runs)
  }
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

/** Trains to the end through all the lives; each starts from the last commit alone. */
async function train({
  overlap,
  lives,
}: {
  overlap: boolean
  lives: (log: RunLog) => Generator<Life>
}): Promise<{ log: RunLog; kills: number }> {
  const store = openCheckpoints(await mkdtemp(join(dir, 'run-')))
  const log = openLog()
  let kills = 0
  for (const { fault, onEngineRun } of lives(log)) {
    const last = log.commits.at(-1)
    const engine = countingRuns(await openOnnx({ threads: 1 }), onEngineRun)
    let run: Run | undefined
    try {
      const saved = last ? await store.load(last.checkpoint) : null
      const opened = await openRun({ sessionId: 'resume', config: tinyRun(overlap), modelDir, saved, engine })
      run = opened
      await trainLive(opened, logWorld(log, { fault }), async () => {
        fault('save', 'before')
        const hash = await store.save(await exportRun(opened))
        fault('save', 'after')
        return hash
      })
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

function expectSame(broken: RunLog, overlap: boolean): void {
  const expected = whole.get(overlap)
  // The checkpoint's name is the hash of all that it holds: weights, moments, reward model, batch.
  expect(broken.commits.map((c) => c.checkpoint)).toEqual(expected?.commits.map((c) => c.checkpoint))
  expect(broken.commits.map((c) => c.receipts.map((r) => r.feedbackId))).toEqual(
    expected?.commits.map((c) => c.receipts.map((r) => r.feedbackId)),
  )
  expect(broken.samples).toEqual(expected?.samples)
  // V2: a vote is named by one receipt, however often its step was made again.
  const named = broken.commits.flatMap((c) => c.receipts.map((r) => r.feedbackId))
  expect(new Set(named).size).toBe(named.length)
}

describe('T1: a run’s state survives its process dying at any point: the weights are those of the uninterrupted run, to the bit', () => {
  it('the uninterrupted run learns: every checkpoint is another, and overlap makes other ones', () => {
    const hashes = [...whole.values()].flatMap((log) => log.commits.map((c) => c.checkpoint))
    expect(new Set(hashes).size).toBe(6)
    for (const log of whole.values())
      expect([...log.samples.values()].filter((s) => s.origin === 'ask')).toHaveLength(1)
  })

  it('died at every call of every step to the outside, before and after it took effect', async () => {
    const died = new Set<string>()
    /** Each life dies at the first point at which none has died before. */
    function* lives({ commits }: RunLog): Generator<Life> {
      for (;;) {
        yield {
          fault(call, moment) {
            const point = `step ${commits.length + 1}: ${moment} ${call}`
            if (call === 'tokens' || call.startsWith('phase') || died.has(point)) return
            died.add(point)
            throw killed()
          },
        }
      }
    }
    const { log } = await train({ overlap: true, lives })
    expectSame(log, true)
    for (const call of [
      'before start',
      'after ready',
      'before tally',
      'before nextAsk',
      'before settledVotes',
      'before save',
      'after save',
      'before commit',
    ]) {
      expect(died, `no life died ${call}`).toContain(`step 2: ${call}`)
    }
  })

  it.each([true, false])(
    `died in the middle of sampling, scoring or an update (overlap %s, seed ${seed})`,
    async (overlap) => {
      const random = openRandom(seed)
      const runs = engineRuns.get(overlap) ?? 0
      function* lives(): Generator<Life> {
        for (let n = 0; n < 5; n++) {
          // Anywhere in a life that begins anew; less far, that is, in those that go on.
          let left = Math.floor(random.uniform() * runs * 0.9)
          const onEngineRun = (): void => {
            if (left-- === 0) throw killed()
          }
          yield { fault: () => undefined, onEngineRun }
        }
        yield* forever()
      }
      const { log, kills } = await train({ overlap, lives })
      expect(kills).toBeGreaterThan(0)
      expectSame(log, overlap)
    },
  )

  it('what the watch over the regulars remembers is kept, and a checkpoint from before there was one is gone on from', async () => {
    const open = (saved: Checkpoint | null) => openRun({ sessionId: 'resume', config: tinyRun(true), modelDir, saved })
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
    const open = (saved: Checkpoint | null) =>
      openRun({ sessionId: 'resume', config: tinyRun(true), modelDir: other, saved })
    const begun = await open(null)
    const saved = await exportRun(begun)
    await begun.close()
    await (await open(saved)).close()
    await appendFile(join(other, 'prompts.jsonl'), '{"prompt": "One more?"}\n')
    await expect(open(saved)).rejects.toThrow(ModelChanged)
  })
})
