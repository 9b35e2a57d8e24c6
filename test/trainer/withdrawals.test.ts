/** Votes that are withdrawn after a step has used them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SettledVote } from '../../core/db/feedback.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { trainLive } from '../../trainer/loop/live-loop.ts'
import { openRun } from '../../trainer/loop/run-state.ts'
import { logWorld, openLog, voteOn, type People, type RunLog } from '../helpers/log-world.ts'
import { tinyRun, writeTinyModel } from '../helpers/tiny-model.ts'

let dir: string
let modelDir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'attune-withdrawals-'))
  modelDir = join(dir, 'model')
  await writeTinyModel(modelDir)
})
afterAll(() => rm(dir, { recursive: true }))

/** Turns of the loop in which somebody votes. */
const turns = 8
/** A vote can be withdrawn for this many turns. */
const withdrawable = 6
/** The vote that may be withdrawn is cast in this turn. */
const regretted = 3

interface Scene {
  /** Whether somebody else votes in the turn of the vote that is regretted, too. */
  company: boolean
  /** Before which call to the outside, counted from the turn of the regretted vote, it is withdrawn; null: it is never cast. */
  withdrawnAt: number | null
  undoBytes?: number
}

/** A run of which all answers are shown at once: what was withdrawn changes no answer. */
async function play({
  company,
  withdrawnAt,
  undoBytes,
}: Scene): Promise<{ log: RunLog; calls: number; early: boolean }> {
  const store = openCheckpoints(await mkdtemp(join(dir, 'run-')))
  const log = openLog()
  const epochs = company ? turns : turns - 1
  const config = TrainingConfig.parse({ ...tinyRun, epochs, live: { ...tinyRun.live, minVotes: 1000 } })
  let turn = 0
  let calls = 0
  let last = ''
  const isCast = (): boolean => withdrawnAt !== null && turn >= regretted
  const isWithdrawn = (): boolean => withdrawnAt !== null && calls >= withdrawnAt
  const people: People = ({ samples, steps }) => {
    const shown = [...samples.values()]
    const votes: SettledVote[] = []
    if (shown.length > 0) {
      for (let t = 1; t <= Math.min(turn, turns); t++) {
        const taste = ((t * 37) % 100) / 100
        // Each in another turn and on another answer, or by another rater.
        if (t !== regretted || company)
          votes.push(voteOn(shown[t % 4]!, { rater: `rater ${t % 3}/${t >> 2}`, seq: 2 * t, at: t, taste }))
        if (t === regretted && isCast() && !isWithdrawn())
          votes.push(voteOn(shown[0]!, { rater: 'regrets', seq: 2 * t + 1, at: t, taste: 1 }))
      }
    }
    const withdrawn = isWithdrawn() ? [`regrets/${shown[0]!.id}`] : []
    const settledUntil = steps.length >= epochs && turn > turns + withdrawable ? Infinity : turn - withdrawable
    return { votes, withdrawn, settledUntil }
  }
  const run = await openRun({ sessionId: 'w', config, modelDir, saved: null, engine: await openOnnx({ threads: 1 }) })
  const early = new Set<string>()
  const world = logWorld(log, {
    store,
    people,
    fault(call) {
      // A step whose commit failed is made again in the same turn: the loop has just asked for questions.
      if (call === 'news' && last !== 'nextAsk' && log.samples.size > 0) turn++
      last = call
      if (turn > 60) throw new Error(`the run does not end: ${log.steps.length} of ${epochs} steps`)
      if (turn >= regretted) calls++
      for (const step of log.steps) for (const { feedbackId } of step.receipts) early.add(feedbackId)
    },
  })
  try {
    await trainLive(run, world, undoBytes)
  } finally {
    await run.close()
  }
  return { log, calls, early: [...early].some((id) => id.startsWith('regrets')) }
}

const pathOf = ({ steps }: RunLog) =>
  steps.map(({ digest, receipts }) => ({ digest, votes: receipts.map(({ feedbackId }) => feedbackId) }))

describe.each([true, false])('a vote that a provisional step has used (with others: %s)', (company) => {
  it('V5, T3: withdrawn at any point, it leaves the weights of a run that never saw it, to the bit', async () => {
    const without = await play({ company, withdrawnAt: null })
    expect(without.log.steps).toHaveLength(company ? turns : turns - 1)
    const last = await play({ company, withdrawnAt: Infinity })
    expect(pathOf(last.log)).not.toEqual(pathOf(without.log))
    let undone = 0
    let used = 0
    // Every call of the step that uses it, and points of later ones.
    for (const at of [1, 2, 3, 4, 6, 8, 11, 14, 25, 40]) {
      const { log, early } = await play({ company, withdrawnAt: at })
      expect(pathOf(log), `withdrawn before call ${at}`).toEqual(pathOf(without.log))
      expect(log.checkpoints.at(-1), `withdrawn before call ${at}`).toEqual(without.log.checkpoints.at(-1))
      undone += log.undone
      used += early ? 1 : 0
    }
    expect(undone).toBeGreaterThan(1)
    expect(used).toBeGreaterThan(1)
  })
})

describe('a run whose state is too large to keep one for each provisional step', () => {
  it('uses no vote that can still be withdrawn, and every step is final when it is made', async () => {
    const { log, early } = await play({ company: true, withdrawnAt: 25, undoBytes: 0 })
    expect(early).toBe(false)
    expect(log.undone).toBe(0)
    expect(log.steps.every(({ final }) => final)).toBe(true)
    expect(log.checkpoints.map(({ step }) => step)).toEqual(log.steps.map(({ step }) => step))
  })
})
