/**
 * How fast a vote travels: to its acknowledgement, and into the weights. On a throw-away instance,
 * through real sockets, with the trainer idle and with the trainer working; for comparison, in the
 * same run, the time that the database alone takes to store a vote.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { insertVote } from '../../core/db/feedback.ts'
import { openSamples } from '../../core/db/samples.ts'
import { limits, type StepMetrics } from '../../core/protocol/index.ts'
import { signInAsGuest } from '../crowd/account.ts'
import { runCrowd } from '../crowd/crowd.ts'
import type { VoteRecord } from '../crowd/rater.ts'
import { distribution, type Distribution } from '../../core/statistics.ts'
import { withInstance, type Instance } from '../study/instance.ts'
import { table } from '../study/table.ts'

export interface LatencyBench {
  raters: number
  /** All in milliseconds. */
  insertAlone: Distribution
  ackWaiting: Distribution
  ackWorking: Distribution
  gradient: Distribution
  /** By the last step made with the vote, where one was undone because another vote was withdrawn. */
  settled: Distribution
  /** Of that, until the step that used the vote began, and that step itself. */
  waited: Distribution
  step: Distribution
  tooLate: number
  withdrawn: number
  /** Of "gradient": how long a vote can be withdrawn, so that no update may use it. */
  withdrawMs: number
  eventsPerSocketPerSecond: { waiting: number; working: number }
  steps: number
}

const RATERS = 12
/** With the trainer idle everybody votes on every answer once: this many votes a rater, at this pace. */
const SHOWN = 16
const BRISK = { medianMs: 500, sigma: 0.3 }
/** … for this long at most, seconds. */
const PATIENCE = 60
/** Share of the votes that are withdrawn while the trainer works. */
const WITHDRAWN = 0.02
/** A session whose first voting never ends by itself. */
const FOREVER = { votingWindowSeconds: 3_600, minVotes: 1_000 }

export async function benchLatency(seconds: number, say: (doing: string) => void): Promise<LatencyBench> {
  say('starting an instance')
  return withInstance({ onTrouble: say }, async (instance) => {
    const { url } = instance.attune
    say('votes while the trainer waits')
    const quiet = await instance.startSession((demo) => ({
      ...demo,
      live: { ...demo.live, ...FOREVER, shownPerStep: SHOWN },
    }))
    await instance.firstAnswers(quiet)
    const waiting = await runCrowd({
      url,
      session: quiet.id,
      raters: RATERS,
      seconds: PATIENCE,
      maxVotes: RATERS * SHOWN,
      pace: BRISK,
      seed: 1,
      drainSeconds: 0,
    })
    say('votes into the database alone')
    const insertAlone = await timeInserts(instance, quiet.id)
    await instance.stopSession(quiet.id)
    say(`votes while the trainer works, ${seconds} s`)
    const busy = await instance.startSession((demo) => demo)
    await instance.firstAnswers(busy)
    const working = await runCrowd({ url, session: busy.id, raters: RATERS, seconds, withdrawn: WITHDRAWN, seed: 1 })
    if (working.ended !== null) throw new Error(`the session ended while it was measured: ${working.ended}`)
    return {
      raters: RATERS,
      insertAlone,
      ackWaiting: measured(waiting.ackMs, 'acknowledgements while the trainer waits'),
      ackWorking: measured(working.ackMs, 'acknowledgements while the trainer works'),
      gradient: measured(working.gradientMs, 'receipts'),
      settled: measured(working.settledMs, 'receipts'),
      ...partsOf(working.votes, await instance.steps(busy.id)),
      tooLate: working.tooLate,
      withdrawn: working.withdrawn,
      withdrawMs: limits.withdrawMs,
      eventsPerSocketPerSecond: {
        waiting: waiting.eventsPerSocketPerSecond,
        working: working.eventsPerSocketPerSecond,
      },
      steps: (await instance.steps(busy.id)).length,
    }
  })
}

