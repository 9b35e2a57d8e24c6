import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TrainingConfig } from '../../server/protocol.ts'
import type { StepCommit } from '../../server/db/steps.ts'
import { openCheckpoints } from '../../trainer/checkpoint.ts'
import { openRandom, type Random } from '../../trainer/models/random.ts'
import { trainLive } from '../../trainer/run.ts'
import { exportRun, openRun } from '../../trainer/state.ts'
import { Interrupted, type NewSample, type SettledVote, type World } from '../../trainer/world.ts'

const steps = 3
const config = TrainingConfig.parse({
  batchSize: 8,
  epochs: steps,
  learningRate: 1e-3,
  ppoConfig: { miniBatchSize: 4, ppoEpochs: 2 },
  live: { shownPerStep: 4, votingWindowSeconds: 1, minVotes: 1, maxNewTokens: 12, seed: 5 },
})
/** Deaths, each after at most so many calls to the outside (a step makes about fifteen), before a life that lasts. */
const lives = 4
const callsAtMost = 16
const killSeed = Date.now() % 1_000_000

describe('T1 a run’s state survives its process dying at any point', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'attune-resume-'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  it(`killed at random points and resumed, the weights are those of the uninterrupted run, to the bit (seed ${killSeed})`, async () => {
    const whole = await trainUntilDone(join(dir, 'whole'), () => Infinity)
    const random = openRandom(killSeed)
    const broken = await trainUntilDone(join(dir, 'broken'), fewLives(random))
    expect(broken.kills).toBe(lives)
    expect(broken.commits.map((c) => c.receipts.map((r) => r.feedbackId))).toEqual(whole.commits.map((c) => c.receipts.map((r) => r.feedbackId)))
    // The checkpoint's name is the hash of all that it holds: weights, moments, reward model, batch.
    expect(broken.commits.map((c) => c.checkpoint)).toEqual(whole.commits.map((c) => c.checkpoint))
    expect(new Set(whole.commits.map((c) => c.checkpoint)).size).toBe(steps)
    // V2: a vote is named by one receipt, however often its step was made again.
    const named = broken.commits.flatMap((c) => c.receipts.map((r) => r.feedbackId))
    expect(named).toHaveLength(steps * config.live.shownPerStep)
    expect(new Set(named).size).toBe(named.length)
  })
})

function fewLives(random: Random): () => number {
  let life = 0
  return () => (life++ < lives ? Math.floor(random.uniform() * callsAtMost) : Infinity)
}

/** Trains to the end, killed after `nextKill()` calls to the outside each time; every attempt starts from the last commit alone. */
async function trainUntilDone(dir: string, nextKill: () => number) {
  const store = openCheckpoints(dir)
  const log: Log = { samples: new Map(), commits: [] }
  let kills = 0
  for (;;) {
    const last = log.commits.at(-1)
    const run = await openRun({
      sessionId: 'resume',
      config,
      modelDir: 'models/demo',
      saved: last ? await store.load(last.checkpoint) : null,
    })
    try {
      await trainLive(run, mortalWorld(log, nextKill()), async () => store.save(await exportRun(run)))
      return { ...log, kills }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error
      kills++
    } finally {
      await run.close()
    }
  }
}

type Commit = Omit<StepCommit, 'sessionId'>
interface Log {
  samples: Map<string, NewSample & { response: string | null; at: number }>
  commits: Commit[]
}

/** The outside, in memory: everybody votes on a sample the moment it is whole, by its letters. Dies after so many calls. */
function mortalWorld(log: Log, calls: number): World {
  const abort = new AbortController()
  let clock = 1_000_000
  const alive = (): void => {
    clock += 400
    if (calls-- <= 0) abort.abort(new Interrupted('taken-away'))
    abort.signal.throwIfAborted()
  }
  const used = (): Map<string, number> => new Map(log.commits.flatMap((c) => c.receipts.map((r) => [r.feedbackId, c.step])))
  return {
    signal: abort.signal,
    now: () => clock,
    sleep: async () => alive(),
    phase: alive,
    async start(sample) {
      alive()
      const whole = log.samples.get(sample.id)?.response ?? null
      if (whole === null) log.samples.set(sample.id, { ...sample, response: null, at: clock })
      return whole
    },
    tokens: alive,
    async ready(id, response) {
      alive()
      const sample = log.samples.get(id)
      if (sample) sample.response = response
    },
    openedAt: async () => clock - 2_000,
    tally: async (ids) => (alive(), new Map(ids.map((id) => [id, 1]))),
    closeVoting: async () => alive(),
    settlesIn: async () => 0,
    async settledVotes() {
      alive()
      const done = used()
      return [...log.samples.values()]
        .filter((sample) => sample.response !== null)
        .sort((a, b) => a.step - b.step || (a.id < b.id ? -1 : 1))
        .map((sample) => vote(sample.id, sample.prompt, sample.response ?? '', done.get(`vote-${sample.id}`) ?? null))
    },
    recorded: async () => (alive(), null),
    warn: async () => alive(),
    nextAsk: async () => (alive(), null),
    failAsk: async () => alive(),
    async commit(step) {
      alive()
      log.commits.push(step)
    },
  }
}

function vote(sampleId: string, prompt: string, response: string, usedIn: number | null): SettledVote {
  const vowels = [...response].filter((c) => 'aeiou'.includes(c)).length / Math.max(1, response.length)
  return {
    id: `vote-${sampleId}`,
    sampleId,
    origin: 'rollout',
    raterId: 'rater',
    prompt,
    response,
    rating: 1 + 9 * vowels,
    categories: [{ name: 'helpfulness', score: 1 + 9 * vowels, weight: 1 }],
    compassion: vowels,
    at: 1_000_000,
    usedIn,
  }
}
