import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { evaluationsBehind, keepEvaluation } from '../../core/db/evaluations.ts'
import { NO_NEWS, usedVotes, voteNews } from '../../core/db/feedback.ts'
import { checkpointsHeld, stepOf } from '../../core/db/history.ts'
import type { Pool } from '../../core/db/pool.ts'
import type { RunLock } from '../../core/db/run-lock.ts'
import { park, yieldTo } from '../../core/db/run-queue.ts'
import {
  closeSamples,
  countShown,
  failAsk,
  insertShown,
  nextAsk,
  openPool,
  openSample,
  recordedRollouts,
  startSample,
} from '../../core/db/samples.ts'
import { pauseItself, probeOf, statusOf, storeProbe } from '../../core/db/sessions.ts'
import {
  commitStep,
  finaliseSteps,
  keepCheckpoints,
  loggedSteps,
  replaceCheckpoint,
  rewriteStep,
  undoSteps,
} from '../../core/db/steps.ts'
import { forgetBegun, heldSamples } from '../../core/db/vote-begun.ts'
import { keepWarning } from '../../core/db/warnings.ts'
import type { CheckpointConfig, RunWarning } from '../../core/protocol/index.ts'
import { append } from '../../core/events/log.ts'
import { CheckpointLost, type CheckpointStore } from './checkpoint.ts'
import { Interrupted, type World } from './world.ts'

/** How often the session's status is read, milliseconds: the latency of a pause, plus a minibatch. */
const statusPollMs = 250

export interface WorldDeps {
  sessionId: string
  /** Holds the run's lock; steps are committed only through its connection. */
  lock: RunLock
  pool: Pool
  redis: Redis
  log: Logger
  /** When the run releases its slot to others. */
  turns?: Turns
}

export interface Turns {
  /**
   * Without a vote or a question for this long, and with too few votes for the step, the run releases its slot until
   * one comes. Milliseconds.
   */
  patienceMs: number
  /** After this long, once a step is committed, a waiting run gets this one's slot. Milliseconds. */
  turnMs: number
}

const usualTurns: Turns = { patienceMs: 30_000, turnMs: 60_000 }

export interface SessionWorld extends World {
  /** Where its checkpoints go, and which of them stay. */
  keeps(store: CheckpointStore, rules: CheckpointConfig): void
  /** Notifies crowd and researcher, permanently. */
  warn(warning: Omit<RunWarning, 'sessionId' | 'timestamp'>): Promise<void>
  /** Pauses the run for a reason of its own, unless somebody has already paused or stopped it. */
  pause(reason: string): Promise<void>
  /** Stops its polling; the connections stay the caller's. */
  close(): void
}

