import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { crowdOfVotes } from '../../core/db/crowd.ts'
import { excludedFrom, isExcluded } from '../../core/db/exclusions.ts'
import type { Pool } from '../../core/db/pool.ts'
import { park, yieldTo, type RunLock } from '../../core/db/run-lock.ts'
import { pauseItself } from '../../core/db/sessions.ts'
import { commitStep, committedStep } from '../../core/db/steps.ts'
import { countHolding, forgetBegun } from '../../core/db/vote-begun.ts'
import { keepWarning } from '../../core/db/warnings.ts'
import { limits, type CrowdValue, type RunWarning, type SessionStatus } from '../../core/protocol/index.ts'
import { append } from '../../core/events/log.ts'
import { Interrupted, type SettledVote, type World } from './world.ts'

/** Votes younger than this may still be withdrawn, or their withdrawal may be on its way; milliseconds. */
const settleMs = limits.withdrawMs + 500
/** How often the session's status is read, milliseconds: what a pause takes at most, a minibatch aside. */
const statusPollMs = 250

export interface WorldDeps {
  sessionId: string
  /** Holds the run's lock; steps are committed through it and nothing else. */
  lock: RunLock
  pool: Pool
  redis: Redis
  log: Logger
  /** When the run lets others have its place. */
  turns?: Turns
}

export interface Turns {
  /**
   * Nobody has voted or asked for so long, and the step hasn't the votes that it needs: the run gives its place up
   * until somebody does. Milliseconds.
   */
  patienceMs: number
  /** After so long, with a step committed, a run that waits for a place gets this one's. Milliseconds. */
  turnMs: number
}

const usualTurns: Turns = { patienceMs: 30_000, turnMs: 60_000 }

