import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { excludedFrom } from '../../core/db/exclusions.ts'
import { settledVotes, settlesIn, tallyOf, usedVotes } from '../../core/db/feedback.ts'
import type { Pool } from '../../core/db/pool.ts'
import type { RunLock } from '../../core/db/run-lock.ts'
import { park, yieldTo } from '../../core/db/run-queue.ts'
import { closeSamples, failAsk, nextAsk, openedAt, openSample, startSample } from '../../core/db/samples.ts'
import { pauseItself, statusOf } from '../../core/db/sessions.ts'
import { commitStep, committedStep } from '../../core/db/steps.ts'
import { countHolding, forgetBegun } from '../../core/db/vote-begun.ts'
import { keepWarning } from '../../core/db/warnings.ts'
import type { RunWarning } from '../../core/protocol/index.ts'
import { append } from '../../core/events/log.ts'
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
  /** How many votes a step needs. */
  needs(votesPerStep: number): void
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
  let needed = 1
  let stepNow = 0
  /** When somebody last voted or asked, as far as the run has seen, and how many votes its answers had then. */
  let quiet = { since: Date.now(), votes: -1 }
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

  /** Parks the run if nobody has come for `patienceMs`. The batch stays open to votes. */
  const parkIfQuiet = async (sampleIds: string[], votes: number): Promise<void> => {
    if (votes !== quiet.votes) quiet = { since: Date.now(), votes }
    if (votes >= needed || Date.now() - quiet.since < turns.patienceMs || abort.signal.aborted) return
    if (!(await park(lock.client, sessionId, { sampleIds, votes }))) {
      quiet = { since: Date.now(), votes: -1 }
      return
    }
    tell({ event: 'training-phase', payload: { sessionId, phase: 'waiting-for-votes', step: stepNow, until: null } })
    abort.abort(new Interrupted('parked'))
  }

  /** Raters whose votes were excluded at the last read; committed with the step. */
  let excluded: readonly string[] = []

  return {
    signal: abort.signal,
    now: Date.now,
    sleep: (ms) => sleep(ms, abort.signal),
    phase(phase, step, until) {
      stepNow = step
      tell({
        event: 'training-phase',
        payload: { sessionId, phase, step, until: until === undefined ? null : new Date(until).toISOString() },
      })
    },
    async start(sample) {
      const response = await startSample(pool, sessionId, sample)
      if (response !== null) return response
      const { id: sampleId, ...rest } = sample
      tell({ event: 'sample-started', payload: { sessionId, sampleId, ...rest } })
      return null
    },
    tokens(sampleId, offset, text) {
      tell({ event: 'sample-tokens', payload: { sessionId, sampleId, offset, text } })
    },
    async ready(sampleId, response) {
      await openSample(pool, sampleId, response)
      tell({ event: 'sample-ready', payload: { sessionId, sampleId, response } })
    },
    openedAt: async (sampleIds) => (await openedAt(pool, sampleIds)).getTime(),
    async tally(sampleIds) {
      const tally = await tallyOf(pool, sampleIds)
      await parkIfQuiet(
        sampleIds,
        [...tally.values()].reduce((sum, votes) => sum + votes, 0),
      )
      return tally
    },
    begunVotes: (sampleIds) => countHolding(pool, sessionId, sampleIds),
    async closeVoting(sampleIds) {
      for (const { sampleId, crowd } of await closeSamples(pool, sessionId, sampleIds)) {
        tell({ event: 'voting-closed', payload: { sessionId, sampleId, crowd } })
      }
      await forgetBegun(pool, sessionId)
    },
    settlesIn: (sampleIds) => settlesIn(pool, sampleIds),
    async settledVotes() {
      excluded = await excludedFrom(pool, sessionId)
      return settledVotes(pool, sessionId, excluded)
    },
    async recorded(step) {
      const committed = await committedStep(pool, sessionId, step)
      if (committed === null) return null
      excluded = committed.excluded
      return { checkpoint: committed.checkpoint, votes: await usedVotes(pool, sessionId, step, excluded) }
    },
    async nextAsk() {
      const question = await nextAsk(pool, sessionId)
      if (question !== null) quiet = { since: Date.now(), votes: -1 }
      return question
    },
    failAsk: (sampleId) => failAsk(pool, sampleId),
    async commit(commit) {
      const { warnings, paused } = await commitStep(lock.client, { sessionId, ...commit, excluded })
      const { step, metrics, policyVersion, checkpoint, receipts, remade } = commit
      const about = { sessionId, session: sessionId, epoch: step, metrics }
      tell({
        event: 'training-progress',
        payload: { ...about, step, policyVersion, timestamp: new Date().toISOString() },
      })
      if (!remade) tell({ event: 'receipts', payload: { step } })
      tell({ event: 'feedback-processed', payload: { sessionId, step, votes: receipts.length } })
      tell({ event: 'checkpoint-saved', payload: { ...about, checkpointPath: checkpoint } })
      for (const warning of warnings) tell({ event: 'training-warning', payload: warning })
      if (paused && commit.pause !== null) return putDown(commit.pause)
      if (Date.now() - began >= turns.turnMs && (await yieldTo(pool, sessionId)))
        abort.abort(new Interrupted('yielded'))
    },
    async warn(warning) {
      log.warn(warning, 'the run warns')
      tell({ event: 'training-warning', payload: await keepWarning(pool, { sessionId, ...warning }) })
    },
    async pause(reason) {
      if (await pauseItself(pool, sessionId, reason)) putDown(reason)
    },
    needs: (votesPerStep) => void (needed = votesPerStep),
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