/** Stores the same number of votes by the server's own function, one after the other. */
async function timeInserts({ attune, pool }: Instance, sessionId: string): Promise<Distribution> {
  const samples = await openSamples(pool, sessionId)
  const times: number[] = []
  for (let i = 0; i < RATERS; i++) {
    const { userId } = await signInAsGuest(attune.url, `simulated rater of the database ${i + 1}`)
    for (const { id: sampleId, prompt, response } of samples) {
      const began = performance.now()
      await insertVote(pool, {
        id: randomUUID(),
        sessionId,
        sampleId,
        userId,
        inputText: prompt,
        modelResponse: response,
        humanRating: 7,
        kind: 'rating',
        content: null,
        humanPreference: null,
        categories: [{ name: 'helpfulness', score: 7, weight: 1 }],
        comments: null,
        tags: [],
        ethicalConcerns: [],
        compassionRating: 0.6,
        compassion: null,
        quality: 0.67,
        value: 0.63,
        late: false,
        salt: randomBytes(32),
        source: null,
      })
      times.push(performance.now() - began)
    }
  }
  return measured(distribution(times), 'inserts')
}

/** A vote's time into the weights by its parts, by receipts and the steps that they name. */
function partsOf(votes: readonly VoteRecord[], steps: readonly StepMetrics[]): Pick<LatencyBench, 'waited' | 'step'> {
  const seconds = new Map(steps.map(({ step, metrics }) => [step, metrics.step_seconds ?? 0]))
  const parts = votes.flatMap(({ receipt, withdrawn }) => {
    const took = receipt && !withdrawn ? seconds.get(receipt.step) : undefined
    return receipt && took !== undefined ? [{ step: 1_000 * took, waited: receipt.latencyMs - 1_000 * took }] : []
  })
  return {
    waited: measured(distribution(parts.map(({ waited }) => waited)), 'receipts'),
    step: measured(distribution(parts.map(({ step }) => step)), 'receipts'),
  }
}

function measured(d: Distribution | null, what: string): Distribution {
  if (d === null) throw new Error(`no ${what}: nothing was measured`)
  return d
}

export function latencyText(bench: LatencyBench): string {
  const ms = (x: number) => `${x.toFixed(x < 100 ? 1 : 0)} ms`
  const row = (name: string, d: Distribution) => {
    const ratio = d === bench.insertAlone ? '1' : (d.p50 / bench.insertAlone.p50).toFixed(1)
    return [name, String(d.count), ms(d.p50), ms(d.p95), ms(d.p99), ratio]
  }
  const s = (x: number) => `${(x / 1_000).toFixed(1)} s`
  const { gradient, settled, waited, step, withdrawMs, tooLate, withdrawn, eventsPerSocketPerSecond: events } = bench
  const part = (name: string, d: Distribution) => [name, String(d.count), s(d.p50), s(d.p95), s(d.p99)]
  return [
    `${bench.raters} simulated raters over real sockets; ${bench.steps} steps of the demo session`,
    '',
    table(
      ['a vote', 'votes', 'p50', 'p95', 'p99', 'p50, insert = 1'],
      [
        row('into the database alone', bench.insertAlone),
        row('to its acknowledgement, trainer waiting', bench.ackWaiting),
        row('to its acknowledgement, trainer working', bench.ackWorking),
      ],
    ),
    '',
    table(
      ['a vote into the weights', 'votes', 'p50', 'p95', 'p99'],
      [
        part('until it was first there', gradient),
        part('by the last step made with it', settled),
        part('… until that began', waited),
        part('… that step itself', step),
      ],
    ),
    '',
    `${withdrawn} votes were withdrawn, for ${s(withdrawMs)} they can be; ${tooLate} came too late`,
    `events per socket and second: ${events.waiting.toFixed(1)} with the trainer waiting, ${events.working.toFixed(1)} with it working`,
  ].join('\n')
}
