/**
 * How fast a vote travels: to its acknowledgement, and into the weights. On a throw-away instance,
 * through real sockets, with the trainer idle and with the trainer working; for comparison, in the
 * same run, the time that the database alone takes to store a vote.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { insertVote } from '../../core/db/feedback.ts'
import { openSamples } from '../../core/db/samples.ts'
import { limits } from '../../core/protocol/index.ts'
import { signInAsGuest } from '../crowd/account.ts'
import { runCrowd } from '../crowd/crowd.ts'
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
    const working = await runCrowd({ url, session: busy.id, raters: RATERS, seconds, seed: 1 })
    if (working.ended !== null) throw new Error(`the session ended while it was measured: ${working.ended}`)
    return {
      raters: RATERS,
      insertAlone,
      ackWaiting: measured(waiting.ackMs, 'acknowledgements while the trainer waits'),
      ackWorking: measured(working.ackMs, 'acknowledgements while the trainer works'),
      gradient: measured(working.gradientMs, 'receipts'),
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
  const { gradient, withdrawMs, eventsPerSocketPerSecond: events } = bench
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
    `a vote into the weights: p50 ${s(gradient.p50)}, p95 ${s(gradient.p95)}, p99 ${s(gradient.p99)} (${gradient.count} votes); for the first ${s(withdrawMs)} it can be withdrawn`,
    `events per socket and second: ${events.waiting.toFixed(1)} with the trainer waiting, ${events.working.toFixed(1)} with it working`,
  ].join('\n')
}