export interface SessionWorld extends World {
  /** How many votes a step needs. */
  needs(votesPerStep: number): void
  /** Tells crowd and researcher, for good. */
  warn(warning: Omit<RunWarning, 'sessionId' | 'timestamp'>): Promise<void>
  /** Pauses the run for a reason of its own, unless somebody has put it down already. */
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
      const { rows } = await pool.query<{ status: SessionStatus }>('select status from sessions where id = $1', [
        sessionId,
      ])
      const status = rows[0]?.status ?? 'failed'
      if (status !== 'active') abort.abort(new Interrupted(status))
    } catch (error) {
      log.warn({ err: error }, 'could not read the session status')
    }
  }
  const poll = setInterval(() => void readStatus(), statusPollMs)

  // The room only watches: an event that can't be sent is missed there and nowhere else.
  const tell = (event: Parameters<typeof append>[2]): void => {
    append(redis, sessionId, event).catch((error: unknown) =>
      log.debug({ err: error, event: event.event }, 'room event lost'),
    )
  }

  /** The session is paused: everybody hears why, and the run ends here. */
  const putDown = (reason: string): void => {
    tell({ event: 'training-paused', payload: { sessionId, session: sessionId, reason } })
    abort.abort(new Interrupted('paused'))
  }

  /** Gives the place up where nobody has come for as long as the run is patient. The batch stays open to votes. */
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

  /** Whose votes were left out when votes were last read: with them the step is committed. */
  let excluded: readonly string[] = []

  /**
   * The session's standing votes that meet a condition on vote f or its receipt r, but those of `without`, oldest
   * first.
   */
  const votes = async (condition: string, value: number, without: readonly string[]): Promise<SettledVote[]> => {
    excluded = without
    const { rows } = await pool.query<SettledVote>(
      `select f.id, f.sample_id as "sampleId", s.origin, f.user_id as "raterId", f.input_text as prompt,
              coalesce(s.asked_by = f.user_id, false) as "ownQuestion", f.late,
              f.model_response as response, f.human_rating as rating, f.categories, f.compassion_rating as compassion,
              (extract(epoch from f.created_at) * 1000)::float8 as at, r.step as "usedIn"
       from feedback f left join receipts r on r.feedback_id = f.id left join samples s on s.id = f.sample_id
       where f.session_id = $1 and f.withdrawn_at is null and ${condition} and not f.user_id = any($3::uuid[]) order by f.seq`,
      [sessionId, value, without],
    )
    return rows
  }

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
      const { rowCount } = await pool.query(
        `insert into samples (id, session_id, step, origin, prompt, policy_version, status)
         values ($1, $2, $3, $4, $5, $6, 'streaming')
         on conflict (id) do update set status = 'streaming', step = excluded.step, policy_version = excluded.policy_version
         where samples.status in ('queued', 'streaming')`,
        [sample.id, sessionId, sample.step, sample.origin, sample.prompt, sample.policyVersion],
      )
      if (rowCount === 0) {
        const { rows } = await pool.query<{ response: string }>('select response from samples where id = $1', [
          sample.id,
        ])
        return rows[0]!.response
      }
      const { id: sampleId, ...rest } = sample
      tell({ event: 'sample-started', payload: { sessionId, sampleId, ...rest } })
      return null
    },
    tokens(sampleId, offset, text) {
      tell({ event: 'sample-tokens', payload: { sessionId, sampleId, offset, text } })
    },
    async ready(sampleId, response) {
      await pool.query(
        `update samples set status = 'open', response = $2, opened_at = clock_timestamp() where id = $1 and status = 'streaming'`,
        [sampleId, response],
      )
      tell({ event: 'sample-ready', payload: { sessionId, sampleId, response } })
    },
    async openedAt(sampleIds) {
      const { rows } = await pool.query<{ at: Date }>(
        'select coalesce(max(opened_at), clock_timestamp()) as at from samples where id = any($1::uuid[])',
        [sampleIds],
      )
      return rows[0]!.at.getTime()
    },
    async tally(sampleIds) {
      const { rows } = await pool.query<{ sample_id: string; votes: number }>(
        `select sample_id, count(*)::int as votes from feedback
         where sample_id = any($1::uuid[]) and withdrawn_at is null and not ${isExcluded('feedback')} group by sample_id`,
        [sampleIds],
      )
      await parkIfQuiet(
        sampleIds,
        rows.reduce((sum, row) => sum + row.votes, 0),
      )
      return new Map(rows.map((row) => [row.sample_id, row.votes]))
    },
    begunVotes: (sampleIds) => countHolding(pool, sessionId, sampleIds),
    async closeVoting(sampleIds) {
      const { rows } = await pool.query<{ id: string; votes: number; value: number | null; compassion: number | null }>(
        `with closed as (
           update samples set status = 'closed', closed_at = clock_timestamp()
           where id = any($2::uuid[]) and session_id = $1 and status = 'open' returning id
         ),
         votes as (select f.* from feedback f join closed on closed.id = f.sample_id where f.withdrawn_at is null),
         ${crowdOfVotes}
         select closed.id, coalesce(crowd.votes, 0) as votes, crowd.value, crowd.compassion
         from closed left join crowd on crowd.sample_id = closed.id`,
        [sessionId, sampleIds],
      )
      for (const { id, ...crowd } of rows) {
        tell({ event: 'voting-closed', payload: { sessionId, sampleId: id, crowd: crowd satisfies CrowdValue } })
      }
      await forgetBegun(pool, sessionId)
    },
    async settlesIn(sampleIds) {
      const { rows } = await pool.query<{ ms: number | null }>(
        `select $2 - extract(epoch from clock_timestamp() - max(f.created_at)) * 1000 as ms
         from feedback f join samples s on s.id = f.sample_id
         where s.id = any($1::uuid[]) and f.withdrawn_at is null
           and (f.created_at <= s.closed_at or not f.late and f.created_at <= s.closed_at + make_interval(secs => $3::float8 / 1000))`,
        [sampleIds, settleMs, limits.closingHoldMs],
      )
      return Math.max(0, Number(rows[0]?.ms ?? 0))
    },
    settledVotes: async () =>
      votes(
        `f.created_at <= clock_timestamp() - make_interval(secs => $2::float8 / 1000)`,
        settleMs,
        await excludedFrom(pool, sessionId),
      ),
    async recorded(step) {
      const committed = await committedStep(pool, sessionId, step)
      return (
        committed && { checkpoint: committed.checkpoint, votes: await votes('r.step <= $2', step, committed.excluded) }
      )
    },
    async nextAsk() {
      const { rows } = await pool.query<{ sampleId: string; prompt: string }>(
        `select id as "sampleId", prompt from samples
         where session_id = $1 and origin = 'ask' and status in ('queued', 'streaming') order by created_at limit 1`,
        [sessionId],
      )
      if (rows.length > 0) quiet = { since: Date.now(), votes: -1 }
      return rows[0] ?? null
    },
    async failAsk(sampleId) {
      await pool.query(`update samples set status = 'failed' where id = $1`, [sampleId])
    },
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