/** The world of one session. */
export function openWorld({ sessionId, lock, pool, redis, log, turns = usualTurns }: WorldDeps): SessionWorld {
  const abort = new AbortController()
  const began = Date.now()
  let keeping: { store: CheckpointStore; rules: CheckpointConfig } | null = null
  /** When somebody last voted or asked, as far as the run has heard, and the number of the last vote. */
  let quietSince = Date.now()
  let newest = 0
  const readStatus = async (): Promise<void> => {
    try {
      if (lock.lost()) abort.abort(new Interrupted('taken-away'))
      const status = (await statusOf(pool, sessionId)) ?? 'failed'
      if (status !== 'active') abort.abort(new Interrupted(status))
    } catch (error) {
      log.warn({ err: error }, 'could not read the session status')
    }
  }
  const poll = setInterval(() => void readStatus(), statusPollMs)

  // Room events are informational: one that can't be sent is lost, with no other effect.
  const tell = (event: Parameters<typeof append>[2]): void => {
    append(redis, sessionId, event).catch((error: unknown) =>
      log.debug({ err: error, event: event.event }, 'room event lost'),
    )
  }

  /** The session is paused: notifies everybody why, and ends the run here. */
  const putDown = (reason: string): void => {
    tell({ event: 'training-paused', payload: { sessionId, session: sessionId, reason } })
    abort.abort(new Interrupted('paused'))
  }

  const kept = () => {
    if (!keeping) throw new Error('nobody has said where checkpoints go')
    return keeping
  }
  /** Where the next question for news begins. */
  let cursor = NO_NEWS
  /** The phase that the room was told last. */
  let said = ''

  return {
    signal: abort.signal,
    now: Date.now,
    sleep: (ms) => sleep(ms, abort.signal),
    phase(phase, step, until) {
      const saying = `${phase} ${step}`
      if (saying === said) return
      said = saying
      tell({
        event: 'training-phase',
        payload: { sessionId, phase, step, until: until === undefined ? null : new Date(until).toISOString() },
      })
    },
    pool: () => openPool(pool, sessionId),
    shown: () => countShown(pool, sessionId),
    held: (sampleIds) => heldSamples(pool, sessionId, sampleIds),
    async show(samples) {
      await insertShown(pool, sessionId, samples)
      for (const { id: sampleId, step, origin, prompt, policyVersion, response } of samples) {
        tell({ event: 'sample-started', payload: { sessionId, sampleId, step, origin, prompt, policyVersion } })
        tell({ event: 'sample-ready', payload: { sessionId, sampleId, response } })
      }
    },
    async closeVoting(sampleIds) {
      for (const { sampleId, crowd } of await closeSamples(pool, sessionId, sampleIds))
        tell({ event: 'voting-closed', payload: { sessionId, sampleId, crowd } })
      await forgetBegun(pool, sessionId)
    },
    recorded: (sampleIds) => recordedRollouts(pool, sampleIds),

    async nextAsk() {
      const question = await nextAsk(pool, sessionId)
      if (question !== null) quietSince = Date.now()
      return question
    },
    async start(sample) {
      await startSample(pool, sessionId, sample)
      const { id: sampleId, ...rest } = sample
      tell({ event: 'sample-started', payload: { sessionId, sampleId, ...rest } })
    },
    tokens(sampleId, offset, text) {
      tell({ event: 'sample-tokens', payload: { sessionId, sampleId, offset, text } })
    },
    async ready(sampleId, response) {
      await openSample(pool, sampleId, response)
      tell({ event: 'sample-ready', payload: { sessionId, sampleId, response } })
    },
    failAsk: (sampleId) => failAsk(pool, sampleId),

    usedVotes: (step, count) => usedVotes(pool, sessionId, step, count),
    async news(step) {
      const news = await voteNews(pool, sessionId, step, cursor)
      cursor = news.next
      const last = news.cast.at(-1)?.seq ?? 0
      if (last > newest) quietSince = Date.now()
      newest = Math.max(newest, last)
      return news
    },
    logged: (step) => loggedSteps(pool, sessionId, step),
    async commit(commit) {
      const { warnings, paused } = await commitStep(lock.client, { sessionId, ...commit })
      const { step, metrics, policyVersion, receipts } = commit
      const about = { sessionId, session: sessionId, epoch: step, metrics }
      tell({
        event: 'training-progress',
        payload: { ...about, step, policyVersion, timestamp: new Date().toISOString() },
      })
      tell({ event: 'receipts', payload: { steps: [step] } })
      tell({ event: 'feedback-processed', payload: { sessionId, step, votes: receipts.length } })
      for (const warning of warnings) tell({ event: 'training-warning', payload: warning })
      if (paused && commit.pause !== null) putDown(commit.pause)
    },
    async undo(step) {
      await undoSteps(lock.client, sessionId, step)
      tell({ event: 'steps-undone', payload: { sessionId, from: step } })
    },
    rewrite: (step) => rewriteStep(lock.client, { sessionId, ...step }),
    async resave(step, state) {
      await replaceCheckpoint(lock.client, sessionId, step, await kept().store.save(state))
    },
    async finalise(states) {
      const { store, rules } = kept()
      const saved: { step: number; checkpoint: string }[] = []
      for (const { step, state } of states) saved.push({ step, checkpoint: await store.save(state) })
      const { step, checkpoint } = saved.at(-1)!
      const finished = await finaliseSteps(lock.client, sessionId, step, saved)
      const held = await checkpointsHeld(pool, sessionId, rules)
      await store.prune([...held, ...(await keepCheckpoints(pool, sessionId, rules, held))])
      tell({ event: 'receipts', payload: { steps: finished.map((one) => one.step) } })
      const { metrics } = finished.at(-1)!
      tell({
        event: 'checkpoint-saved',
        payload: { sessionId, session: sessionId, epoch: step, checkpointPath: checkpoint, metrics },
      })
      if (Date.now() - began >= turns.turnMs && (await yieldTo(pool, sessionId)))
        abort.abort(new Interrupted('yielded'))
    },
    evaluations: () => evaluationsBehind(pool, sessionId),
    async evaluated(evaluation) {
      tell({ event: 'evaluation', payload: await keepEvaluation(pool, evaluation) })
    },
    async stateOf(step) {
      const found = await stepOf(pool, sessionId, step)
      if (!found) return null
      return kept()
        .store.load(found.checkpoint)
        .catch((error: unknown) => {
          if (error instanceof CheckpointLost) return null
          throw error
        })
    },
    probe: () => probeOf(pool, sessionId),
    async tellProbe(probe) {
      await storeProbe(pool, sessionId, probe)
      tell({ event: 'probe', payload: { sessionId, ...probe } })
    },
    /** Parks the run if nobody has come for `patienceMs`. Its answers stay open to votes. */
    async quiet(open, step) {
      if (Date.now() - quietSince < turns.patienceMs || abort.signal.aborted) return
      const votes = open.reduce((sum, answer) => sum + answer.votes, 0)
      if (!(await park(lock.client, sessionId, { sampleIds: open.map(({ id }) => id), votes }))) {
        quietSince = Date.now()
        return
      }
      tell({ event: 'training-phase', payload: { sessionId, phase: 'waiting-for-votes', step, until: null } })
      abort.abort(new Interrupted('parked'))
    },
    async warn(warning) {
      log.warn(warning, 'the run warns')
      tell({ event: 'training-warning', payload: await keepWarning(pool, { sessionId, ...warning }) })
    },
    async pause(reason) {
      if (await pauseItself(pool, sessionId, reason)) putDown(reason)
    },
    keeps: (store, rules) => void (keeping = { store, rules }),
    close: () => clearInterval(poll),
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
